// NotifyFlags: what notify-keyspace-events switches on, in Redis' letters: K the __keyspace
// channels, E the __keyevent channels, the others classes of events; A is all classes but m and n.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvorum {

class NotifyFlags {
 public:
  enum Bit : uint32_t {
    kKeyspace = 1 << 0,  // K
    kKeyevent = 1 << 1,  // E
    kGeneric = 1 << 2,   // g
    kString = 1 << 3,    // $
    kList = 1 << 4,      // l
    kSet = 1 << 5,       // s
    kHash = 1 << 6,      // h
    kZset = 1 << 7,      // z
    kExpired = 1 << 8,   // x
    kEvicted = 1 << 9,   // e
    kStream = 1 << 10,   // t
    kModule = 1 << 11,   // d
    kKeyMiss = 1 << 12,  // m
    kNewKey = 1 << 13,   // n
    kAll =
        kGeneric | kString | kList | kSet | kHash | kZset | kExpired | kEvicted | kStream | kModule,
  };

  constexpr NotifyFlags() = default;
  constexpr explicit NotifyFlags(uint32_t bits) : bits_(bits) {}

  // Nothing when a letter is none of Redis'.
  static std::optional<NotifyFlags> parse(std::string_view letters);
  // As Redis gives it back: "KEA" was normalised to "AKE".
  std::string to_string() const;

  constexpr uint32_t bits() const { return bits_; }
  constexpr bool has(Bit bit) const { return (bits_ & bit) != 0; }
  // Whether any event at all would be published: a channel family and a class.
  constexpr bool active() const {
    constexpr uint32_t kChannels = kKeyspace | kKeyevent;
    return (bits_ & kChannels) != 0 && (bits_ & ~kChannels) != 0;
  }
  constexpr bool operator==(const NotifyFlags&) const = default;

 private:
  uint32_t bits_ = 0;
};

}  // namespace kvorum
