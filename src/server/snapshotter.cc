#include "server/snapshotter.h"

#include <utility>

#include "server/log_writer.h"
#include "server/raft_stage.h"

namespace kvorum::server {

namespace {

constexpr size_t kMailboxBytesMax = 1 << 20;

void report(const Completion& done, const Status& status) {
  if (done) done(status);
}

}  // namespace

Snapshotter::Snapshotter(storage::Store& store, const Clock& clock, NodeState& state,
                         ClientGateway& clients, Waker& waker)
    : store_(store),
      clock_(clock),
      state_(state),
      clients_(clients),
      mailbox_(kMailboxBytesMax, waker) {}

void Snapshotter::attach(RaftStage& raft, LogWriter& log_writer) {
  raft_ = &raft;
  log_writer_ = &log_writer;
}

void Snapshotter::post_checkpoint(Completion done) {
  mailbox_.post(Checkpoint{std::move(done)});
}

void Snapshotter::post_backup(std::string folder, Completion done) {
  mailbox_.post(Backup{std::move(folder), std::move(done)});
}

bool Snapshotter::drain() {
  if (!mailbox_.drain(inbox_)) return false;
  Status taken = checkpoint();
  for (Message& message : inbox_) {
    if (auto* request = std::get_if<Checkpoint>(&message)) {
      report(request->done, taken);
    } else if (auto* request = std::get_if<Backup>(&message)) {
      report(request->done, taken ? store_.backup(request->folder) : taken);
    }
  }
  inbox_.clear();
  return true;
}

Status Snapshotter::checkpoint() {
  state_.checkpoint_running.store(true, std::memory_order_relaxed);
  const Monotonic began = clock_.monotonic();
  Result<storage::AppliedState> contained = store_.checkpoint();
  const Monotonic elapsed = clock_.monotonic() - began;
  if (elapsed.count() >= state_.slow_event_ns.load(std::memory_order_relaxed)) {
    clients_.slow({kEventCheckpoint, clock_.wall_ms(), elapsed});
  }
  state_.checkpoint_running.store(false, std::memory_order_relaxed);
  if (!contained) return tl::unexpected(contained.error());
  state_.checkpoint_index.store(contained->applied.index.value(), std::memory_order_relaxed);
  state_.checkpoint_unix_s.store(clock_.wall_ms() / 1000, std::memory_order_relaxed);
  state_.checkpoints.fetch_add(1, std::memory_order_relaxed);
  raft_->post_checkpointed({contained->applied, contained->stamp, contained->configuration});
  log_writer_->post_compact(contained->applied.index);
  return ok();
}

}  // namespace kvorum::server
