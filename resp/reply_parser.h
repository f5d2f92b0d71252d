// ReplyParser: reads RESP2 and RESP3 replies, fed in pieces of any size, into trees of values. For
// tools, tests and peers; the server's own hot path never parses replies. Used by one thread.
// Invariant: memory follows the bytes that have arrived, and depth and element count are bounded,
// so a hostile server can neither exhaust the stack nor the heap with a header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kvorum::resp {

struct Value {
  enum class Type : uint8_t {
    kSimple,     // text
    kError,      // text: a simple or a bulk error
    kInteger,    // integer
    kBulk,       // text
    kNull,       // a RESP3 null or a RESP2 null bulk string
    kNullArray,  // RESP2 only
    kArray,      // elements
    kMap,        // elements: key, value, key, value…
    kSet,        // elements
    kPush,       // elements
    kReal,       // real
    kBoolean,    // integer: 0 or 1
    kBigNumber,  // text: the digits
    kVerbatim,   // text: without its format, which is in `format`
  };

  Type type = Type::kNull;
  std::string text{};
  int64_t integer = 0;
  double real = 0;
  std::string format{};
  std::vector<Value> elements{};

  bool is_error() const { return type == Type::kError; }
  bool is_null() const { return type == Type::kNull || type == Type::kNullArray; }

  bool operator==(const Value&) const = default;
};

// On one line and without control characters, for people: `["a", 1, OK, (nil)]`, `{"k": 2.5}`.
std::string to_string(const Value& value);

struct ReplyLimits {
  size_t depth_max = 64;
  // A bulk string, error or verbatim string.
  size_t bulk_bytes_max = size_t{512} << 20;
  // A line: a simple string, an error, a number, a header.
  size_t line_bytes_max = size_t{64} << 10;
  // All values of one reply together.
  size_t values_max = size_t{1} << 24;
};

class ReplyParser {
 public:
  explicit ReplyParser(ReplyLimits limits = {});

  void feed(std::string_view bytes);
  // The next complete reply, or nothing until more is fed. Attributes (`|`) are read and dropped.
  // An error is final: the stream has no known frame any more, each further call fails.
  Result<std::optional<Value>> next();
  // Bytes that were fed and belong to no complete value yet.
  size_t buffered() const { return buffer_.size() - position_; }

 private:
  enum class Step : uint8_t { kIncomplete, kDone, kError };
  struct Open {
    Value value;
    size_t left;
    bool attribute;
  };

  Step parse_value();
  // `line` is what stands between the type byte and CR LF.
  Step parse_line(char type, std::string_view line);
  Step parse_number(char type, std::string_view line);
  Step parse_bulk(char type, std::string_view line);
  Step open_aggregate(char type, std::string_view line);
  Step add(Value value);
  Step malformed(std::string_view what);
  void drop_read();

  const ReplyLimits limits_;
  std::string buffer_;
  size_t position_ = 0;
  // So many bytes from `position_` on hold no line end.
  size_t scanned_ = 0;
  // A bulk header was read, its payload has not come whole.
  std::optional<size_t> bulk_bytes_;
  char bulk_type_ = 0;
  // Aggregates that wait for elements, outermost first.
  std::vector<Open> open_;
  size_t values_ = 0;
  std::optional<Value> complete_;
  std::string error_;
};

}  // namespace kvorum::resp
