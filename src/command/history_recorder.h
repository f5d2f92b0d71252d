// HistoryRecorder: what executing log entries does to the event history: records what changed, and
// removes what is too old or too much. Decided by the entry and the state alone. Owned by the
// executor.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/event_id.h"
#include "command/event.h"
#include "command/history.h"
#include "storage/store.h"

namespace kvorum::command {

// A row is closed before it becomes longer. An event that is longer has a row to itself.
inline constexpr size_t kHistoryRowBytes = 64 << 10;
// One entry, or part of it, has no more recorded: a transaction must fit into the engine's cache.
// What is not recorded is a gap, and the floor rises above it. A FLUSHALL of more keys than this is
// a gap.
inline constexpr uint64_t kHistoryEntryBytesMax = 64 << 20;
inline constexpr uint64_t kHistoryFlushKeysMax = 1 << 20;

// Whether there are rows that an expire-due item at `now` removes.
bool history_due(const storage::HistoryState& history, UnixMillis now);

class HistoryRecorder {
 public:
  // Before the first item of an entry, or of a part. What was begun before is forgotten.
  void begin(storage::Transaction& transaction, UnixMillis stamp);
  // Whether events are recorded now; who has none to give need not ask.
  bool recording() const { return recording_; }
  void add(EventId id, const EventKind& kind, std::string_view key,
           std::optional<std::string_view> value) {
    if (recording_) record(id, kind, key, value);
  }
  // The changes of this revision are not recorded.
  void leave_gap();
  // `last`: of its changes.
  void end_revision(EventId last);
  void set_policy(uint64_t max_bytes, uint64_t max_age_ms);
  // Removes up to as many rows more at the end.
  void trim_more(uint64_t rows);
  // After the last item of it.
  void end();

 private:
  void record(EventId id, const EventKind& kind, std::string_view key,
              std::optional<std::string_view> value);
  void append_row();
  void trim();
  bool may_trim(EventId first, uint64_t removed, uint64_t freed) const;

  storage::Transaction* transaction_ = nullptr;
  UnixMillis stamp_ = 0;
  storage::HistoryState state_;
  HistoryRowWriter row_;
  bool recording_ = false;
  // Of this entry or part.
  uint64_t rows_appended_ = 0;
  uint64_t bytes_appended_ = 0;
  EventId row_appended_;  // the last one's first event
  uint64_t rows_to_trim_ = 0;
};

}  // namespace kvorum::command
