#include "resp/request_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "resp/decimal.h"

namespace kvorum::resp {
namespace {

constexpr size_t kUnauthenticatedArgumentsMax = 10;
constexpr size_t kUnauthenticatedBulkBytesMax = 16384;
// What a connection keeps allocated between requests; a rare large request gives the rest back.
constexpr size_t kArgumentsKept = 1024;
constexpr size_t kInlineBytesKept = 1024;
// Sums of limits must not wrap.
constexpr size_t kLimitMax = size_t{1} << 48;

bool is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// What ends a word outside of quotes: fewer characters than separate words from each other. Redis
// keeps vertical tab and form feed inside a word.
bool ends_word(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char unescape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// Splits the line of an inline request into its words, as redis-cli splits what is typed.
class InlineLine {
 public:
  // `storage` has room for the line already: words are never longer than their source, and views
  // of it must not move.
  InlineLine(std::string_view line, std::string& storage) : line_(line), storage_(storage) {}

  // False: a quote is not closed, or something follows it directly.
  bool split(std::vector<std::string_view>& words) {
    while (true) {
      while (at_ < line_.size() && is_blank(line_[at_])) ++at_;
      if (at_ == line_.size()) return true;
      const size_t begin = storage_.size();
      if (!word()) return false;
      words.push_back(std::string_view(storage_).substr(begin));
    }
  }

 private:
  bool word() {
    while (at_ < line_.size() && !ends_word(line_[at_])) {
      const char c = line_[at_++];
      // A quote may open in the middle of a word, but its end ends the word.
      if (c == '"') return double_quoted();
      if (c == '\'') return single_quoted();
      storage_.push_back(c);
    }
    return true;
  }

  bool double_quoted() {
    while (at_ < line_.size()) {
      const char c = line_[at_++];
      if (c == '"') return closed();
      if (c == '\\' && at_ < line_.size()) {
        escape();
      } else {
        storage_.push_back(c);
      }
    }
    return false;
  }

  bool single_quoted() {
    while (at_ < line_.size()) {
      const char c = line_[at_++];
      if (c == '\'') return closed();
      if (c == '\\' && at_ < line_.size() && line_[at_] == '\'') {
        storage_.push_back('\'');
        ++at_;
      } else {
        storage_.push_back(c);
      }
    }
    return false;
  }

  void escape() {
    if (line_[at_] == 'x' && at_ + 2 < line_.size()) {
      const int high = hex_digit(line_[at_ + 1]);
      const int low = hex_digit(line_[at_ + 2]);
      if (high >= 0 && low >= 0) {
        storage_.push_back(static_cast<char>(high * 16 + low));
        at_ += 3;
        return;
      }
    }
    storage_.push_back(unescape(line_[at_++]));
  }

  bool closed() const { return at_ == line_.size() || is_blank(line_[at_]); }

  std::string_view line_;
  std::string& storage_;
  size_t at_ = 0;
};

}  // namespace

RequestParser::RequestParser(RequestLimits limits) : limits_(limits) {
  CHECK(std::max({limits.bulk_bytes_max, limits.arguments_max, limits.inline_bytes_max,
                  limits.request_bytes_max}) <= kLimitMax);
}

ParseResult RequestParser::next(std::string_view input, std::vector<std::string_view>& args) {
  args.clear();
  if (!error_.empty()) [[unlikely]]
    return {ParseStatus::kError, 0, error_};
  CHECK(input.size() >= position_ + scanned_, "input went back: {} bytes after {}", input.size(),
        position_ + scanned_);
  size_t consumed = 0;
  while (consumed < input.size()) {
    const std::string_view request = input.substr(consumed);
    const Step step =
        request[0] == '*' ? parse_multibulk(request, args) : parse_inline(request, args);
    if (step == Step::kIncomplete) return {ParseStatus::kIncomplete, consumed, {}};
    if (step == Step::kError) {
      args.clear();
      return {ParseStatus::kError, consumed, error_};
    }
    consumed += position_;
    restart();
    if (!args.empty()) return {ParseStatus::kRequest, consumed, {}};
  }
  return {ParseStatus::kIncomplete, consumed, {}};
}

RequestParser::Step RequestParser::parse_multibulk(std::string_view request,
                                                   std::vector<std::string_view>& args) {
  if (position_ == 0) {
    if (const Step step = parse_count(request); step != Step::kDone) return step;
  }
  while (arguments_left_ > 0) {
    if (!bulk_announced_) {
      if (const Step step = parse_bulk_header(request); step != Step::kDone) return step;
    }
    // Whatever two bytes close a bulk string, Redis takes them for CR LF.
    const size_t needed = bulk_bytes_ + 2;
    const size_t available = request.size() - position_;
    if (available < needed) return incomplete(needed - available);
    arguments_.push_back({position_, bulk_bytes_});
    position_ += needed;
    bulk_announced_ = false;
    --arguments_left_;
  }
  args.reserve(arguments_.size());
  for (const Span& span : arguments_) args.emplace_back(request.data() + span.offset, span.size);
  return Step::kDone;
}

RequestParser::Step RequestParser::parse_count(std::string_view request) {
  if (const Step step = find_line(request, "too big mbulk count string"); step != Step::kDone) {
    return step;
  }
  const std::optional<int64_t> count = parse_integer(request.substr(1, line_end_ - 1));
  if (!count || (*count > 0 && static_cast<uint64_t>(*count) > limits_.arguments_max)) {
    return protocol_error("invalid multibulk length");
  }
  if (!authenticated_ && *count > int64_t{kUnauthenticatedArgumentsMax}) {
    return protocol_error("unauthenticated multibulk length");
  }
  position_ = line_end_ + 2;
  scanned_ = 0;
  arguments_left_ = *count > 0 ? static_cast<size_t>(*count) : 0;
  return Step::kDone;
}

RequestParser::Step RequestParser::parse_bulk_header(std::string_view request) {
  if (const Step step = find_line(request, "too big bulk count string"); step != Step::kDone) {
    return step;
  }
  if (request[position_] != '$') {
    const char got = request[position_];
    return protocol_error(
        fmt::format("expected '$', got '{}'", got == '\r' || got == '\n' ? ' ' : got));
  }
  const std::optional<int64_t> size =
      parse_integer(request.substr(position_ + 1, line_end_ - position_ - 1));
  if (!size || *size < 0 || static_cast<uint64_t>(*size) > limits_.bulk_bytes_max) {
    return protocol_error("invalid bulk length");
  }
  const auto bytes = static_cast<size_t>(*size);
  if (!authenticated_ && bytes > kUnauthenticatedBulkBytesMax) {
    return protocol_error("unauthenticated bulk length");
  }
  const size_t begin = line_end_ + 2;
  if (begin + bytes + 2 > limits_.request_bytes_max) {
    return protocol_error(
        fmt::format("too big request, the limit is {} bytes", limits_.request_bytes_max));
  }
  position_ = begin;
  scanned_ = 0;
  bulk_announced_ = true;
  bulk_bytes_ = bytes;
  return Step::kDone;
}

RequestParser::Step RequestParser::find_line(std::string_view request, const char* too_big) {
  // One byte more than the limit: as many as may have come before the line counts as too big.
  const size_t window = std::min(request.size(), position_ + limits_.inline_bytes_max + 1);
  size_t at = position_ + scanned_;
  // Most lines end after two or three bytes.
  const size_t near = std::min(window, at + 8);
  while (at < near && request[at] != '\r') ++at;
  if (at == near && at < window) {
    const void* found = std::memchr(request.data() + at, '\r', window - at);
    at = found == nullptr ? window
                          : static_cast<size_t>(static_cast<const char*>(found) - request.data());
  }
  scanned_ = at - position_;
  if (at == window) {
    return scanned_ > limits_.inline_bytes_max ? protocol_error(too_big) : incomplete(2);
  }
  // Redis waits for the byte after the CR, and does not look at it.
  if (at + 1 == request.size()) return incomplete(1);
  line_end_ = at;
  return Step::kDone;
}

RequestParser::Step RequestParser::parse_inline(std::string_view request,
                                                std::vector<std::string_view>& args) {
  const size_t window = std::min(request.size(), limits_.inline_bytes_max + 1);
  const void* found = std::memchr(request.data() + scanned_, '\n', window - scanned_);
  if (found == nullptr) {
    scanned_ = window;
    return window > limits_.inline_bytes_max ? protocol_error("too big inline request")
                                             : incomplete(1);
  }
  const auto line_feed = static_cast<size_t>(static_cast<const char*>(found) - request.data());
  std::string_view line = request.substr(0, line_feed);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (inline_storage_.capacity() > kInlineBytesKept) inline_storage_ = {};
  inline_storage_.clear();
  inline_storage_.reserve(line.size());
  if (!InlineLine(line, inline_storage_).split(args)) {
    return protocol_error("unbalanced quotes in request");
  }
  position_ = line_feed + 1;
  return Step::kDone;
}

RequestParser::Step RequestParser::incomplete(size_t wanted) {
  wanted_ = wanted;
  return Step::kIncomplete;
}

RequestParser::Step RequestParser::protocol_error(std::string_view what) {
  error_ = fmt::format("ERR Protocol error: {}", what);
  return Step::kError;
}

void RequestParser::restart() {
  position_ = 0;
  scanned_ = 0;
  wanted_ = 0;
  if (arguments_.capacity() > kArgumentsKept) arguments_ = {};
  arguments_.clear();
}

}  // namespace kvorum::resp
