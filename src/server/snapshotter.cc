#include "server/snapshotter.h"

#include <utility>

#include "server/log_writer.h"
#include "server/raft_stage.h"
#include "server/state_hash.h"

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

void Snapshotter::post_stream(raft::Index at_least, StreamReady ready) {
  mailbox_.post(Stream{at_least, std::move(ready)});
}

void Snapshotter::post_check(raft::Index index, std::unique_ptr<storage::Reader> reader,
                             storage::View& view, std::function<void()> ended) {
  mailbox_.post(Check{index, std::move(reader), &view, std::move(ended)});
}

// The reader belongs to whoever has it in hand: it came here with its view open.
void Snapshotter::check(const Check& request) {
  const uint64_t hash = state_hash(*request.view);
  const bool whole = request.reader->consistent();
  request.reader->end();
  request.ended();
  // Short of cache the engine let the picture go: there is nothing to say about that index.
  if (whole) raft_->post_checked(request.index, hash);
}

bool Snapshotter::drain() {
  if (!mailbox_.drain(inbox_)) return false;
  std::erase_if(inbox_, [this](Message& message) {
    auto* request = std::get_if<Check>(&message);
    if (request != nullptr) check(*request);
    return request != nullptr;
  });
  if (inbox_.empty()) return true;
  Status taken = checkpoint();
  for (Message& message : inbox_) {
    if (auto* request = std::get_if<Checkpoint>(&message)) {
      report(request->done, taken);
    } else if (auto* request = std::get_if<Backup>(&message)) {
      report(request->done, taken ? store_.backup(request->folder) : taken);
    } else if (auto* request = std::get_if<Stream>(&message)) {
      if (taken) {
        request->ready(open_stream(request->at_least));
      } else {
        request->ready(tl::unexpected(taken.error()));
      }
    }
  }
  inbox_.clear();
  return true;
}

Result<SnapshotSource> Snapshotter::open_stream(raft::Index at_least) {
  Result<std::unique_ptr<storage::BackupSource>> files = store_.open_backup();
  if (!files) return tl::unexpected(files.error());
  const storage::AppliedState& state = (*files)->applied_state();
  if (state.applied.index < at_least) {
    return fail("the checkpoint ends at index {}, {} is needed", state.applied.index, at_least);
  }
  raft::SnapshotMeta meta{state.applied, state.stamp, state.configuration};
  return SnapshotSource{std::move(*files), std::move(meta)};
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
