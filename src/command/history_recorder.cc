#include "command/history_recorder.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace kvorum::command {

namespace {

// What an entry may remove besides as many rows as it appended.
constexpr uint64_t kRowsTrimmedMore = 2;

}  // namespace

bool history_due(const storage::HistoryState& history, UnixMillis now) {
  if (history.oldest == EventId{}) return false;
  if (history.oldest <= history.floor || history.bytes > history.max_bytes) return true;
  return history.max_age_ms != 0 && history.oldest_stamp < now &&
         now - history.oldest_stamp > history.max_age_ms;
}

void HistoryRecorder::begin(storage::Transaction& transaction, UnixMillis stamp) {
  transaction_ = &transaction;
  stamp_ = stamp;
  state_ = transaction.applied_state().history;
  row_.clear();
  recording_ = state_.max_bytes > 0;
  rows_appended_ = 0;
  bytes_appended_ = 0;
  rows_to_trim_ = 0;
}

void HistoryRecorder::record(EventId id, const EventKind& kind, std::string_view key,
                             std::optional<std::string_view> value) {
  if (!row_.is_next(id)) {
    CHECK(transaction_->failed(), "event {} does not follow {}", id, row_.last());
    return;
  }
  const size_t bytes = key.size() + (value ? value->size() : 0);
  // Two rows never have the same key, whatever a revision of more changes than an id can count
  // does.
  if (!row_.empty() && row_.bytes() + bytes > kHistoryRowBytes && id != row_.last()) {
    append_row();
    if (bytes_appended_ > kHistoryEntryBytesMax) return leave_gap();
  }
  row_.add(id, kind, key, value);
}

void HistoryRecorder::append_row() {
  const std::string_view row = row_.finish(stamp_);
  row_appended_ = row_.first();
  transaction_->append_history(row_appended_, row);
  if (state_.oldest == EventId{}) {
    state_.oldest = row_appended_;
    state_.oldest_stamp = stamp_;
  }
  const uint64_t bytes = row.size() + storage::kHistoryKeyBytes;
  state_.bytes += bytes;
  bytes_appended_ += bytes;
  ++rows_appended_;
  row_.clear();
}

void HistoryRecorder::leave_gap() {
  recording_ = false;
  row_.clear();
}

void HistoryRecorder::end_revision(EventId last) {
  state_.last = last;
  if (recording_) {
    row_.end_revision();
    return;
  }
  state_.floor = last;
  recording_ = state_.max_bytes > 0 && bytes_appended_ <= kHistoryEntryBytesMax;
}

void HistoryRecorder::set_policy(uint64_t max_bytes, uint64_t max_age_ms) {
  state_.max_bytes = max_bytes;
  state_.max_age_ms = max_age_ms;
  if (max_bytes == 0) {
    leave_gap();
    state_.floor = state_.last;
  } else if (!recording_) {
    recording_ = bytes_appended_ <= kHistoryEntryBytesMax;
  }
}

void HistoryRecorder::trim_more(uint64_t rows) {
  rows_to_trim_ += std::min(rows, std::numeric_limits<uint64_t>::max() - rows_to_trim_);
}

void HistoryRecorder::end() {
  if (!row_.empty()) append_row();
  transaction_->set_history(state_);
  const bool may_trim = rows_appended_ > 0 || rows_to_trim_ > 0;
  if (may_trim && history_due(state_, stamp_)) trim();
}

// Rows that an entry appends give way to no more than themselves, so each is looked at once, and
// the history does not outgrow its bound however short the oldest rows are.
bool HistoryRecorder::may_trim(EventId first, uint64_t removed, uint64_t freed) const {
  const bool just_appended = rows_appended_ > 0 && first == row_appended_;
  if (just_appended && state_.max_bytes > 0) return false;
  if (!history_due(state_, stamp_)) return false;
  const uint64_t most = rows_appended_ + kRowsTrimmedMore;
  if (removed < most || removed - most < rows_to_trim_) return true;
  return state_.bytes > state_.max_bytes && freed < bytes_appended_;
}

void HistoryRecorder::trim() {
  uint64_t removed = 0;
  uint64_t freed = 0;
  transaction_->trim_history([&](EventId first, std::string_view row) {
    const HistoryRowReader reader(first, row);
    if (!reader.ok()) [[unlikely]] {
      die("the store holds a row of the history that is not one: its files are damaged, restore "
          "them from a backup");
    }
    state_.oldest = first;
    state_.oldest_stamp = reader.stamp();
    if (!may_trim(first, removed, freed)) return false;
    const uint64_t bytes = row.size() + storage::kHistoryKeyBytes;
    ++removed;
    freed += bytes;
    state_.bytes -= bytes;
    state_.floor = std::max(state_.floor, reader.last());
    state_.oldest = {};
    state_.oldest_stamp = 0;
    return true;
  });
  CHECK(state_.bytes == 0 || state_.oldest != EventId{} || transaction_->failed());
  transaction_->set_history(state_);
}

}  // namespace kvorum::command
