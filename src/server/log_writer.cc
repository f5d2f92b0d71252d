#include "server/log_writer.h"

#include <utility>

#include "base/check.h"
#include "server/applier.h"
#include "server/raft_stage.h"

namespace kvorum::server {

namespace {

constexpr int64_t kQuickSyncNs = 500'000;
constexpr int64_t kAverageOver = 8;

size_t bytes_of(const raft::PersistRequest& request) {
  size_t bytes = sizeof(request);
  for (const raft::EntryPtr& entry : request.entries) bytes += entry->bytes();
  return bytes;
}

}  // namespace

LogWriter::LogWriter(std::unique_ptr<storage::Wal> wal, raft::HardState hard_state, DiskWatch& disk,
                     const Clock& clock, NodeState& state, ClientGateway& clients, Waker& waker)
    : wal_(std::move(wal)),
      disk_(disk),
      clock_(clock),
      state_(state),
      clients_(clients),
      hard_state_(hard_state),
      // The core bounds what is outstanding (uncommitted_bytes_max).
      mailbox_(kUnboundedMailbox, waker) {
  publish_size();
}

void LogWriter::attach(RaftStage& raft, const Applier& applier) {
  raft_ = &raft;
  applier_ = &applier;
}

void LogWriter::post_persist(raft::PersistRequest request) {
  size_t bytes = bytes_of(request);
  mailbox_.post(std::move(request), bytes);
}

void LogWriter::post_compact(raft::Index index) {
  // Removing files takes as long as much to write: not on a loop of clients.
  mailbox_.post(Compact{index}, kEntryBytesMax);
}

void LogWriter::post_reset(raft::EntryId last) {
  mailbox_.post(Reset{last});
}

void LogWriter::post_retry() {
  mailbox_.post(Retry{});
}

bool LogWriter::quick() const {
  return usual_sync_ns_.load(std::memory_order_relaxed) <= kQuickSyncNs &&
         mailbox_.bytes() < kEntryBytesMax;
}

bool LogWriter::drain() {
  if (!mailbox_.drain(inbox_)) return false;
  finish();
  raft::Index compact_to;
  for (Message& message : inbox_) {
    if (auto* request = std::get_if<raft::PersistRequest>(&message)) {
      if (request->hard_state) hard_state_ = *request->hard_state;
      unwritten_.push_back(std::move(*request));
    } else if (auto* request = std::get_if<Compact>(&message)) {
      compact_to = std::max(compact_to, request->index);
    } else if (auto* request = std::get_if<Reset>(&message)) {
      if (!unwritten_.empty()) write();
      finish();
      reset(request->last);
    }
  }
  if (!unwritten_.empty()) write();
  if (compact_to > raft::Index()) {
    finish();
    compact(compact_to);
  }
  return true;
}

void LogWriter::write() {
  batches_.clear();
  size_t bytes = 0;
  for (const raft::PersistRequest& request : unwritten_) {
    batches_.push_back({request.hard_state, request.entries});
    bytes += bytes_of(request);
  }
  const Monotonic began = clock_.monotonic();
  Result<storage::AppendOutcome> outcome = wal_->write(batches_);
  if (!outcome) die("write-ahead log: {}", outcome.error().message);
  if (*outcome == storage::AppendOutcome::kDiskFull) {
    state_.log_blocked.store(true);
    return;
  }
  state_.log_blocked.store(false);
  under_way_ = UnderWay{unwritten_.back().token, bytes, clock_.monotonic() - began};
  unwritten_.clear();
  // With nothing to do meanwhile the shorter way is the better one.
  if (applier_->idle()) return finish();
  wal_->begin_sync();
  mailbox_.post(Finish{});
}

void LogWriter::finish() {
  if (!under_way_) return;
  UnderWay written = *std::exchange(under_way_, std::nullopt);
  const Monotonic began = clock_.monotonic();
  if (Status synced = wal_->sync(); !synced) {
    die("write-ahead log: {}", synced.error().message);
  }
  written.elapsed += clock_.monotonic() - began;
  account(written);
  raft_->post_persisted(written.token);
}

void LogWriter::account(const UnderWay& written) {
  const int64_t elapsed = written.elapsed.count();
  const int64_t usual = usual_sync_ns_.load(std::memory_order_relaxed);
  usual_sync_ns_.store(usual + (elapsed - usual) / kAverageOver, std::memory_order_relaxed);
  if (elapsed >= state_.slow_event_ns.load(std::memory_order_relaxed)) {
    clients_.slow({kEventWalSync, clock_.wall_ms(), written.elapsed});
  }
  state_.wal_syncs.fetch_add(1, std::memory_order_relaxed);
  state_.wal_appended_bytes.fetch_add(written.bytes, std::memory_order_relaxed);
  publish_size();
  disk_.wrote(written.bytes);
}

void LogWriter::compact(raft::Index index) {
  Status compacted = wal_->compact(index);
  if (!compacted) die("write-ahead log: {}", compacted.error().message);
  publish_size();
}

// What a full disk still holds back is entries of the old log: their promises are void, and the
// hard state is in hard_state_.
void LogWriter::reset(raft::EntryId last) {
  if (hard_state_.term < last.term) hard_state_ = {last.term, raft::kNoNode, last.index};
  Status done = wal_->reset(last, hard_state_);
  if (!done) die("write-ahead log: {}", done.error().message);
  if (!unwritten_.empty()) {
    raft::WriteToken token = unwritten_.back().token;
    unwritten_.clear();
    state_.log_blocked.store(false);
    raft_->post_persisted(token);
  }
  publish_size();
}

void LogWriter::publish_size() {
  state_.wal_bytes.store(wal_->bytes(), std::memory_order_relaxed);
  state_.wal_segments.store(wal_->segments(), std::memory_order_relaxed);
}

}  // namespace kvorum::server
