// Keyspace: the keys as command handlers see them, on a read's view or on the applier's
// transaction. Hides due keys, gives every change its event id, keeps headers, tells its events.
// Time and random numbers come from whoever makes it, never from the machine. Used by one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/event_id.h"
#include "command/event.h"
#include "command/history_recorder.h"
#include "storage/store.h"

namespace kvorum::command {

class Keyspace {
 public:
  // For reads. `now` judges which keys are due; `random` seeds next_random().
  Keyspace(storage::View& view, UnixMillis now, uint64_t random);
  // For the applier: `now` is the entry's stamp, `value_bytes_max` the limit that the entry
  // carries. `events` may be null; `history` hears of the same changes when it is recording.
  // begin() comes before the first change.
  Keyspace(storage::Transaction& transaction, UnixMillis now, uint64_t random,
           uint64_t value_bytes_max, EventBatch* events, HistoryRecorder& history);
  Keyspace(const Keyspace&) = delete;
  Keyspace& operator=(const Keyspace&) = delete;

  UnixMillis now() const { return now_; }
  uint64_t value_bytes_max() const { return value_bytes_max_; }
  uint64_t next_random();
  // For ordered walks. Shows due keys too; see due().
  storage::View& view() { return view_; }
  bool due(const storage::KeyHeader& header) const {
    return header.deadline != 0 && header.deadline <= now_;
  }

  // For commands that only look: a due key is not there. The record's value is valid until the next
  // call on this keyspace.
  std::optional<storage::Record> find(std::string_view key);
  std::optional<storage::KeyHeader> find_header(std::string_view key);
  // How often the two found a key, or none.
  uint64_t hits() const { return hits_; }
  uint64_t misses() const { return misses_; }
  // For commands that change: a due key is removed first, with its `expired` event.
  std::optional<storage::Record> open(std::string_view key);
  std::optional<storage::KeyHeader> open_header(std::string_view key);

  // The changes. `old` is what open() gave for the key in the same command.
  using Old = std::optional<storage::KeyHeader>;
  struct Put {
    storage::ValueType type = storage::ValueType::kString;
    UnixMillis deadline = 0;
    EventKind event;
    bool announce_deadline = false;  // an `expire` event follows
  };
  // `value` does not come from this keyspace's own records: copy those first.
  void put(std::string_view key, const Old& old, std::string_view value, const Put& put);
  void set_deadline(std::string_view key, const storage::KeyHeader& old, UnixMillis deadline,
                    EventKind event);
  // The key exists.
  void remove(std::string_view key, const storage::KeyHeader& old, EventKind event);
  // Every key, due or not: one change each, in the order of keys.
  void clear();

  // Keys removed because they were due.
  uint64_t expired() const { return expired_; }

  // The executor's side. Changes made from here on are numbered <revision>-0, <revision>-1, …
  // `atomic`: several commands that others see as one change (EXEC).
  void begin(uint64_t revision, bool atomic);
  bool changed() const { return changes_ > 0; }
  uint64_t changes() const { return changes_; }
  // Of the changes since.
  EventId last_change() const;
  // How much all changes since this keyspace was made weigh: about what a transaction needs to hold
  // them, in bytes. The same on every node.
  uint64_t weight() const { return weight_; }
  // The transaction can't be committed.
  bool failed() const { return transaction_->failed(); }
  // Removes a key that is due.
  void expire(std::string_view key);
  // A key that this atomic change may remove and make again: to everyone else it was there all the
  // time, so it keeps its place in the order of creation, and SCAN can't miss it. Keys that are
  // removed one by one are noted by remove(); this is for those that clear() takes.
  void note_created(std::string_view key);

 private:
  EventId next_id();
  void weigh(size_t bytes);
  void emit(EventId id, const EventKind& kind, std::string_view key,
            std::optional<std::string_view> value = std::nullopt);
  bool wants_events() const { return events_ != nullptr || history_->recording(); }
  EventId created_for(std::string_view key, const Old& old, EventId id) const;

  storage::View& view_;
  storage::Transaction* const transaction_;  // null for reads
  const UnixMillis now_;
  uint64_t random_;
  const uint64_t value_bytes_max_;
  EventBatch* const events_;
  HistoryRecorder* const history_;  // null for reads
  uint64_t revision_ = 0;
  uint64_t changes_ = 0;
  uint64_t weight_ = 0;
  bool atomic_ = false;
  uint64_t hits_ = 0;
  uint64_t misses_ = 0;
  uint64_t expired_ = 0;
  std::unordered_map<std::string, EventId> created_before_;
};

}  // namespace kvorum::command
