// Event: one change of one key, in the order of its id. EventKind: the name and the class that
// Redis' keyspace notifications give such a change. Which command makes which: README.md.
#pragma once

#include <cstdint>
#include <iterator>
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
  uint8_t number = 0;  // in the history on disk: never reused
};

namespace events {
inline constexpr EventKind kSet{"set", NotifyClass::kString, 1};
inline constexpr EventKind kSetRange{"setrange", NotifyClass::kString, 2};
inline constexpr EventKind kAppend{"append", NotifyClass::kString, 3};
inline constexpr EventKind kIncrBy{"incrby", NotifyClass::kString, 4};
inline constexpr EventKind kIncrByFloat{"incrbyfloat", NotifyClass::kString, 5};
inline constexpr EventKind kDel{"del", NotifyClass::kGeneric, 6};
inline constexpr EventKind kFlushed{"del", NotifyClass::kNone, 7};
inline constexpr EventKind kExpire{"expire", NotifyClass::kGeneric, 8};
inline constexpr EventKind kPersist{"persist", NotifyClass::kGeneric, 9};
inline constexpr EventKind kRenameFrom{"rename_from", NotifyClass::kGeneric, 10};
inline constexpr EventKind kRenameTo{"rename_to", NotifyClass::kGeneric, 11};
inline constexpr EventKind kCopyTo{"copy_to", NotifyClass::kGeneric, 12};
inline constexpr EventKind kRestore{"restore", NotifyClass::kGeneric, 13};
inline constexpr EventKind kExpired{"expired", NotifyClass::kExpired, 14};

// By number, from 1.
inline constexpr EventKind kAll[] = {kSet,      kSetRange, kAppend,  kIncrBy,  kIncrByFloat,
                                     kDel,      kFlushed,  kExpire,  kPersist, kRenameFrom,
                                     kRenameTo, kCopyTo,   kRestore, kExpired};
}  // namespace events

// Null when there is no such number.
constexpr const EventKind* find_event_kind(uint64_t number) {
  return number - 1 < std::size(events::kAll) ? &events::kAll[number - 1] : nullptr;
}

struct Event {
  EventId id;
  EventKind kind;
  std::string key;
  bool has_value = false;
  std::string value;  // the key's new value, when the change made one
};

using EventBatch = std::vector<Event>;

}  // namespace kvorum::command
