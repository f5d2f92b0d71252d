#include "server/raft_stage.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"
#include "command/batch.h"
#include "server/applier.h"
#include "server/log_writer.h"

namespace kvorum::server {

namespace {

// Client loops bound what they have in flight; the core refuses proposals beyond its own bound.
constexpr size_t kUnbounded = std::numeric_limits<size_t>::max();

// A machine that stood still must not be busy with the ticks it missed: enough for every timeout.
constexpr uint64_t kTicksAtOnceMax = 10'000;

constexpr std::string_view kLeadershipLost =
    "UNCERTAIN leadership was lost while this write was under way: it may or may not have "
    "happened. "
    "Read, then decide";

std::string_view refusal(raft::ProposeError error) {
  switch (error) {
    case raft::ProposeError::kNotLeader:
      return "CLUSTERDOWN there is no leader; nothing was written, try again";
    case raft::ProposeError::kBusy:
      return "TRYAGAIN too many writes are under way; nothing was written";
    case raft::ProposeError::kTransferring:
      return "TRYAGAIN leadership is being handed over; nothing was written";
  }
  return "ERR unknown refusal";
}

}  // namespace

RaftStage::RaftStage(raft::Core core, RaftStageOptions options, const Clock& clock,
                     NodeState& state, ClientGateway& clients, Waker& waker)
    : core_(std::move(core)),
      options_(options),
      clock_(clock),
      state_(state),
      clients_(clients),
      mailbox_(kUnbounded, waker),
      started_(clock.monotonic() - Monotonic(options.tick)) {}

void RaftStage::attach(LogWriter& log_writer, Applier& applier) {
  log_writer_ = &log_writer;
  applier_ = &applier;
}

void RaftStage::post_propose(BatchOrigin origin, std::string data) {
  size_t bytes = data.size();
  mailbox_.post(Propose{std::move(origin), std::move(data)}, bytes);
}
void RaftStage::post_read(uint32_t loop, uint64_t context, bool lease) {
  mailbox_.post(Read{loop, context, lease});
}
void RaftStage::post_persisted(raft::WriteToken token) {
  mailbox_.post(Persisted{token});
}
void RaftStage::post_applied(raft::Index index) {
  mailbox_.post(Applied{index});
}
void RaftStage::post_checkpointed(raft::SnapshotMeta snapshot) {
  mailbox_.post(Checkpointed{std::move(snapshot)});
}
void RaftStage::post_tick() {
  mailbox_.post(Tick{});
}
void RaftStage::post_options(RaftStageOptions options) {
  mailbox_.post(options);
}
void RaftStage::post_inspect(std::function<void(const raft::CoreStatus&)> look) {
  mailbox_.post(Inspect{std::move(look)});
}
void RaftStage::post_act(std::function<void(raft::Core&)> act) {
  mailbox_.post(Act{std::move(act)});
}

bool RaftStage::drain() {
  if (!mailbox_.drain(inbox_)) return false;
  advance_time();
  for (Message& message : inbox_) {
    std::visit([this](auto& content) { handle(content); }, message);
  }
  inbox_.clear();
  propose_held();
  while (core_.has_ready()) perform(core_.take_ready());
  if (!pending_batches_.empty() && core_.role() != raft::Role::kLeader) give_up_pending();
  publish();
  return true;
}

void RaftStage::handle(Propose& message) {
  // Those that came before go first.
  if (core_.role() != raft::Role::kLeader || !held_batches_.empty()) {
    uint64_t wait_ticks = static_cast<uint64_t>(options_.request_timeout / options_.tick);
    held_batches_.push_back({std::move(message), ticks_ + wait_ticks});
    return;
  }
  auto id = core_.propose(std::move(message.data), clock_.wall_ms());
  if (!id) return refuse(message.origin, refusal(id.error()));
  pending_batches_.push_back({*id, std::move(message.origin)});
}

void RaftStage::propose_held() {
  if (held_batches_.empty()) return;
  if (core_.role() == raft::Role::kLeader) {
    for (HeldBatch& held : std::exchange(held_batches_, {})) handle(held.proposal);
    return;
  }
  while (!held_batches_.empty() && held_batches_.front().until_tick <= ticks_) {
    refuse(held_batches_.front().proposal.origin, refusal(raft::ProposeError::kNotLeader));
    held_batches_.pop_front();
  }
}

void RaftStage::refuse(const BatchOrigin& origin, std::string_view error) {
  clients_.batch_done(origin.loop, {origin.batch, {}, std::string(error)});
}

void RaftStage::handle(RaftStageOptions& message) {
  options_ = message;
}

void RaftStage::handle(Read& message) {
  uint64_t context = ++last_read_context_;
  pending_reads_.push_back({context, message.loop, message.context});
  core_.read_index(context, message.lease);
}

void RaftStage::handle(Persisted& message) {
  core_.persisted(message.token);
}

void RaftStage::handle(Applied& message) {
  core_.applied(message.index);
}

void RaftStage::handle(Checkpointed& message) {
  core_.checkpointed(std::move(message.snapshot));
}

// Every tick that is due comes before what happened after it: the lease rests on that.
void RaftStage::advance_time() {
  auto now = static_cast<uint64_t>((clock_.monotonic() - started_) / options_.tick);
  if (now > ticks_ + kTicksAtOnceMax) ticks_ = now - kTicksAtOnceMax;
  for (; ticks_ < now; ++ticks_) core_.tick();
}

void RaftStage::handle(Tick&) {
  propose_due_removal();
  if (state_.log_blocked.load(std::memory_order_relaxed)) log_writer_->post_retry();
}

void RaftStage::handle(Inspect& message) {
  message.look(core_.status());
}

void RaftStage::handle(Act& message) {
  message.act(core_);
}

// Expiry is an event in the log: only a leader proposes it, one entry at a time.
void RaftStage::propose_due_removal() {
  if (removal_in_flight_ || !core_.leader_ready() || state_.refuses_writes()) return;
  UnixMillis now = clock_.wall_ms();
  UnixMillis first = state_.first_deadline.load(std::memory_order_relaxed);
  if (first == 0 || first > now) return;
  command::BatchBuilder batch(options_.value_bytes_max);
  batch.add_expire_due(options_.expire_batch_max);
  auto id = core_.propose(batch.take(), now);
  if (id) removal_in_flight_ = *id;
}

void RaftStage::perform(raft::Ready ready) {
  if (ready.persist) log_writer_->post_persist(std::move(*ready.persist));
  for (const raft::ReadGrant& grant : ready.reads) answer_read(grant.context, true, grant.index);
  for (uint64_t context : ready.lost_reads) answer_read(context, false, raft::Index());
  if (!ready.committed.empty()) apply(std::move(ready.committed));
}

void RaftStage::apply(std::vector<raft::EntryPtr> entries) {
  std::vector<CommittedEntry> committed;
  committed.reserve(entries.size());
  for (raft::EntryPtr& entry : entries) {
    if (removal_in_flight_ && removal_in_flight_->index <= entry->id.index) {
      removal_in_flight_.reset();
    }
    std::optional<BatchOrigin> origin = take_origin(*entry);
    committed.push_back({std::move(entry), std::move(origin)});
  }
  applier_->post_apply(std::move(committed));
}

// The batch that waits for exactly this entry. Batches wait in the order of their indexes; one
// whose index went by with another term was overwritten by another leader's entry.
std::optional<BatchOrigin> RaftStage::take_origin(const raft::Entry& entry) {
  while (!pending_batches_.empty() && pending_batches_.front().id.index <= entry.id.index) {
    PendingBatch pending = std::move(pending_batches_.front());
    pending_batches_.pop_front();
    if (pending.id == entry.id) return std::move(pending.origin);
    refuse(pending.origin, kLeadershipLost);
  }
  return std::nullopt;
}

void RaftStage::answer_read(uint64_t core_context, bool granted, raft::Index index) {
  auto found = std::find_if(
      pending_reads_.begin(), pending_reads_.end(),
      [core_context](const PendingRead& read) { return read.core_context == core_context; });
  if (found == pending_reads_.end()) return;
  clients_.read_granted(found->loop, found->context, granted, index);
  pending_reads_.erase(found);
}

void RaftStage::give_up_pending() {
  for (PendingBatch& pending : pending_batches_) {
    refuse(pending.origin, kLeadershipLost);
  }
  pending_batches_.clear();
  removal_in_flight_.reset();
}

void RaftStage::publish() {
  // Entries that earlier leaders acknowledged are committed here by the first entry of this term; a
  // read under the lease must see them applied.
  if (!core_.leader_ready()) {
    ready_at_ = {};
  } else if (ready_at_ == raft::Index()) {
    ready_at_ = core_.commit_index();
  }
  bool caught_up = core_.leader_ready() && state_.applied_index.load() >= ready_at_.value();
  // Ticks stand for the moments at which they were due, so the lease, counted in ticks from the
  // sending of a round, never reaches further than it would on the clock itself.
  Monotonic lease_until{0};
  if (uint32_t left = core_.lease_ticks_left(); left > 0 && caught_up) {
    lease_until = started_ + (ticks_ + left) * Monotonic(options_.tick);
  }
  state_.lease_until_ns.store(lease_until.count());
  state_.leader.store(core_.role() == raft::Role::kLeader, std::memory_order_relaxed);
  state_.term.store(core_.term().value(), std::memory_order_relaxed);
  state_.commit_index.store(core_.commit_index().value(), std::memory_order_relaxed);
}

}  // namespace kvorum::server
