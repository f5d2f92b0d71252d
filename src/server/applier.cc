#include "server/applier.h"

#include <iterator>
#include <limits>

#include "base/check.h"
#include "server/raft_stage.h"
#include "server/slow_writes.h"

namespace kvorum::server {

namespace {

// Committed entries are in memory already, bounded by the core.
constexpr size_t kUnbounded = std::numeric_limits<size_t>::max();

// One transaction takes entries of at most this many bytes (or one entry): the engine keeps what a
// transaction changed in its cache until it commits.
constexpr size_t kChunkBytesMax = 4 << 20;

}  // namespace

Applier::Applier(storage::Store& store, const command::CommandTable& table, const Clock& clock,
                 NodeState& state, ClientGateway& clients, Waker& waker)
    : table_(table),
      clock_(clock),
      state_(state),
      clients_(clients),
      writer_(store.new_writer()),
      executor_(table),
      mailbox_(kUnbounded, waker) {}

void Applier::post_apply(std::vector<CommittedEntry> entries) {
  mailbox_.post(std::move(entries));
}

bool Applier::drain() {
  if (!mailbox_.drain(inbox_)) return false;
  entries_.clear();
  for (std::vector<CommittedEntry>& posted : inbox_) {
    std::move(posted.begin(), posted.end(), std::back_inserter(entries_));
  }
  inbox_.clear();
  Chunk rest(entries_);
  while (!rest.empty()) {
    size_t count = 1;
    size_t bytes = rest[0].entry->bytes();
    while (count < rest.size() && bytes + rest[count].entry->bytes() <= kChunkBytesMax) {
      bytes += rest[count++].entry->bytes();
    }
    apply(rest.first(count));
    rest = rest.subspan(count);
  }
  return true;
}

void Applier::apply(Chunk chunk) {
  // Asked once for each chunk: a change proposed after a subscription was confirmed is in a later
  // one.
  bool wanted = state_.wants_events();
  command::EventBatch events;
  while (!execute(chunk, wanted ? &events : nullptr)) events.clear();
  hand_out(std::move(events));
  raft_->post_applied(chunk.back().entry->id.index);
}

// False when the engine wants the transaction done again.
bool Applier::execute(Chunk chunk, command::EventBatch* events) {
  outcomes_.clear();
  slow_.clear();
  const int64_t slow_ns = state_.slow_command_ns.load(std::memory_order_relaxed);
  Monotonic began = clock_.monotonic();
  executor_.take_expired();  // of an attempt that failed
  storage::Transaction& transaction = writer_->begin();
  for (CommittedEntry& committed : chunk) {
    if (!execute_entry(committed, transaction, events)) {
      transaction.rollback();
      return false;
    }
    const Monotonic ended = clock_.monotonic();
    const Monotonic elapsed = ended - std::exchange(began, ended);
    if (committed.origin) outcomes_.back().second.elapsed = elapsed;
    if (elapsed.count() >= slow_ns) note_slow(committed, elapsed);
  }
  const storage::AppliedState& state = transaction.applied_state();
  const Published after{state.applied.index, state.stamp,          state.revision,
                        state.key_count,     state.expiring_count, transaction.first_deadline()};
  if (!transaction.commit()) return false;
  publish(after);
  return true;
}

bool Applier::execute_entry(CommittedEntry& committed, storage::Transaction& transaction,
                            command::EventBatch* events) {
  const raft::Entry& entry = *committed.entry;
  if (entry.kind == raft::EntryKind::kCommands) {
    if (!committed.origin) return executor_.execute(entry, transaction, events, {}, nullptr);
    BatchOutcome outcome;
    outcome.batch = committed.origin->batch;
    if (!executor_.execute(entry, transaction, events, committed.origin->protocols,
                           &outcome.replies)) {
      return false;
    }
    outcomes_.emplace_back(committed.origin->loop, std::move(outcome));
    return true;
  }
  if (entry.kind == raft::EntryKind::kConfiguration) {
    raft::Configuration configuration;
    CHECK(raft::decode(entry.data, configuration), "configuration entry {} is malformed",
          entry.id.index);
    transaction.set_configuration(configuration);
  }
  transaction.set_applied(entry.id, entry.stamp, transaction.applied_state().revision);
  return !transaction.failed();
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

void Applier::publish(const Published& after) {
  state_.applied_stamp.store(after.stamp, std::memory_order_relaxed);
  state_.revision.store(after.revision, std::memory_order_relaxed);
  state_.key_count.store(after.key_count, std::memory_order_relaxed);
  state_.expiring_count.store(after.expiring_count, std::memory_order_relaxed);
  state_.expired_keys.fetch_add(executor_.take_expired(), std::memory_order_relaxed);
  state_.first_deadline.store(after.first_deadline, std::memory_order_relaxed);
  state_.applied_index.store(after.index.value());
}

void Applier::hand_out(command::EventBatch events) {
  if (!events.empty()) {
    clients_.events(std::make_shared<const command::EventBatch>(std::move(events)));
  }
  for (SlowNote& note : slow_) clients_.slow(std::move(note));
  for (auto& [loop, outcome] : outcomes_) clients_.batch_done(loop, std::move(outcome));
  clients_.applied_moved(raft::Index(state_.applied_index.load(std::memory_order_relaxed)));
}

}  // namespace kvorum::server
