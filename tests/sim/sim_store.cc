#include "tests/sim/sim_store.h"

namespace kvorum::sim {

namespace {

class Hasher {
 public:
  void number(uint64_t value) {
    hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15;
    hash_ ^= hash_ >> 32;
  }
  void event(EventId id) {
    number(id.revision);
    number(id.change);
  }
  void text(std::string_view bytes) {
    number(bytes.size());
    for (; bytes.size() >= 8; bytes.remove_prefix(8)) number(word(bytes));
    number(word(bytes));
  }
  uint64_t value() const { return hash_; }

 private:
  static uint64_t word(std::string_view bytes) {
    uint64_t value = 0;
    bytes.copy(reinterpret_cast<char*>(&value), sizeof(value));
    return value;
  }

  uint64_t hash_ = 1;
};

}  // namespace

storage::AppliedState state_of(const Image& image) {
  return command::testing::MemoryStore(*image).applied_state();
}

SimStore::SimStore(Surroundings surroundings)
    : around_(std::move(surroundings)), memory_(*around_.durable) {}

// What is in it is decided at its beginning, unless everything was replaced meanwhile.
Result<storage::AppliedState> SimStore::checkpoint() {
  for (;;) {
    auto image = std::make_shared<command::testing::MemoryStore>(memory_);
    const uint64_t replacements = replacements_;
    around_.take_time();
    if (replacements != replacements_) continue;
    const storage::AppliedState contained = image->applied_state();
    around_.durable = std::move(image);
    return contained;
  }
}

Result<storage::AppliedState> SimStore::replace(const std::string& folder) {
  auto snapshot = around_.snapshots.find(folder);
  if (snapshot == around_.snapshots.end()) return fail("there is no {}", folder);
  around_.take_time();
  if (around_.fails()) return fail("the disk has no room for it");
  if (around_.mutation != Mutation::kReplaceNotDurable) around_.durable = snapshot->second;
  memory_ = *snapshot->second;
  ++replacements_;
  around_.take_time();
  return memory_.applied_state();
}

uint64_t SimStore::hash() {
  Hasher hasher;
  auto reader = memory_.new_reader();
  storage::View& view = reader->begin();
  view.for_each("", [&](std::string_view key, const storage::Record& record) {
    hasher.text(key);
    hasher.text(record.value);
    hasher.event(record.header.modified);
    hasher.number(record.header.created.revision);
    hasher.number(record.header.deadline);
    return true;
  });
  view.for_each_history({}, [&](EventId first, std::string_view row) {
    hasher.event(first);
    hasher.text(row);
    return true;
  });
  const storage::AppliedState& state = view.applied_state();
  hasher.number(state.applied.term.value());
  hasher.number(state.stamp);
  hasher.number(state.revision);
  const storage::HistoryState& history = state.history;
  hasher.number(history.max_bytes);
  hasher.number(history.max_age_ms);
  hasher.number(history.bytes);
  hasher.number(history.oldest_stamp);
  for (EventId id : {history.floor, history.last, history.oldest}) hasher.event(id);
  for (const storage::Proposer& proposer : state.proposers) {
    hasher.number(proposer.node.value());
    hasher.number(proposer.session);
    hasher.number(proposer.sequence);
    hasher.number(proposer.index.value());
  }
  reader->end();
  return hasher.value();
}

}  // namespace kvorum::sim
