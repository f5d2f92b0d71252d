#include "resp/reply_parser.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <system_error>
#include <utility>

#include "resp/decimal.h"

namespace kvorum::resp {
namespace {

// What was read is cut off the buffer only when it is worth the copy.
constexpr size_t kReadBytesKept = size_t{64} << 10;

bool is_aggregate(char type) {
  return type == '*' || type == '%' || type == '~' || type == '>' || type == '|';
}

Value::Type aggregate_type(char type) {
  switch (type) {
    case '%':
      return Value::Type::kMap;
    case '~':
      return Value::Type::kSet;
    case '>':
      return Value::Type::kPush;
    default:
      return Value::Type::kArray;
  }
}

std::optional<double> parse_real(std::string_view text) {
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_big_number(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string quoted(std::string_view bytes) {
  std::string out = "\"";
  for (const char c : bytes) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out += '"';
}

std::string listed(const Value& value, std::string_view open, std::string_view close) {
  std::string out(open);
  for (size_t i = 0; i < value.elements.size(); ++i) {
    const bool is_map_value = value.type == Value::Type::kMap && i % 2 == 1;
    if (i > 0) out += is_map_value ? ": " : ", ";
    out += to_string(value.elements[i]);
  }
  return out.append(close);
}

}  // namespace

std::string to_string(const Value& value) {
  switch (value.type) {
    case Value::Type::kSimple:
      return value.text;
    case Value::Type::kError:
      return fmt::format("(error) {}", value.text);
    case Value::Type::kInteger:
      return fmt::format("{}", value.integer);
    case Value::Type::kBulk:
    case Value::Type::kVerbatim:
      return quoted(value.text);
    case Value::Type::kNull:
      return "(nil)";
    case Value::Type::kNullArray:
      return "(nil array)";
    case Value::Type::kArray:
      return listed(value, "[", "]");
    case Value::Type::kMap:
      return listed(value, "{", "}");
    case Value::Type::kSet:
      return listed(value, "set[", "]");
    case Value::Type::kPush:
      return listed(value, "push[", "]");
    case Value::Type::kReal:
      return fmt::format("{}", value.real);
    case Value::Type::kBoolean:
      return value.integer != 0 ? "true" : "false";
    case Value::Type::kBigNumber:
      return value.text;
  }
  return {};
}

ReplyParser::ReplyParser(ReplyLimits limits) : limits_(limits) {}

void ReplyParser::feed(std::string_view bytes) {
  drop_read();
  buffer_.append(bytes);
}

Result<std::optional<Value>> ReplyParser::next() {
  while (error_.empty()) {
    const Step step = parse_value();
    if (step == Step::kIncomplete) return std::optional<Value>{};
    if (step == Step::kError) break;
    if (complete_) {
      values_ = 0;
      return std::exchange(complete_, std::nullopt);
    }
  }
  return fail("{}", error_);
}

ReplyParser::Step ReplyParser::parse_value() {
  if (bulk_bytes_) {
    const size_t available = buffer_.size() - position_;
    if (available < *bulk_bytes_ + 2) return Step::kIncomplete;
    std::string_view payload = std::string_view(buffer_).substr(position_, *bulk_bytes_ + 2);
    if (!payload.ends_with("\r\n")) return malformed("a bulk string without its end");
    payload.remove_suffix(2);
    position_ += *bulk_bytes_ + 2;
    bulk_bytes_.reset();
    if (bulk_type_ == '$') return add({.type = Value::Type::kBulk, .text = std::string(payload)});
    if (bulk_type_ == '!') return add({.type = Value::Type::kError, .text = std::string(payload)});
    if (payload.size() < 4 || payload[3] != ':') return malformed("a verbatim without a format");
    return add({.type = Value::Type::kVerbatim,
                .text = std::string(payload.substr(4)),
                .format = std::string(payload.substr(0, 3))});
  }
  const size_t end = buffer_.find("\r\n", position_ + scanned_);
  if (end == std::string::npos || end - position_ > limits_.line_bytes_max) {
    const size_t size = buffer_.size() - position_;
    // The last byte may be a CR whose LF has yet to come.
    scanned_ = size == 0 ? 0 : size - 1;
    if (scanned_ > limits_.line_bytes_max) return malformed("a line that is too long");
    return Step::kIncomplete;
  }
  if (end == position_) return malformed("an empty line");
  const char type = buffer_[position_];
  const std::string_view line =
      std::string_view(buffer_).substr(position_ + 1, end - position_ - 1);
  position_ = end + 2;
  scanned_ = 0;
  return parse_line(type, line);
}

ReplyParser::Step ReplyParser::parse_line(char type, std::string_view line) {
  if (is_aggregate(type)) return open_aggregate(type, line);
  switch (type) {
    case '+':
      return add({.type = Value::Type::kSimple, .text = std::string(line)});
    case '-':
      return add({.type = Value::Type::kError, .text = std::string(line)});
    case '$':
    case '!':
    case '=':
      return parse_bulk(type, line);
    case '_':
      return line.empty() ? add({.type = Value::Type::kNull}) : malformed("a null with a value");
    case '#':
      if (line != "t" && line != "f") return malformed("a boolean that is neither t nor f");
      return add({.type = Value::Type::kBoolean, .integer = line == "t" ? 1 : 0});
    default:
      return parse_number(type, line);
  }
}

ReplyParser::Step ReplyParser::parse_number(char type, std::string_view line) {
  if (type == ':') {
    const std::optional<int64_t> integer = parse_integer(line);
    if (!integer) return malformed("an integer that is none");
    return add({.type = Value::Type::kInteger, .integer = *integer});
  }
  if (type == ',') {
    const std::optional<double> real = parse_real(line);
    if (!real) return malformed("a double that is none");
    return add({.type = Value::Type::kReal, .real = *real});
  }
  if (type == '(') {
    if (!is_big_number(line)) return malformed("a big number that is none");
    return add({.type = Value::Type::kBigNumber, .text = std::string(line)});
  }
  return malformed("a value of no known type");
}

ReplyParser::Step ReplyParser::parse_bulk(char type, std::string_view line) {
  const std::optional<int64_t> size = parse_integer(line);
  if (type == '$' && size == -1) return add({.type = Value::Type::kNull});
  if (!size || *size < 0 || static_cast<uint64_t>(*size) > limits_.bulk_bytes_max) {
    return malformed("a bulk length out of range");
  }
  bulk_type_ = type;
  bulk_bytes_ = static_cast<size_t>(*size);
  return Step::kDone;
}

ReplyParser::Step ReplyParser::open_aggregate(char type, std::string_view line) {
  const std::optional<int64_t> count = parse_integer(line);
  if (type == '*' && count == -1) return add({.type = Value::Type::kNullArray});
  if (!count || *count < 0 || static_cast<uint64_t>(*count) > limits_.values_max) {
    return malformed("an element count out of range");
  }
  if (open_.size() >= limits_.depth_max) return malformed("a value nested too deep");
  const bool has_pairs = type == '%' || type == '|';
  const size_t left = static_cast<size_t>(*count) * (has_pairs ? 2 : 1);
  Value value{.type = aggregate_type(type)};
  const bool attribute = type == '|';
  if (left == 0) return attribute ? Step::kDone : add(std::move(value));
  open_.push_back({std::move(value), left, attribute});
  return Step::kDone;
}

ReplyParser::Step ReplyParser::add(Value value) {
  if (++values_ > limits_.values_max) return malformed("too many values in one reply");
  while (!open_.empty()) {
    Open& parent = open_.back();
    parent.value.elements.push_back(std::move(value));
    if (--parent.left > 0) return Step::kDone;
    value = std::move(parent.value);
    const bool attribute = parent.attribute;
    open_.pop_back();
    // What it describes comes next, and takes its place.
    if (attribute) return Step::kDone;
    if (++values_ > limits_.values_max) return malformed("too many values in one reply");
  }
  complete_ = std::move(value);
  return Step::kDone;
}

ReplyParser::Step ReplyParser::malformed(std::string_view what) {
  error_ = fmt::format("malformed reply: {}", what);
  open_.clear();
  return Step::kError;
}

void ReplyParser::drop_read() {
  if (position_ == buffer_.size()) {
    buffer_.clear();
  } else if (position_ >= kReadBytesKept && position_ >= buffer_.size() / 2) {
    buffer_.erase(0, position_);
  } else {
    return;
  }
  position_ = 0;
}

}  // namespace kvorum::resp
