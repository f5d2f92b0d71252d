// Strong<Tag>: a 64-bit number with a type of its own, so a term is never passed for an index.
#pragma once

#include <fmt/format.h>

#include <compare>
#include <cstdint>
#include <functional>

namespace kvorum {

template <class Tag>
class Strong {
 public:
  constexpr Strong() = default;
  constexpr explicit Strong(uint64_t value) : value_(value) {}

  constexpr uint64_t value() const { return value_; }
  constexpr auto operator<=>(const Strong&) const = default;

  constexpr Strong next() const { return Strong(value_ + 1); }
  // One less; the caller knows that the value is not zero.
  constexpr Strong prev() const { return Strong(value_ - 1); }
  constexpr Strong operator+(uint64_t n) const { return Strong(value_ + n); }
  constexpr Strong& operator++() {
    ++value_;
    return *this;
  }
  // The distance between two: a count, not another id.
  constexpr uint64_t operator-(Strong other) const { return value_ - other.value_; }

 private:
  uint64_t value_ = 0;
};

}  // namespace kvorum

template <class Tag>
struct std::hash<kvorum::Strong<Tag>> {
  size_t operator()(kvorum::Strong<Tag> id) const { return std::hash<uint64_t>()(id.value()); }
};

template <class Tag>
struct fmt::formatter<kvorum::Strong<Tag>> : fmt::formatter<uint64_t> {
  template <class Context>
  auto format(kvorum::Strong<Tag> id, Context& context) const {
    return fmt::formatter<uint64_t>::format(id.value(), context);
  }
};
