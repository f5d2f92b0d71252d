#include "tests/sim/node.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "server/disk_watch.h"
#include "tests/sim/simulation.h"
#include "tests/sim/watchers.h"

namespace kvorum::sim {

namespace {

// Entries here are small, and shall be executed in parts as well.
constexpr uint64_t kPartWeight = 1000;

}  // namespace

using raft::NodeId;

// Torn down in reverse: stages go before what they use.
struct Node::Stages {
  explicit Stages(SimStore::Surroundings around) : store(std::move(around)), disk(".", state) {}

  SimStore store;
  server::NodeState state;
  server::DiskWatch disk;  // never looks
  std::unique_ptr<server::RaftStage> raft;
  std::unique_ptr<server::LogWriter> log_writer;
  std::unique_ptr<server::Applier> applier;
  std::unique_ptr<server::Snapshotter> snapshotter;
  std::unique_ptr<NodeWatches> watches;

  Stage& stage(Kind kind) {
    switch (kind) {
      case kRaft:
        return *raft;
      case kLog:
        return *log_writer;
      case kApply:
        return *applier;
      case kSnapshot:
        return *snapshotter;
    }
    std::abort();
  }
};

Node::Node(Simulation& simulation, NodeId id, raft::Configuration first)
    : simulation_(simulation),
      world_(simulation.world()),
      id_(id),
      clock_(world_, simulation.draw_clock_rate()),
      wakers_{StepWaker(*this, kRaft), StepWaker(*this, kLog), StepWaker(*this, kApply),
              StepWaker(*this, kSnapshot)} {
  command::testing::MemoryStore empty;
  auto writer = empty.new_writer();
  storage::Transaction& transaction = writer->begin();
  transaction.set_configuration(first);
  CHECK(transaction.commit());
  durable_ = std::make_shared<command::testing::MemoryStore>(empty);
  disk_.set_forgets_syncs(simulation.mutation() == Mutation::kForgetSync);
  recover_from_faults();
}

Node::~Node() = default;

bool Node::paused() const {
  return paused_until_ > world_.now();
}

void Node::recover_from_faults() {
  delays_ = {kMillisecond / 5, kMillisecond, kMillisecond, kMillisecond};
  paused_until_ = std::min(paused_until_, world_.now());
  disk_.faults().set_capacity(UINT64_MAX);
  operations_left_ = 0;
}

server::RaftStage& Node::raft() {
  return *stages_->raft;
}
const server::NodeState& Node::state() const {
  return stages_->state;
}
NodeWatches& Node::watches() {
  return *stages_->watches;
}
SimStore& Node::store() {
  return stages_->store;
}

Monotonic Node::read_clock() const {
  const bool just_woken = paused_until_ <= world_.now() &&
                          world_.now() < paused_until_ + 20 * kMillisecond && paused_until_ > 0;
  if (simulation_.mutation() == Mutation::kLeaseWithOldTime && just_woken) {
    return clock_.monotonic() - std::chrono::microseconds(world_.now() - paused_from_);
  }
  return clock_.monotonic();
}

void Node::start() {
  if (stages_ != nullptr || gone_) return;
  ++incarnation_;
  turns_ = {};
  crash_pending_ = false;
  disk_.set_hook([this](bool sync) { on_disk_operation(sync); });
  try {
    open_stages();
  } catch (const PowerCut&) {
    return fall();
  } catch (const ProcessDied& died) {
    if (!may_die_) world_.violated("n{} died at its start: {}", id_, died.message);
    return fall();
  }
  world_.trace("n{} starts at index {}", id_, state().applied_index.load());
  schedule_tick();
  wake(kRaft);
}

void Node::open_stages() {
  auto stages = std::make_unique<Stages>(SimStore::Surroundings{
      durable_, simulation_.snapshots(), [this] { take_time(delays_[kApply]); },
      [this] { return world_.one_in(20); }, simulation_.mutation()});
  const storage::AppliedState applied = stages->store.applied_state();
  storage::WalOptions options{"wal", simulation_.segment_bytes(), id_.value()};
  storage::WalRecovery recovery;
  auto opened = storage::Wal::open(disk_, options, applied.applied.index, recovery);
  if (!opened) {
    if (may_die_) throw ProcessDied{opened.error().message};
    world_.violated("n{} can't open its log: {}", id_, opened.error().message);
  }
  // The power went between the two steps of an installation: what is left of the log is of another
  // history than the snapshot.
  if (recovery.compacted_term != raft::Term() && recovery.compacted_term != applied.applied.term) {
    recovery.entries.clear();
    recovery.hard_state.term = std::max(recovery.hard_state.term, applied.applied.term);
    CHECK((*opened)->reset(applied.applied, recovery.hard_state));
  }
  std::erase_if(recovery.entries, [&](const raft::EntryPtr& entry) {
    return entry->id.index <= applied.applied.index;
  });
  raft::Recovered recovered{recovery.hard_state,
                            {applied.applied, applied.stamp, applied.configuration},
                            std::move(recovery.entries)};
  server::NodeState& state = stages->state;
  state.checkpoint_index.store(applied.applied.index.value());
  state.key_count.store(applied.key_count);
  state.expiring_count.store(applied.expiring_count);
  state.revision.store(applied.revision);
  state.applied_stamp.store(applied.stamp);
  state.applied_index.store(applied.applied.index.value());
  // Of the others, only what is watched is told.
  tells_all_ = world_.chance(50);
  if (tells_all_) state.interest.add_all();
  seen_ = {applied.revision, kUnknownChange};
  const uint64_t session = simulation_.mutation() == Mutation::kSessionUsedAgain ? 1 : ++sessions_;
  world_.trace("n{}: session {}", id_, session);
  raft::CoreOptions core = simulation_.core_options();
  core.id = id_;
  core.random_seed = world_.random();
  stages->raft = std::make_unique<server::RaftStage>(raft::Core(core, std::move(recovered)),
                                                     session, simulation_.stage_options(), clock_,
                                                     state, *this, *this, wakers_[kRaft]);
  stages->log_writer = std::make_unique<server::LogWriter>(
      mutated(std::move(*opened), simulation_.mutation(),
              [this](const raft::Entry& entry) { logged(entry); }),
      recovery.hard_state, stages->disk, clock_, state, *this, wakers_[kLog]);
  stages->applier = std::make_unique<server::Applier>(stages->store, simulation_.table(), clock_,
                                                      state, *this, wakers_[kApply], kPartWeight);
  stages->snapshotter = std::make_unique<server::Snapshotter>(stages->store, clock_, state, *this,
                                                              wakers_[kSnapshot]);
  stages->watches = std::make_unique<NodeWatches>(simulation_, *this, state.interest);
  stages->raft->attach(*stages->log_writer, *stages->applier);
  stages->log_writer->attach(*stages->raft, *stages->applier);
  stages->applier->attach(*stages->raft, *stages->log_writer, *stages->snapshotter);
  stages->snapshotter->attach(*stages->raft, *stages->log_writer);
  stages_ = std::move(stages);
}

void Node::schedule_tick() {
  const Time tick =
      static_cast<Time>(std::chrono::microseconds(simulation_.stage_options().tick).count());
  when_awake(clock_.world_time(tick), [this] {
    raft().post_tick();
    schedule_tick();
  });
}

void Node::when_awake(Time delay, std::function<void()> act) {
  world_.after(delay, [this, incarnation = incarnation_, act = std::move(act)]() mutable {
    if (incarnation != incarnation_ || !running()) return;
    if (paused()) return when_awake(paused_until_ - world_.now(), std::move(act));
    act();
  });
}

void Node::pause(Time duration) {
  world_.trace("n{} stands still for {} ms", id_, duration / kMillisecond);
  if (!paused()) paused_from_ = world_.now();
  paused_until_ = world_.now() + duration;
}

void Node::wake(Kind kind) {
  Turn& turn = turns_[kind];
  if (turn.running) {
    turn.again = true;
    return;
  }
  if (turn.scheduled) return;
  turn.scheduled = true;
  when_awake(world_.random(delays_[kind]), [this, kind] { run_turn(kind); });
}

void Node::run_turn(Kind kind) {
  Turn& turn = turns_[kind];
  turn.scheduled = false;
  turn.running = true;
  try {
    drain(kind);
  } catch (const PowerCut&) {
    crash_pending_ = true;
  } catch (const ProcessDied& died) {
    if (!may_die_) world_.violated("n{} died: {}", id_, died.message);
    world_.trace("n{} dies: {}", id_, died.message);
    crash_pending_ = true;
  }
  turn.running = false;
  if (crash_pending_) {
    if (!busy()) fall();
    return;
  }
  if (std::exchange(turn.again, false)) wake(kind);
}

void Node::drain(Kind kind) {
  if (kind == kApply && world_.one_in(300)) store().fail_change(1 + world_.random(5));
  if (kind == kRaft && world_.one_in(100)) {
    raft().post_act([](raft::Core& core) { core.check_invariants(); });
  }
  stages_->stage(kind).drain();
  if (kind == kRaft && state().leader.load()) {
    simulation_.judge().leads(id_, raft::Term(state().term.load()));
  }
}

bool Node::busy() const {
  for (const Turn& turn : turns_) {
    if (turn.running) return true;
  }
  return false;
}

void Node::take_time(Time max) {
  world_.let_pass(world_.random(max));
  while (paused() && !crash_pending_) world_.let_pass(paused_until_ - world_.now());
  if (crash_pending_) throw PowerCut();
  if (simulation_.faulty() && world_.one_in(400)) throw PowerCut();
}

void Node::on_disk_operation(bool sync) {
  if (operations_left_ > 0 && --operations_left_ == 0) {
    world_.trace("n{} loses its power in the middle of a write", id_);
    throw PowerCut();
  }
  if (sync && stages_ != nullptr) take_time(delays_[kLog]);
}

void Node::crash() {
  if (stages_ == nullptr || crash_pending_) return;
  crash_pending_ = true;
  if (!busy()) fall();
}

void Node::crash_and_restart(Time delay) {
  restart_delay_ = delay;
  crash();
}

// The end of everything that is not durable.
void Node::fall() {
  world_.trace("n{} crashes", id_);
  ++incarnation_;
  disk_.set_hook({});
  stages_.reset();
  crash_pending_ = false;
  changes_open_ = 0;
  links_.clear();
  looked_up_.clear();
  simulation_.clients().crashed(id_);
  // The machine, or the process alone.
  if (world_.chance(60) || simulation_.mutation() == Mutation::kForgetSync) {
    disk_.faults().crash(world_.random());
  } else {
    disk_.faults().restart();
  }
  disk_.faults().set_capacity(UINT64_MAX);
  operations_left_ = 0;
  may_die_ = false;
  simulation_.note_crash();
  if (simulation_.mutation() == Mutation::kForgetProposers) {
    auto forgetful = std::make_shared<command::testing::MemoryStore>(*durable_);
    auto writer = forgetful->new_writer();
    storage::Transaction& transaction = writer->begin();
    for (storage::Proposer proposer : forgetful->applied_state().proposers) {
      proposer.sequence = proposer.session = 0;
      transaction.set_proposer(proposer);
    }
    CHECK(transaction.commit());
    writer.reset();
    durable_ = std::move(forgetful);
  }
  const uint64_t incarnation = incarnation_;
  world_.after(1 + std::exchange(restart_delay_, world_.random(50 * kMillisecond)),
               [this, incarnation] {
                 if (incarnation == incarnation_) start();
               });
}

void Node::checkpoint(std::function<void(Image)> taken) {
  stages_->snapshotter->post_checkpoint([this, taken = std::move(taken)](Status status) {
    CHECK(status.has_value());
    if (taken) taken(durable_);
  });
}

void Node::change(server::AdminWords words) {
  ++changes_open_;
  world_.trace("n{} is asked to {} {}", id_, words.at(0), words.at(1));
  raft().post_change(std::move(words), [this, incarnation = incarnation_, answered = false](
                                           bool ok, const std::string& text) mutable {
    if (std::exchange(answered, true)) world_.violated("a change was answered twice");
    if (incarnation == incarnation_) --changes_open_;
    world_.trace("n{}: the change ended: {} {}", id_, ok, text);
  });
}

// With the mutation, a write counts as done as soon as it is in the log of its node.
void Node::logged(const raft::Entry& entry) {
  if (entry.kind != raft::EntryKind::kCommands) return;
  auto identity = command::identity_of(entry.data);
  if (identity && identity->node == id_) simulation_.clients().believe_done(id_, entry.data);
}

void Node::batch_done(uint32_t, server::BatchOutcome outcome) {
  simulation_.judge().reached(raft::Index(state().applied_index.load()));
  simulation_.clients().batch_done(*this, std::move(outcome));
}

void Node::events(std::shared_ptr<const server::LiveEvents> events) {
  if (simulation_.mutation() == Mutation::kSwallowEvents && world_.one_in(50)) return;
  if (tells_all_) simulation_.judge().events(id_, seen_, events->events);
  if (stages_ != nullptr) watches().live(std::move(events));
}

void Node::events_skipped() {
  seen_ = {store().applied_state().revision, kUnknownChange};
  watches().missed();
}

void Node::read_granted(uint32_t, uint64_t context, bool granted, raft::Index index) {
  simulation_.clients().read_granted(*this, context, granted, index);
}

void Node::applied_moved(raft::Index) {
  simulation_.judge().applied(id_, store().applied_state(), store().hash());
  simulation_.clients().look_at_waiting_reads(*this);
}

void Node::send(NodeId to, peer::Message message) {
  if (reaches(to)) simulation_.network().send(*this, to, std::move(message));
  // The thread may lose the processor anywhere; seldom it does so for long.
  if (!simulation_.faulty() || !turns_[kRaft].running) return;
  if (world_.one_in(200)) take_time(kMillisecond);
  if (world_.one_in(3000)) take_time(200 * kMillisecond);
}

bool Node::reaches(NodeId id) const {
  return links_.empty() || looked_up_.contains(id) ||
         std::ranges::find(links_, id, &raft::Member::id) != links_.end();
}

// A node that lags behind changes of the cluster does not know the one that leads it.
void Node::heard_from(NodeId from) {
  if (reaches(from)) return;
  when_awake(world_.random(500 * kMillisecond), [this, from] { looked_up_.insert(from); });
}

void Node::members_changed(const std::vector<raft::Member>& members) {
  links_ = members;
  world_.trace("n{} has links to {} members", id_, members.size());
}

void Node::send_snapshot(const raft::Member& peer, raft::Index at_least) {
  simulation_.network().send_snapshot(*this, peer.id, at_least);
}

void Node::removed() {
  world_.trace("n{} was removed", id_);
  gone_ = true;
  // Whatever runs now ends first.
  world_.after(1, [this] { crash(); });
}

}  // namespace kvorum::sim
