#include "command/parse.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "base/check.h"

namespace kvorum::command {

bool is_word(std::string_view text, std::string_view word) {
  return text.size() == word.size() &&
         std::equal(text.begin(), text.end(), word.begin(), [](char c, char lower) {
           return (c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c) == lower;
         });
}

std::optional<int64_t> parse_integer(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || (digits[0] == '0' && text.size() > 1)) return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<int64_t> parse_integer(std::string_view text, resp::ReplyWriter& reply) {
  std::optional<int64_t> value = parse_integer(text);
  if (!value) reply.error(errors::kNotInteger);
  return value;
}

std::optional<int32_t> parse_int(std::string_view text, resp::ReplyWriter& reply) {
  using Limits = std::numeric_limits<int32_t>;
  const std::optional<int64_t> value = parse_integer(text, reply);
  if (!value) return std::nullopt;
  if (*value >= Limits::min() && *value <= Limits::max()) return static_cast<int32_t>(*value);
  reply.error(fmt::format("ERR value is out of range, value must between {} and {}", Limits::min(),
                          Limits::max()));
  return std::nullopt;
}

std::optional<long double> parse_real(std::string_view text) {
  constexpr size_t kLongest = 5120;
  if (text.empty() || text.size() >= kLongest) return std::nullopt;
  if (std::isspace(static_cast<unsigned char>(text[0])) != 0) return std::nullopt;
  const std::string terminated(text);
  char* end = nullptr;
  errno = 0;
  const long double value = std::strtold(terminated.c_str(), &end);
  if (end != terminated.c_str() + terminated.size() || std::isnan(value)) return std::nullopt;
  if (errno == ERANGE && (std::isinf(value) || value == 0)) return std::nullopt;
  return value;
}

std::string format_real(long double value) {
  std::string text = fmt::format("{:.17f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text == "-0" ? "0" : text;
}

void write_invalid_expire(std::string_view command, resp::ReplyWriter& reply) {
  reply.error(fmt::format("ERR invalid expire time in '{}' command", command));
}

std::optional<UnixMillis> parse_deadline(std::string_view text, TimeUnit unit, TimeBase base,
                                         UnixMillis now, std::string_view command,
                                         resp::ReplyWriter& reply) {
  std::optional<int64_t> time = parse_integer(text, reply);
  if (!time) return std::nullopt;
  const int64_t factor = unit == TimeUnit::kSeconds ? 1000 : 1;
  const int64_t start = base == TimeBase::kNow ? static_cast<int64_t>(now) : 0;
  int64_t deadline = 0;
  if (*time <= 0 || __builtin_mul_overflow(*time, factor, &deadline) ||
      __builtin_add_overflow(deadline, start, &deadline)) {
    write_invalid_expire(command, reply);
    return std::nullopt;
  }
  return static_cast<UnixMillis>(deadline);
}

}  // namespace kvorum::command
