#include "resp/reply_parser.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "resp/reply_writer.h"

namespace kvorum::resp {
namespace {

using Type = Value::Type;

// What a stream gives: each reply as text, then the error if there is one.
std::vector<std::string> read_all(std::string_view bytes, size_t piece, ReplyLimits limits = {}) {
  ReplyParser parser(limits);
  std::vector<std::string> read;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    parser.feed(bytes.substr(at, piece));
    while (true) {
      const auto reply = parser.next();
      if (!reply) {
        EXPECT_FALSE(parser.next());
        read.push_back(reply.error().message);
        return read;
      }
      if (!*reply) break;
      read.push_back(to_string(**reply));
    }
  }
  return read;
}

Value read_one(std::string_view bytes) {
  ReplyParser parser;
  parser.feed(bytes);
  auto reply = parser.next();
  EXPECT_TRUE(reply && *reply) << testing::PrintToString(bytes);
  EXPECT_EQ(parser.buffered(), 0U);
  return reply && *reply ? **std::move(reply) : Value{};
}

TEST(ReplyParser, ReadsEachType) {
  EXPECT_EQ(read_one("+OK\r\n"), (Value{.type = Type::kSimple, .text = "OK"}));
  EXPECT_EQ(read_one("-ERR no\r\n"), (Value{.type = Type::kError, .text = "ERR no"}));
  EXPECT_EQ(read_one("!6\r\nERR\r\nx\r\n"), (Value{.type = Type::kError, .text = "ERR\r\nx"}));
  EXPECT_EQ(read_one(":-9223372036854775808\r\n"),
            (Value{.type = Type::kInteger, .integer = std::numeric_limits<int64_t>::min()}));
  EXPECT_EQ(read_one("$4\r\na\r\nb\r\n"), (Value{.type = Type::kBulk, .text = "a\r\nb"}));
  EXPECT_EQ(read_one("$0\r\n\r\n"), (Value{.type = Type::kBulk}));
  EXPECT_EQ(read_one("$-1\r\n"), (Value{.type = Type::kNull}));
  EXPECT_EQ(read_one("_\r\n"), (Value{.type = Type::kNull}));
  EXPECT_EQ(read_one("*-1\r\n"), (Value{.type = Type::kNullArray}));
  EXPECT_EQ(read_one("*0\r\n"), (Value{.type = Type::kArray}));
  EXPECT_EQ(read_one("#t\r\n"), (Value{.type = Type::kBoolean, .integer = 1}));
  EXPECT_EQ(read_one("#f\r\n"), (Value{.type = Type::kBoolean, .integer = 0}));
  EXPECT_EQ(read_one(",1.5e3\r\n"), (Value{.type = Type::kReal, .real = 1500}));
  EXPECT_EQ(read_one(",-inf\r\n"),
            (Value{.type = Type::kReal, .real = -std::numeric_limits<double>::infinity()}));
  EXPECT_TRUE(std::isnan(read_one(",nan\r\n").real));
  EXPECT_EQ(read_one("(-123456789012345678901\r\n"),
            (Value{.type = Type::kBigNumber, .text = "-123456789012345678901"}));
  EXPECT_EQ(read_one("=7\r\ntxt:a b\r\n"),
            (Value{.type = Type::kVerbatim, .text = "a b", .format = "txt"}));
  const Value one{.type = Type::kInteger, .integer = 1};
  const Value two{.type = Type::kInteger, .integer = 2};
  EXPECT_EQ(read_one("*2\r\n:1\r\n:2\r\n"), (Value{.type = Type::kArray, .elements = {one, two}}));
  EXPECT_EQ(read_one("%1\r\n:1\r\n:2\r\n"), (Value{.type = Type::kMap, .elements = {one, two}}));
  EXPECT_EQ(read_one("~2\r\n:1\r\n:2\r\n"), (Value{.type = Type::kSet, .elements = {one, two}}));
  EXPECT_EQ(read_one(">2\r\n:1\r\n:2\r\n"), (Value{.type = Type::kPush, .elements = {one, two}}));
}

TEST(ReplyParser, PrintsValuesOnOneLine) {
  EXPECT_EQ(
      to_string(read_one("*9\r\n+OK\r\n$6\r\na\"\\\r\n\x01\r\n:1\r\n_\r\n*-1\r\n#t\r\n,0.5\r\n"
                         "-ERR x\r\n(12\r\n")),
      R"([OK, "a\"\\\r\n\x01", 1, (nil), (nil array), true, 0.5, (error) ERR x, 12])");
  EXPECT_EQ(to_string(read_one("%2\r\n$1\r\na\r\n~1\r\n:1\r\n$1\r\nb\r\n>1\r\n#f\r\n")),
            R"({"a": set[1], "b": push[false]})");
}

