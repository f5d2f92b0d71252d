// HistoryEvent: one change of one key; EventBatch: those of some entries. EventKind: the name and
// the class that Redis' keyspace notifications give such a change. Which command makes which:
// README.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_id.h"
#include "command/key_interest.h"

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

// Points into where it was read from: a batch, or a row of the history.
struct HistoryEvent {
  EventId id;
  const EventKind* kind = nullptr;  // one of events::kAll
  std::string_view key;
  std::optional<std::string_view> value;  // the key's new one, when the change made one
  bool ends_revision = false;             // known of what was read from a row
};

// Events in the order of their ids. One thread makes them and another reads them, so their keys and
// values are not pieces of memory of their own.
class EventBatch {
 public:
  // `interest`, which outlives it: of which keys it takes events. Null: of all.
  explicit EventBatch(const KeyInterest* interest = nullptr) : interest_(interest) {}

  void add(EventId id, const EventKind& kind, std::string_view key,
           std::optional<std::string_view> value);
  size_t size() const { return events_.size(); }
  bool empty() const { return events_.empty(); }
  // Whether there were events that it did not take.
  bool dropped_any() const { return dropped_any_; }
  // Valid until the next change of the batch.
  HistoryEvent operator[](size_t number) const;
  // Forgets those that were added since there were so many.
  void cut(size_t size);
  void clear() { cut(0); }

  class Iterator {
   public:
    Iterator(const EventBatch& batch, size_t number) : batch_(&batch), number_(number) {}
    HistoryEvent operator*() const { return (*batch_)[number_]; }
    Iterator& operator++() {
      ++number_;
      return *this;
    }
    bool operator==(const Iterator& other) const { return number_ == other.number_; }

   private:
    const EventBatch* batch_;
    size_t number_;
  };
  Iterator begin() const { return {*this, 0}; }
  Iterator end() const { return {*this, size()}; }

 private:
  struct Piece {
    EventId id;
    const EventKind* kind = nullptr;
    bool has_value = false;
    size_t key_at = 0;    // in bytes_
    size_t value_at = 0;  // behind the key
    size_t end = 0;
  };

  const KeyInterest* interest_;
  bool dropped_any_ = false;
  std::vector<Piece> events_;
  std::string bytes_;
};

}  // namespace kvorum::command
