#include "resp/reply_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <iterator>

#include "base/check.h"

namespace kvorum::resp {
namespace {

// A type byte, a sign, 19 digits (20 without a sign), CR LF.
constexpr size_t kHeaderBytesMax = 24;
// Up to here a bulk string is put together on the stack and appended in one piece.
constexpr size_t kSmallBulkBytes = 232;
// The longest real: 17 digits, sign, point, "0.000" or an exponent of three digits.
constexpr size_t kRealBytesMax = 32;

constexpr std::array<char, 200> kDigitPairs = [] {
  std::array<char, 200> pairs{};
  for (size_t i = 0; i < 100; ++i) {
    pairs[2 * i] = static_cast<char>('0' + i / 10);
    pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return pairs;
}();

// Writes the digits so that they end before `end`; returns where they begin.
char* digits_before(char* end, uint64_t value) {
  while (value >= 100) {
    end -= 2;
    std::memcpy(end, &kDigitPairs[2 * (value % 100)], 2);
    value /= 100;
  }
  if (value >= 10) {
    end -= 2;
    std::memcpy(end, &kDigitPairs[2 * value], 2);
    return end;
  }
  *--end = static_cast<char>('0' + value);
  return end;
}

// `<type><number>CRLF`, ending before `end`.
char* header_before(char* end, char type, int64_t value) {
  end -= 2;
  std::memcpy(end, "\r\n", 2);
  // Negated as an unsigned number: the smallest integer has no positive one.
  const uint64_t magnitude =
      value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  end = digits_before(end, magnitude);
  if (value < 0) *--end = '-';
  *--end = type;
  return end;
}

bool has_line_break(std::string_view text) {
  bool found = false;
  for (const char c : text) found |= c == '\r' || c == '\n';
  return found;
}

// The shortest digits that read back the same, in the notation that "%.17g" would choose.
std::string_view format_real(double value, std::array<char, kRealBytesMax>& buffer) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const double magnitude = std::fabs(value);
  const bool fixed = magnitude == 0 || (magnitude >= 1e-4 && magnitude < 1e17);
  const auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                    fixed ? std::chars_format::fixed : std::chars_format::scientific);
  CHECK(error == std::errc{});
  return {buffer.data(), static_cast<size_t>(end - buffer.data())};
}

}  // namespace

void ReplyWriter::header(char type, int64_t value) {
  char buffer[kHeaderBytesMax];
  char* const end = std::end(buffer);
  const char* const begin = header_before(end, type, value);
  out_.append(begin, static_cast<size_t>(end - begin));
}

void ReplyWriter::simple(std::string_view text) {
  CHECK(!has_line_break(text));
  out_.reserve(out_.size() + text.size() + 3);
  out_.push_back('+');
  out_.append(text);
  out_.append("\r\n", 2);
}

void ReplyWriter::simple_lines(std::span<const std::string_view> lines) {
  array(lines.size());
  for (std::string_view line : lines) simple(line);
}

void ReplyWriter::error(std::string_view text) {
  out_.reserve(out_.size() + text.size() + 3);
  out_.push_back('-');
  const size_t begin = out_.size();
  out_.append(text);
  std::replace_if(
      out_.begin() + static_cast<std::ptrdiff_t>(begin), out_.end(),
      [](char c) { return c == '\r' || c == '\n'; }, ' ');
  out_.append("\r\n", 2);
}

void ReplyWriter::integer(int64_t value) {
  header(':', value);
}

void ReplyWriter::bulk(std::string_view bytes) {
  const size_t size = bytes.size();
  if (size <= kSmallBulkBytes) {
    char buffer[kHeaderBytesMax + kSmallBulkBytes + 2];
    char* const payload = buffer + kHeaderBytesMax;
    const char* const begin = header_before(payload, '$', static_cast<int64_t>(size));
    if (size > 0) std::memcpy(payload, bytes.data(), size);
    std::memcpy(payload + size, "\r\n", 2);
    out_.append(begin, static_cast<size_t>(payload + size + 2 - begin));
    return;
  }
  out_.reserve(out_.size() + kHeaderBytesMax + size + 2);
  header('$', static_cast<int64_t>(size));
  out_.append(bytes);
  out_.append("\r\n", 2);
}

void ReplyWriter::null() {
  if (protocol_ == Protocol::kResp3) {
    out_.append("_\r\n", 3);
  } else {
    out_.append("$-1\r\n", 5);
  }
}

void ReplyWriter::null_array() {
  if (protocol_ == Protocol::kResp3) {
    out_.append("_\r\n", 3);
  } else {
    out_.append("*-1\r\n", 5);
  }
}

void ReplyWriter::array(size_t elements) {
  header('*', static_cast<int64_t>(elements));
}

void ReplyWriter::map(size_t pairs) {
  if (protocol_ == Protocol::kResp3) {
    header('%', static_cast<int64_t>(pairs));
  } else {
    array(2 * pairs);
  }
}

void ReplyWriter::set(size_t elements) {
  header(protocol_ == Protocol::kResp3 ? '~' : '*', static_cast<int64_t>(elements));
}

void ReplyWriter::push(size_t elements) {
  header(protocol_ == Protocol::kResp3 ? '>' : '*', static_cast<int64_t>(elements));
}

void ReplyWriter::real(double value) {
  std::array<char, kRealBytesMax> buffer;
  const std::string_view text = format_real(value, buffer);
  if (protocol_ == Protocol::kResp2) return bulk(text);
  out_.push_back(',');
  out_.append(text);
  out_.append("\r\n", 2);
}

void ReplyWriter::boolean(bool value) {
  if (protocol_ == Protocol::kResp3) {
    out_.append(value ? "#t\r\n" : "#f\r\n", 4);
  } else {
    out_.append(value ? ":1\r\n" : ":0\r\n", 4);
  }
}

void ReplyWriter::big_number(std::string_view digits) {
  if (protocol_ == Protocol::kResp2) return bulk(digits);
  CHECK(!has_line_break(digits));
  out_.push_back('(');
  out_.append(digits);
  out_.append("\r\n", 2);
}

void ReplyWriter::verbatim(std::string_view format, std::string_view text) {
  CHECK(format.size() == 3);
  if (protocol_ == Protocol::kResp2) return bulk(text);
  header('=', static_cast<int64_t>(format.size() + 1 + text.size()));
  out_.append(format);
  out_.push_back(':');
  out_.append(text);
  out_.append("\r\n", 2);
}

}  // namespace kvorum::resp
