// EventId: the n-th change of the command or transaction that made a revision. The same on every
// node, growing for ever; written `<revision>-<change>`, the form of a Redis stream id.
#pragma once

#include <fmt/format.h>

#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace kvorum {

struct EventId {
  uint64_t revision = 0;
  uint32_t change = 0;

  constexpr auto operator<=>(const EventId&) const = default;
  // The smallest id that is greater; of the greatest, itself.
  constexpr EventId next() const {
    if (change < std::numeric_limits<uint32_t>::max()) return {revision, change + 1};
    if (revision < std::numeric_limits<uint64_t>::max()) return {revision + 1, 0};
    return *this;
  }
  std::string to_string() const { return fmt::format("{}-{}", revision, change); }
  // "42-3", or "42" for 42-0. Nothing for anything else.
  static std::optional<EventId> parse(std::string_view text);
};

}  // namespace kvorum

template <>
struct fmt::formatter<kvorum::EventId> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(const kvorum::EventId& id, Context& context) const {
    return fmt::format_to(context.out(), "{}-{}", id.revision, id.change);
  }
};
