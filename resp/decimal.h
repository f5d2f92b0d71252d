// parse_integer: the integers of the protocol, in the one form that Redis accepts: a minus or
// nothing, no leading zeros, no plus, no blanks, within 64 bits.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace kvorum::resp {

inline std::optional<int64_t> parse_integer(std::string_view text) {
  if (text.size() == 1 && text[0] >= '0' && text[0] <= '9') return text[0] - '0';
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  // The longest has 19 digits, so the sum below can't wrap.
  if (text.empty() || text.size() > 19 || text[0] == '0') return std::nullopt;
  uint64_t magnitude = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    magnitude = magnitude * 10 + static_cast<uint64_t>(c - '0');
  }
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (magnitude > kMax + (negative ? 1 : 0)) return std::nullopt;
  return static_cast<int64_t>(negative ? 0 - magnitude : magnitude);
}

}  // namespace kvorum::resp