const std::string kStream =
    "+OK\r\n*3\r\n$3\r\na\r\n\r\n*2\r\n:1\r\n*0\r\n%1\r\n+k\r\n~2\r\n#t\r\n_\r\n$-1\r\n"
    "|1\r\n+ttl\r\n:5\r\n*2\r\n|1\r\n+x\r\n*1\r\n:9\r\n:1\r\n:2\r\n|0\r\n=5\r\ntxt:a\r\n!"
    "3\r\nERR\r\n"
    ">2\r\n$7\r\nmessage\r\n,2.5\r\n:3";

TEST(ReplyParser, ReadsAStreamInPiecesOfEverySize) {
  const std::vector<std::string> expected = {"OK",
                                             "[\"a\\r\\n\", [1, []], {k: set[true, (nil)]}]",
                                             "(nil)",
                                             "[1, 2]",
                                             "\"a\"",
                                             "(error) ERR",
                                             "push[\"message\", 2.5]"};
  for (size_t piece = 1; piece <= kStream.size(); ++piece) {
    EXPECT_EQ(read_all(kStream, piece), expected) << "pieces of " << piece;
  }
}

TEST(ReplyParser, RefusesMalformedReplies) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"x\r\n", "a value of no known type"},
      {"\r\n", "an empty line"},
      {":\r\n", "an integer that is none"},
      {":1x\r\n", "an integer that is none"},
      {":9223372036854775808\r\n", "an integer that is none"},
      {"$\r\n", "a bulk length out of range"},
      {"$-2\r\n", "a bulk length out of range"},
      {"$?\r\n", "a bulk length out of range"},
      {"!-1\r\n", "a bulk length out of range"},
      {"$9223372036854775807\r\n", "a bulk length out of range"},
      {"$1\r\nabc", "a bulk string without its end"},
      {"=3\r\ntxt\r\n", "a verbatim without a format"},
      {"=4\r\ntxt-\r\n", "a verbatim without a format"},
      {"*-2\r\n", "an element count out of range"},
      {"%-1\r\n", "an element count out of range"},
      {"*?\r\n", "an element count out of range"},
      {"*9223372036854775807\r\n", "an element count out of range"},
      {"#x\r\n", "a boolean that is neither t nor f"},
      {"_x\r\n", "a null with a value"},
      {",\r\n", "a double that is none"},
      {",1.5x\r\n", "a double that is none"},
      {"(\r\n", "a big number that is none"},
      {"(-\r\n", "a big number that is none"},
      {"(1a\r\n", "a big number that is none"},
      {"*1\r\n*1\r\nx\r\n", "a value of no known type"},
  };
  for (const auto& [input, error] : cases) {
    for (const size_t piece : {size_t{1}, input.size()}) {
      EXPECT_EQ(read_all(input, piece), std::vector<std::string>{"malformed reply: " + error})
          << testing::PrintToString(input);
    }
  }
}

