#include "peer/frame_reader.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace kvorum::peer {
namespace {

constexpr FrameLimits kTightLimits{.bytes_max = 200, .words_max = 8};

std::string error_of(const std::string& input, FrameLimits limits = kTightLimits) {
  FrameReader reader(limits);
  const auto frame = reader.next(input);
  if (!frame) return frame.error().message;
  return *frame ? "a frame" : "more";
}

std::optional<Frame> read(const std::string& input) {
  FrameReader reader(kTightLimits);
  auto frame = reader.next(input);
  EXPECT_TRUE(frame.has_value()) << frame.error().message;
  if (!frame || !*frame) return std::nullopt;
  EXPECT_LE(reader.frame_bytes(), input.size());
  return std::move(**frame);
}

TEST(FrameReader, ReadsWords) {
  const auto frame = read(std::string("*3\r\n$3\r\nSET\r\n$0\r\n\r\n$5\r\na\r\n\0b\r\n", 30));
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->kind, Frame::Kind::kWords);
  EXPECT_EQ(frame->words, (std::vector<std::string>{"SET", "", std::string("a\r\n\0b", 5)}));
}

TEST(FrameReader, ReadsTheAnswersOfAHandshake) {
  const auto status = read("+OK kvorum 1 7\r\n");
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->kind, Frame::Kind::kStatus);
  EXPECT_EQ(status->words, std::vector<std::string>{"OK kvorum 1 7"});
  const auto error = read("-ERR no\r\n");
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->kind, Frame::Kind::kError);
  EXPECT_EQ(error->words, std::vector<std::string>{"ERR no"});
  const auto text = read("$2\r\nhi\r\n");
  ASSERT_TRUE(text.has_value());
  EXPECT_EQ(text->kind, Frame::Kind::kText);
  EXPECT_EQ(text->words, std::vector<std::string>{"hi"});
}

TEST(FrameReader, ReadsAStreamThatIsCutAnywhere) {
  const std::string frames = "*2\r\n$4\r\nping\r\n$1\r\nx\r\n+OK\r\n*1\r\n$0\r\n\r\n$3\r\nabc\r\n";
  for (size_t piece = 1; piece <= frames.size(); ++piece) {
    FrameReader reader(kTightLimits);
    std::vector<std::string> words;
    std::string held;
    for (size_t at = 0; at < frames.size(); at += piece) {
      held += frames.substr(at, piece);
      while (true) {
        auto frame = reader.next(held);
        ASSERT_TRUE(frame.has_value()) << frame.error().message;
        if (!*frame) {
          EXPECT_GT(reader.wanted_bytes(), held.size());
          break;
        }
        held.erase(0, reader.frame_bytes());
        words.insert(words.end(), (*frame)->words.begin(), (*frame)->words.end());
      }
    }
    EXPECT_EQ(held, "");
    EXPECT_EQ(words, (std::vector<std::string>{"ping", "x", "OK", "", "abc"})) << piece;
  }
}

TEST(FrameReader, NeverWantsMoreThanTheFrameHas) {
  const std::string frame = "*3\r\n$4\r\nping\r\n$0\r\n\r\n$1\r\nx\r\n";
  FrameReader reader(kTightLimits);
  for (size_t size = 0; size < frame.size(); ++size) {
    const auto none = reader.next(frame.substr(0, size));
    ASSERT_TRUE(none.has_value());
    ASSERT_FALSE(none->has_value());
    EXPECT_LE(reader.wanted_bytes(), frame.size());
  }
  EXPECT_TRUE(reader.next(frame)->has_value());
}

TEST(FrameReader, RefusesLengthsBeforeTheirBytesCome) {
  EXPECT_EQ(error_of("*1\r\n$9223372036854775807\r\n"), "a frame of more than 200 bytes");
  EXPECT_EQ(error_of("*1\r\n$18446744073709551615\r\n"), "a frame of more than 200 bytes");
  EXPECT_EQ(error_of("*1\r\n$18446744073709551616\r\n"), "a length that is not a decimal number");
  EXPECT_EQ(error_of("*1\r\n$200\r\n"), "a frame of more than 200 bytes");
  EXPECT_EQ(error_of("*2\r\n$183\r\n"), "a frame of more than 200 bytes");
  EXPECT_EQ(error_of("*2\r\n$180\r\n"), "more");
  EXPECT_EQ(error_of("$190\r\n"), "more");
  EXPECT_EQ(error_of("$193\r\n"), "a frame of more than 200 bytes");
}

TEST(FrameReader, RefusesCountsBeforeTheirWordsCome) {
  EXPECT_EQ(error_of("*9\r\n"), "9 words in a frame; there may be 1 to 8");
  EXPECT_EQ(error_of("*0\r\n"), "0 words in a frame; there may be 1 to 8");
  EXPECT_EQ(error_of("*2147483648\r\n"), "2147483648 words in a frame; there may be 1 to 8");
  EXPECT_EQ(error_of("*8\r\n", {.bytes_max = 40, .words_max = 8}), "a frame of more than 40 bytes");
}

TEST(FrameReader, RefusesWhatIsNoFlatArrayOfBulkStrings) {
  EXPECT_EQ(error_of("*1\r\n*1\r\n$1\r\nx\r\n"), "a word that is not a bulk string");
  EXPECT_EQ(error_of("*1\r\n:1\r\n"), "a word that is not a bulk string");
  EXPECT_EQ(error_of("*-1\r\n"), "a length that is not a decimal number");
  EXPECT_EQ(error_of("*1\r\n$-1\r\n"), "a length that is not a decimal number");
  EXPECT_EQ(error_of("*1\r\n$+1\r\n"), "a length that is not a decimal number");
  EXPECT_EQ(error_of("*\r\n"), "a length that is not a decimal number");
  EXPECT_EQ(error_of("*1\r\n$1\r\nxyz"), "a word that is longer than it says");
  EXPECT_EQ(error_of(":1\r\n"), "a frame does not begin with byte 58");
  EXPECT_EQ(error_of("GET / HTTP/1.1\r\n"), "a frame does not begin with byte 71");
  EXPECT_EQ(error_of("+a\rb\r\n"), "a line with a control character in it");
}

TEST(FrameReader, RefusesLinesWithoutEnd) {
  EXPECT_EQ(error_of("*" + std::string(23, '1')), "more");
  EXPECT_EQ(error_of("*" + std::string(24, '1')), "a line of more than 24 bytes");
  EXPECT_EQ(error_of("*1\r\n$" + std::string(24, '1')), "a line of more than 24 bytes");
  EXPECT_EQ(error_of("-" + std::string(5000, 'x')), "a line of more than 4096 bytes");
}

}  // namespace
}  // namespace kvorum::peer
