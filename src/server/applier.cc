#include "server/applier.h"

#include <iterator>

#include "base/check.h"
#include "server/log_writer.h"
#include "server/raft_stage.h"
#include "server/slow_writes.h"
#include "server/snapshotter.h"

namespace kvorum::server {

namespace {

// One transaction takes entries until they and what they change are this much: the engine keeps
// what a transaction changed in its cache until it commits.
constexpr uint64_t kTransactionBytes = 4 << 20;
// Or this much, when clients of this node wait: they read, and ask for more, while the rest is
// executed.
constexpr uint64_t kAwaitedBytes = 16 << 10;
// Changes are not handed out together beyond this: who wants more reads it from the history.
constexpr uint64_t kLiveBytesMax = 64 << 20;

void publish_history(NodeState& state, const storage::HistoryState& history) {
  state.history_max_bytes.store(history.max_bytes, std::memory_order_relaxed);
  state.history_bytes.store(history.bytes, std::memory_order_relaxed);
  state.history_floor_revision.store(history.floor.revision, std::memory_order_relaxed);
  state.history_floor_change.store(history.floor.change, std::memory_order_relaxed);
  state.history_last_revision.store(history.last.revision, std::memory_order_relaxed);
  state.history_last_change.store(history.last.change, std::memory_order_relaxed);
}

bool is_check(const raft::Entry& entry) {
  return entry.kind == raft::EntryKind::kCommands && command::is_check(entry.data);
}

}  // namespace

Applier::Applier(storage::Store& store, const command::CommandTable& table, const Clock& clock,
                 NodeState& state, ClientGateway& clients, Waker& waker, uint64_t part_weight_max)
    : store_(store),
      table_(table),
      clock_(clock),
      state_(state),
      clients_(clients),
      writer_(store.new_writer()),
      executor_(table, part_weight_max),
      // Committed entries are in memory already, bounded by the core.
      mailbox_(kUnboundedMailbox, waker) {}

void Applier::attach(RaftStage& raft, LogWriter& log_writer, Snapshotter& snapshotter) {
  raft_ = &raft;
  log_writer_ = &log_writer;
  snapshotter_ = &snapshotter;
}

void Applier::post_install(Snapshot snapshot, Completion done) {
  mailbox_.post(Install{std::move(snapshot), std::move(done)});
}

void Applier::post_apply(std::vector<CommittedEntry> entries) {
  mailbox_.post(std::move(entries));
}

bool Applier::drain() {
  if (!mailbox_.drain(inbox_)) return false;
  entries_.clear();
  for (Message& message : inbox_) {
    if (auto* posted = std::get_if<std::vector<CommittedEntry>>(&message)) {
      std::move(posted->begin(), posted->end(), std::back_inserter(entries_));
    } else {
      apply(entries_);
      install(std::get<Install>(message));
    }
  }
  inbox_.clear();
  apply(entries_);
  return true;
}

// Empties `entries`.
void Applier::apply(std::vector<CommittedEntry>& entries) {
  // What a snapshot brought is not executed again.
  const raft::Index applied(state_.applied_index.load(std::memory_order_relaxed));
  std::erase_if(entries, [applied](const CommittedEntry& committed) {
    return committed.entry->id.index <= applied;
  });
  for (Chunk rest(entries); !rest.empty();) {
    const size_t count = apply_some(rest);
    const raft::Entry& last = *rest[count - 1].entry;
    if (is_check(last)) begin_check(last.id.index);
    rest = rest.subspan(count);
  }
  entries.clear();
}

void Applier::begin_check(raft::Index index) {
  std::unique_ptr<storage::Reader> reader = store_.new_reader();
  storage::View& view = reader->begin();
  // The engine takes its picture with the first read.
  static_cast<void>(view.applied_state());
  checks_.fetch_add(1);
  snapshotter_->post_check(index, std::move(reader), view, [this] {
    checks_.fetch_sub(1);
    checks_.notify_all();
  });
}

// The order matters to a crash: the store holds the snapshot durably before the log forgets what
// led to the state before it.
void Applier::install(Install& request) {
  Snapshot& snapshot = request.snapshot;
  // A check holds a view open, without which the store can't be replaced.
  for (int open = checks_.load(); open != 0; open = checks_.load()) checks_.wait(open);
  Result<storage::AppliedState> replaced = store_.replace(snapshot.folder);
  if (!replaced) {
    return raft_->post_not_installed(replaced.error().message, std::move(request.done));
  }
  CHECK(replaced->applied == snapshot.meta.last, "the snapshot is not what it was said to be");
  Published after = published_of(*replaced, first_deadline());
  log_writer_->post_reset(snapshot.meta.last);
  publish(after);
  state_.checkpoint_index.store(after.index.value(), std::memory_order_relaxed);
  clients_.events_skipped();
  raft_->post_installed(std::move(snapshot.meta), std::move(after.proposers),
                        std::move(request.done));
  clients_.applied_moved(after.index);
}

// The first of them, and those behind it that a transaction has room for. How many.
size_t Applier::apply_some(Chunk entries) {
  // Asked before anything is executed: a change proposed after a subscription was confirmed is in a
  // later entry.
  const uint64_t listeners = state_.interest.version();
  const bool wanted = state_.interest.any();
  // Who has no history can't read there what was dropped: it gets everything.
  LiveEvents live(keeps_history() ? &state_.interest : nullptr);
  live.after = state_.revision.load(std::memory_order_relaxed);
  outcomes_.clear();
  slow_.clear();
  weight_ = 0;
  began_ = clock_.monotonic();
  size_t done = 0;
  for (bool part = true; part;) {
    const Mark before = mark(live.events);
    const auto attempted = attempt(entries.subspan(done), wanted ? &live.events : nullptr);
    if (!attempted) {
      take_back(before, live.events);
      continue;
    }
    publish(executed_);
    done += attempted->entries;
    part = attempted->part;
    if (weight_ > kLiveBytesMax) live.events.clear();
  }
  live.through = state_.revision.load(std::memory_order_relaxed);
  live.last = executed_.history.last;
  // Somebody who began to listen meanwhile may have read what was there before.
  const bool dropped = !wanted || live.events.dropped_any();
  const bool unheard = dropped && state_.interest.version() != listeners;
  if (unheard || (wanted && weight_ > kLiveBytesMax)) {
    clients_.events_skipped();
    live = LiveEvents();
  }
  hand_out(std::move(live));
  raft_->post_applied(
      {entries[done - 1].entry->id, std::move(executed_.proposers), executed_.history});
  return done;
}

Applier::Mark Applier::mark(const command::EventBatch& events) const {
  return {events.size(), outcomes_.size(), slow_.size(), weight_, begun_.replies.mark()};
}

void Applier::take_back(const Mark& mark, command::EventBatch& events) {
  events.cut(mark.events);
  // The first of them may have been begun in an earlier transaction.
  if (outcomes_.size() > mark.outcomes) begun_ = std::move(outcomes_[mark.outcomes].second);
  outcomes_.erase(outcomes_.begin() + static_cast<ptrdiff_t>(mark.outcomes), outcomes_.end());
  slow_.erase(slow_.begin() + static_cast<ptrdiff_t>(mark.slow), slow_.end());
  weight_ = mark.weight;
  begun_.replies.cut(mark.begun);
  begun_.slow.clear();
}

std::optional<Applier::Attempt> Applier::attempt(Chunk entries, command::EventBatch* events) {
  using command::Executed;
  executor_.take_expired();  // of an attempt that failed
  storage::Transaction& transaction = writer_->begin();
  Attempt done;
  uint64_t bytes_max = kTransactionBytes;
  for (uint64_t bytes = 0; done.entries < entries.size() && bytes < bytes_max;) {
    CommittedEntry& committed = entries[done.entries];
    if (committed.origin) bytes_max = kAwaitedBytes;
    const Executed executed = execute(committed, transaction, events);
    if (executed == Executed::kFailed) {
      transaction.rollback();
      return std::nullopt;
    }
    weight_ += executor_.weight();
    done.part = executed == Executed::kPart;
    if (done.part) break;
    finish(committed);
    ++done.entries;
    bytes += committed.entry->bytes() + executor_.weight();
    // A check is about the state right after it.
    if (is_check(*committed.entry)) break;
  }
  executed_ = published_of(transaction.applied_state(), transaction.first_deadline());
  if (!transaction.commit()) return std::nullopt;
  return done;
}

bool Applier::keeps_history() const {
  return state_.history_max_bytes.load(std::memory_order_relaxed) > 0;
}

UnixMillis Applier::first_deadline() {
  storage::Transaction& transaction = writer_->begin();
  const UnixMillis first = transaction.first_deadline();
  transaction.rollback();
  return first;
}

command::Executed Applier::execute(const CommittedEntry& committed,
                                   storage::Transaction& transaction, command::EventBatch* events) {
  const raft::Entry& entry = *committed.entry;
  if (entry.kind == raft::EntryKind::kCommands) {
    if (!committed.origin) return executor_.execute(entry, transaction, events, {}, nullptr);
    begun_.batch = committed.origin->batch;
    return executor_.execute(entry, transaction, events, committed.origin->protocols,
                             &begun_.replies);
  }
  if (entry.kind == raft::EntryKind::kConfiguration) {
    raft::Configuration configuration;
    CHECK(raft::decode(entry.data, configuration), "configuration entry {} is malformed",
          entry.id.index);
    transaction.set_configuration(configuration);
  }
  transaction.set_applied(entry.id, entry.stamp, transaction.applied_state().revision);
  return transaction.failed() ? command::Executed::kFailed : command::Executed::kDone;
}

// Its outcome is known.
void Applier::finish(CommittedEntry& committed) {
  const Monotonic ended = clock_.monotonic();
  const Monotonic elapsed = ended - std::exchange(began_, ended);
  if (committed.origin && committed.entry->kind == raft::EntryKind::kCommands &&
      begun_.replies.executed) {
    begun_.elapsed = elapsed;
    outcomes_.emplace_back(committed.origin->loop, std::exchange(begun_, {}));
  } else {
    committed.origin.reset();
  }
  if (elapsed.count() >= state_.slow_command_ns.load(std::memory_order_relaxed)) {
    note_slow(committed, elapsed);
  }
}

void Applier::note_slow(const CommittedEntry& committed, Monotonic elapsed) {
  const Monotonic threshold(state_.slow_command_ns.load(std::memory_order_relaxed));
  std::vector<SlowWrite> writes =
      slow_writes(*committed.entry, table_, clock_.wall_ms(), elapsed, threshold);
  if (committed.origin) {
    outcomes_.back().second.slow = std::move(writes);
  } else {
    for (SlowWrite& write : writes) slow_.push_back(std::move(write.note));
  }
}

Applier::Published Applier::published_of(const storage::AppliedState& state,
                                         UnixMillis first_deadline) {
  return {state.applied.index,  state.stamp,    state.revision,  state.key_count,
          state.expiring_count, first_deadline, state.proposers, state.history};
}

void Applier::publish(const Published& after) {
  publish_history(state_, after.history);
  state_.applied_stamp.store(after.stamp, std::memory_order_relaxed);
  state_.revision.store(after.revision, std::memory_order_release);
  state_.key_count.store(after.key_count, std::memory_order_relaxed);
  state_.expiring_count.store(after.expiring_count, std::memory_order_relaxed);
  state_.expired_keys.fetch_add(executor_.take_expired(), std::memory_order_relaxed);
  state_.first_deadline.store(after.first_deadline, std::memory_order_relaxed);
  state_.applied_index.store(after.index.value());
}

void Applier::hand_out(LiveEvents live) {
  const bool seen = !live.events.empty();
  const bool moved = live.through > live.after && state_.interest.any();
  std::shared_ptr<const LiveEvents> events;
  if (seen || moved) events = std::make_shared<const LiveEvents>(std::move(live));
  if (seen) {
    for (const auto& [loop, outcome] : outcomes_) {
      clients_.batch_executed(loop, outcome.batch, outcome.replies.reached);
    }
    clients_.events(events);
  }
  for (SlowNote& note : slow_) clients_.slow(std::move(note));
  for (auto& [loop, outcome] : outcomes_) clients_.batch_done(loop, std::move(outcome));
  // How far the state has come, without anything to see, is nothing to wake a loop for.
  if (moved && !seen) clients_.events(std::move(events));
  clients_.applied_moved(raft::Index(state_.applied_index.load(std::memory_order_relaxed)));
}

}  // namespace kvorum::server