TEST(ReplyParser, HoldsToItsLimits) {
  const ReplyLimits limits{
      .depth_max = 3, .bulk_bytes_max = 4, .line_bytes_max = 8, .values_max = 5};
  using Read = std::vector<std::string>;
  const std::vector<std::pair<std::string, Read>> cases = {
      {"*1\r\n*1\r\n*1\r\n:1\r\n", {"[[[1]]]"}},
      {"*1\r\n*1\r\n*1\r\n*1\r\n", {"malformed reply: a value nested too deep"}},
      {"$4\r\nabcd\r\n", {"\"abcd\""}},
      {"$5\r\n", {"malformed reply: a bulk length out of range"}},
      {"+1234567\r\n", {"1234567"}},
      {"+12345678\r\n", {"malformed reply: a line that is too long"}},
      {"+123456789012", {"malformed reply: a line that is too long"}},
      {"*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n",
       {"[1, 2, 3, 4]", "[1, 2, 3, 4]"}},
      {"*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n", {"malformed reply: too many values in one reply"}},
      {"*6\r\n", {"malformed reply: an element count out of range"}},
  };
  for (const auto& [input, expected] : cases) {
    for (const size_t piece : {size_t{1}, input.size()}) {
      EXPECT_EQ(read_all(input, piece, limits), expected) << testing::PrintToString(input);
    }
  }
}

TEST(ReplyParser, ReadsALargeBulkInSmallPiecesInLinearTime) {
  const std::string payload(size_t{32} << 20, '\r');
  ReplyParser parser;
  parser.feed("$33554432\r\n");
  for (size_t at = 0; at < payload.size(); at += 64) {
    parser.feed(std::string_view(payload).substr(at, 64));
    ASSERT_FALSE(parser.next()->has_value());
  }
  parser.feed("\r\n");
  EXPECT_EQ(parser.next()->value().text.size(), payload.size());
}

void write_random(ReplyWriter& writer, std::mt19937_64& random, int depth) {
  switch (random() % (depth > 0 ? 12 : 8)) {
    case 0:
      return writer.simple("OK");
    case 1:
      return writer.error("ERR x");
    case 2:
      return writer.integer(static_cast<int64_t>(random()));
    case 3:
      return writer.bulk(std::string(random() % 300, '\r'));
    case 4:
      return writer.null();
    case 5:
      return writer.real(static_cast<double>(random()) / 7);
    case 6:
      return writer.boolean(random() % 2 == 0);
    case 7:
      return writer.verbatim("txt", "some text");
    case 8: {
      const size_t pairs = random() % 3;
      writer.map(pairs);
      for (size_t i = 0; i < 2 * pairs; ++i) write_random(writer, random, depth - 1);
      return;
    }
    default: {
      const size_t elements = random() % 5;
      random() % 2 == 0 ? writer.array(elements) : writer.set(elements);
      for (size_t i = 0; i < elements; ++i) write_random(writer, random, depth - 1);
      return;
    }
  }
}

TEST(ReplyParser, ReadsWhatTheWriterWrites) {
  std::mt19937_64 random(23);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    ReplyWriter writer(bytes, round % 2 == 0 ? Protocol::kResp2 : Protocol::kResp3);
    write_random(writer, random, 4);
    const std::vector<std::string> whole = read_all(bytes, bytes.size());
    ASSERT_EQ(whole.size(), 1U);
    ASSERT_EQ(whole[0].find("malformed"), std::string::npos);
    ASSERT_EQ(read_all(bytes, 1 + random() % 7), whole);
  }
}

TEST(ReplyParser, SurvivesMutatedReplies) {
  std::mt19937_64 random(24);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = kStream;
    for (size_t n = 1 + random() % 4; n > 0; --n) {
      bytes[random() % bytes.size()] = "*$%~>|:+-_#,(!=\r\n0129"[random() % 21];
    }
    ASSERT_EQ(read_all(bytes, 1 + random() % 9), read_all(bytes, bytes.size()));
  }
}

}  // namespace
}  // namespace kvorum::resp
