#include "tests/storage/wal_testing.h"

#include <gtest/gtest.h>

#include <utility>

#include "storage/wal_format.h"

namespace kvorum::storage {

raft::EntryPtr make_entry(uint64_t term, uint64_t index, std::string data) {
  auto entry = std::make_shared<raft::Entry>();
  entry->id = {raft::Term(term), raft::Index(index)};
  entry->kind = raft::EntryKind::kCommands;
  entry->stamp = 1'700'000'000'000 + index;
  entry->data = std::move(data);
  return entry;
}

raft::HardState make_hard_state(uint64_t term, uint64_t vote, uint64_t commit) {
  return {raft::Term(term), raft::NodeId(vote), raft::Index(commit)};
}

std::string segment_path(uint64_t sequence) {
  return std::string(kFolder) + "/" + wal::segment_name(sequence);
}

OpenLog open_log(FileSystem& files, uint64_t after, uint64_t segment_bytes) {
  OpenLog log;
  auto opened = Wal::open(files, WalOptions{kFolder, segment_bytes, kLogId}, raft::Index(after),
                          log.recovery);
  if (opened) {
    log.wal = std::move(*opened);
  } else {
    log.error = opened.error().message;
  }
  return log;
}

Result<AppendOutcome> try_append(Wal& wal, std::vector<raft::EntryPtr> entries,
                                 std::optional<raft::HardState> hard_state) {
  const WalBatch batch{hard_state, entries};
  return wal.append({&batch, 1});
}

void append(Wal& wal, std::vector<raft::EntryPtr> entries,
            std::optional<raft::HardState> hard_state) {
  auto outcome = try_append(wal, std::move(entries), hard_state);
  ASSERT_TRUE(outcome) << outcome.error().message;
  ASSERT_EQ(*outcome, AppendOutcome::kWritten);
}

void LogState::append(const std::vector<raft::EntryPtr>& added,
                      std::optional<raft::HardState> state) {
  if (state) hard_state = *state;
  for (const auto& entry : added) {
    const uint64_t index = entry->id.index.value();
    entries.erase(entries.lower_bound(index), entries.end());
    entries[index] = {entry->id.term.value(), entry->data};
  }
}

LogState LogState::after(uint64_t index) const {
  LogState rest = *this;
  rest.entries.erase(rest.entries.begin(), rest.entries.upper_bound(index));
  return rest;
}

std::string LogState::to_string() const {
  std::string out = fmt::format("term {} vote {} commit {}:", hard_state.term, hard_state.vote,
                                hard_state.commit);
  for (const auto& [index, entry] : entries) {
    out += fmt::format(" {}@{}({} bytes)", index, entry.first, entry.second.size());
  }
  return out;
}

LogState state_of(const WalRecovery& recovery) {
  LogState state;
  state.hard_state = recovery.hard_state;
  uint64_t expected = recovery.compacted.value();
  for (const auto& entry : recovery.entries) {
    EXPECT_EQ(entry->id.index.value(), ++expected) << "recovered entries are not contiguous";
    EXPECT_EQ(entry->kind, raft::EntryKind::kCommands);
    EXPECT_EQ(entry->stamp, 1'700'000'000'000 + entry->id.index.value());
    state.entries[entry->id.index.value()] = {entry->id.term.value(), entry->data};
  }
  return state;
}

}  // namespace kvorum::storage
