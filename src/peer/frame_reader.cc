#include "peer/frame_reader.h"

#include <hiredis/hiredis.h>
#include <hiredis/read.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/check.h"
#include "base/parse_number.h"

namespace kvorum::peer {

namespace {

// A status or error line, and a header with its number.
constexpr size_t kLineBytesMax = 4096;
constexpr size_t kHeaderBytesMax = 24;
constexpr size_t kSmallestBulkBytes = 6;  // "$0\r\n\r\n"
constexpr size_t kReservedWordsMax = 1024;

// hiredis builds its replies through these: straight into the Frame that the reader's privdata is.
// An object is only an address that is not null; the Frame owns everything.
Frame& frame_of(const redisReadTask* task) {
  return *static_cast<Frame*>(task->privdata);
}

void* add_string(const redisReadTask* task, char* text, size_t size) {
  Frame& frame = frame_of(task);
  if (task->type == REDIS_REPLY_STATUS) frame.kind = Frame::Kind::kStatus;
  if (task->type == REDIS_REPLY_ERROR) frame.kind = Frame::Kind::kError;
  if (task->type == REDIS_REPLY_STRING && task->parent == nullptr) frame.kind = Frame::Kind::kText;
  frame.words.emplace_back(text, size);
  return &frame;
}

void* add_array(const redisReadTask* task, int count) {
  Frame& frame = frame_of(task);
  frame.words.reserve(std::min(static_cast<size_t>(count), kReservedWordsMax));
  return &frame;
}

// Never in a frame that was measured; null makes hiredis give up.
void* refuse_integer(const redisReadTask*, long long) {
  return nullptr;
}
void* refuse_nil(const redisReadTask*) {
  return nullptr;
}
void free_nothing(void*) {}

redisReplyObjectFunctions kBuildFrame{add_string, add_array, refuse_integer, refuse_nil,
                                      free_nothing};

// The line that begins at `from`, without its end; nothing when it is not complete. `bytes_max`
// bounds it with its end.
Result<std::optional<std::string_view>> line_at(std::string_view input, size_t from,
                                                size_t bytes_max) {
  const std::string_view rest = input.substr(from, bytes_max);
  const size_t end = rest.find("\r\n");
  if (end != std::string_view::npos) return rest.substr(0, end);
  if (rest.size() == bytes_max) return fail("a line of more than {} bytes", bytes_max);
  return std::nullopt;
}

Result<size_t> parse_size(std::string_view digits) {
  const std::optional<size_t> size = parse_number<size_t>(digits);
  if (!size) return fail("a length that is not a decimal number");
  return *size;
}

}  // namespace

void FrameReader::FreeReader::operator()(redisReader* reader) const {
  redisReaderFree(reader);
}

FrameReader::FrameReader(FrameLimits limits)
    : limits_(limits), reader_(redisReaderCreateWithFunctions(&kBuildFrame)) {
  CHECK(reader_ != nullptr, "out of memory");
}

FrameReader::~FrameReader() = default;

Result<std::optional<Frame>> FrameReader::next(std::string_view input) {
  const auto whole = measure(input);
  if (!whole) return tl::unexpected(whole.error());
  if (!*whole) return std::nullopt;
  frame_bytes_ = std::exchange(measured_, 0);
  auto frame = parse(input.substr(0, frame_bytes_));
  if (!frame) return tl::unexpected(frame.error());
  return std::optional<Frame>(std::move(*frame));
}

bool FrameReader::want(size_t bytes) {
  wanted_bytes_ = bytes;
  return false;
}

Result<bool> FrameReader::measure(std::string_view input) {
  if (measured_ == 0) {
    auto begun = measure_start(input);
    if (!begun || !*begun) return begun;
  }
  while (bulks_left_ > 0) {
    auto bulk = measure_bulk(input);
    if (!bulk || !*bulk) return bulk;
  }
  return true;
}

Result<bool> FrameReader::measure_start(std::string_view input) {
  if (input.empty()) return want(1);
  switch (input.front()) {
    case '+':
    case '-': {
      const auto line = line_at(input, 1, kLineBytesMax);
      if (!line) return tl::unexpected(line.error());
      if (!*line) return want(input.size() + 1);
      if ((*line)->find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
        return fail("a line with a control character in it");
      }
      measured_ = 1 + (*line)->size() + 2;
      return true;
    }
    case '$':
      bulks_left_ = 1;
      return true;
    case '*': {
      const auto line = line_at(input, 1, kHeaderBytesMax);
      if (!line) return tl::unexpected(line.error());
      if (!*line) return want(input.size() + 1);
      const auto count = parse_size(**line);
      if (!count) return tl::unexpected(count.error());
      if (*count == 0 || *count > limits_.words_max) {
        return fail("{} words in a frame; there may be 1 to {}", *count, limits_.words_max);
      }
      bulks_left_ = *count;
      measured_ = 1 + (*line)->size() + 2;
      return true;
    }
    default:
      return fail("a frame does not begin with byte {}", static_cast<uint8_t>(input.front()));
  }
}

Result<bool> FrameReader::measure_bulk(std::string_view input) {
  const size_t after = (bulks_left_ - 1) * kSmallestBulkBytes;
  if (measured_ + kSmallestBulkBytes + after > limits_.bytes_max) {
    return fail("a frame of more than {} bytes", limits_.bytes_max);
  }
  if (input.size() <= measured_) return want(measured_ + kSmallestBulkBytes + after);
  if (input[measured_] != '$') return fail("a word that is not a bulk string");
  const auto line = line_at(input, measured_ + 1, kHeaderBytesMax);
  if (!line) return tl::unexpected(line.error());
  if (!*line) return want(input.size() + 1);
  const auto size = parse_size(**line);
  if (!size) return tl::unexpected(size.error());
  const size_t begin = measured_ + 1 + (*line)->size() + 2;
  // In this order nothing overflows.
  if (*size > limits_.bytes_max || begin + *size + 2 + after > limits_.bytes_max) {
    return fail("a frame of more than {} bytes", limits_.bytes_max);
  }
  const size_t end = begin + *size + 2;
  if (input.size() < end) return want(end + after);
  if (input.substr(end - 2, 2) != "\r\n") return fail("a word that is longer than it says");
  measured_ = end;
  --bulks_left_;
  return true;
}

Result<Frame> FrameReader::parse(std::string_view bytes) {
  Frame frame;
  reader_->privdata = &frame;
  void* reply = nullptr;
  if (redisReaderFeed(reader_.get(), bytes.data(), bytes.size()) != REDIS_OK ||
      redisReaderGetReply(reader_.get(), &reply) != REDIS_OK || reply == nullptr) {
    return fail("a frame that hiredis can't read: {}", reader_->errstr);
  }
  reader_->privdata = nullptr;
  return frame;
}

}  // namespace kvorum::peer
