// A number read from text, all of it: what every format that is written for people needs.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string_view>
#include <system_error>

namespace kvorum {

// The whole of `text` as an unsigned decimal number; nothing when it is none, or T can't hold it.
template <std::unsigned_integral T>
std::optional<T> parse_number(std::string_view text) {
  T number = 0;
  const char* const end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || parsed != end) return std::nullopt;
  return number;
}
// As above; `number` is left as it is when there is none.
template <std::unsigned_integral T>
[[nodiscard]] bool parse_number(std::string_view text, T& number) {
  const std::optional<T> parsed = parse_number<T>(text);
  if (parsed) number = *parsed;
  return parsed.has_value();
}

}  // namespace kvorum
