#include "server/loop_group.h"

namespace kvorum::server {

namespace {

// A loop 0 that is held up gets no more notes; they are for people, who read the latest.
constexpr size_t kNotesQueuedMax = 10'000;

}  // namespace

void LoopGroup::start() {
  for (auto& loop : loops_) loop->start();
}

void LoopGroup::stop() {
  for (auto& loop : loops_) loop->stop();
}

void LoopGroup::accept(net::Fd socket) {
  uint64_t id = next_session_id_.fetch_add(1, std::memory_order_relaxed);
  loop_of(id).post_socket(std::move(socket), id);
}

void LoopGroup::post_all(const ClientLoop::Task& task) {
  for (auto& loop : loops_) loop->post_task(task);
}

void LoopGroup::batch_done(uint32_t loop, BatchOutcome outcome) {
  loops_[loop]->post_outcome(std::move(outcome));
}

void LoopGroup::batch_executed(uint32_t loop, uint64_t batch,
                               const std::vector<command::ReachedRevision>& reached) {
  loops_[loop]->post_executed(batch, reached);
}

void LoopGroup::events(std::shared_ptr<const LiveEvents> events) {
  for (auto& loop : loops_) loop->post_events(events);
}

void LoopGroup::read_granted(uint32_t loop, uint64_t context, bool granted, raft::Index index) {
  loops_[loop]->post_read_granted(context, granted, index);
}

void LoopGroup::applied_moved(raft::Index index) {
  for (auto& loop : loops_) loop->post_applied(index);
}

void LoopGroup::events_skipped() {
  for (auto& loop : loops_) loop->post_events_skipped();
}

void LoopGroup::published(std::string channel, std::string message, bool shard) {
  post_all([channel = std::move(channel), message = std::move(message), shard](ClientLoop& loop) {
    loop.publish(channel, message, shard);
  });
}

void LoopGroup::slow(SlowNote note) {
  if (notes_queued_.fetch_add(1) >= kNotesQueuedMax) {
    notes_queued_.fetch_sub(1);
    return;
  }
  loops_[0]->post_task([this, note = std::move(note)](ClientLoop& loop) {
    notes_queued_.fetch_sub(1);
    loop.node().diagnostics.add(note, loop.config());
  });
}

}  // namespace kvorum::server
