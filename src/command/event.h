// Event: one change of one key, in the order of its id. EventKind: the name and the class that
// Redis' keyspace notifications give such a change. Which command makes which: README.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_id.h"

namespace kvorum::command {

// How an event counts for notify-keyspace-events (Redis' letters g $ l s h z x t); kNone for
// changes that Redis does not notify (a key removed by FLUSHALL), which watches see all the same.
enum class NotifyClass : uint8_t {
  kNone,
  kGeneric,
  kString,
  kList,
  kSet,
  kHash,
  kZset,
  kExpired,
  kStream
};

struct EventKind {
  std::string_view name;  // a literal
  NotifyClass notify = NotifyClass::kNone;
};

namespace events {
inline constexpr EventKind kSet{"set", NotifyClass::kString};
inline constexpr EventKind kSetRange{"setrange", NotifyClass::kString};
inline constexpr EventKind kAppend{"append", NotifyClass::kString};
inline constexpr EventKind kIncrBy{"incrby", NotifyClass::kString};
inline constexpr EventKind kIncrByFloat{"incrbyfloat", NotifyClass::kString};
inline constexpr EventKind kDel{"del", NotifyClass::kGeneric};
inline constexpr EventKind kFlushed{"del", NotifyClass::kNone};
inline constexpr EventKind kExpire{"expire", NotifyClass::kGeneric};
inline constexpr EventKind kPersist{"persist", NotifyClass::kGeneric};
inline constexpr EventKind kRenameFrom{"rename_from", NotifyClass::kGeneric};
inline constexpr EventKind kRenameTo{"rename_to", NotifyClass::kGeneric};
inline constexpr EventKind kCopyTo{"copy_to", NotifyClass::kGeneric};
inline constexpr EventKind kRestore{"restore", NotifyClass::kGeneric};
inline constexpr EventKind kExpired{"expired", NotifyClass::kExpired};
}  // namespace events

struct Event {
  EventId id;
  NotifyClass notify = NotifyClass::kNone;
  std::string_view name;  // a literal: "set", "del", "expired", …
  std::string key;
  bool has_value = false;
  std::string value;  // the key's new value, when the change made one
};

using EventBatch = std::vector<Event>;

}  // namespace kvorum::command
