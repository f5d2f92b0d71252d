#include "server/state_hash.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "tests/command/memory_store.h"
#include "tests/storage/store_testing.h"

namespace kvorum::server {
namespace {

using storage::HistoryState;
using storage::Transaction;

// Of a store with a key, a proposer and two rows of history, `changed`.
uint64_t hash_after(const std::function<void(Transaction&)>& change) {
  command::testing::MemoryStore store;
  auto writer = store.new_writer();
  Transaction& transaction = writer->begin();
  transaction.put("k", storage::made_at(1, 0, 5), "value");
  storage::append_row(transaction, {1, 0}, "first");
  storage::append_row(transaction, {2, 0}, "second");
  transaction.set_proposer({raft::NodeId(1), 2, 3, raft::Index(4)});
  transaction.set_applied(storage::entry(4), 5, 6);
  change(transaction);
  EXPECT_TRUE(transaction.commit());
  auto reader = store.new_reader();
  const uint64_t hash = state_hash(reader->begin());
  reader->end();
  return hash;
}

std::function<void(Transaction&)> history_with(const std::function<void(HistoryState&)>& change) {
  return [change](Transaction& t) {
    HistoryState history = t.applied_state().history;
    change(history);
    t.set_history(history);
  };
}

TEST(StateHash, IsTheSameForTheSameState) {
  EXPECT_EQ(hash_after([](Transaction&) {}), hash_after([](Transaction&) {}));
}

TEST(StateHash, TellsStatesApart) {
  const std::vector<std::function<void(Transaction&)>> changes = {
      [](Transaction&) {},
      [](Transaction& t) { t.put("k", storage::made_at(1, 0, 5), "valuf"); },
      [](Transaction& t) { t.put("k", storage::made_at(1, 1, 5), "value"); },
      [](Transaction& t) { t.put("k", storage::made_at(1, 0, 6), "value"); },
      [](Transaction& t) { t.put("l", storage::made_at(1, 0, 5), "value"); },
      [](Transaction& t) { t.erase("k"); },
      [](Transaction& t) {
        t.set_proposer({raft::NodeId(1), 2, 4, raft::Index(4)});
      },
      [](Transaction& t) { t.set_applied(storage::entry(5), 5, 6); },
      [](Transaction& t) { t.set_applied(storage::entry(4), 6, 6); },
      [](Transaction& t) { t.set_applied(storage::entry(4), 5, 7); },
      [](Transaction& t) {
        t.append_history({3, 0}, "");
      },
      [](Transaction& t) {
        t.append_history({3, 1}, "");
      },
      [](Transaction& t) {
        t.append_history({3, 0}, "third");
      },
      [](Transaction& t) { storage::trim_rows(t, 1); },
      [](Transaction& t) { storage::trim_rows(t, 2); },
      history_with([](HistoryState& history) { ++history.max_bytes; }),
      history_with([](HistoryState& history) { ++history.max_age_ms; }),
      history_with([](HistoryState& history) { ++history.bytes; }),
      history_with([](HistoryState& history) { ++history.oldest_stamp; }),
      history_with([](HistoryState& history) { ++history.floor.revision; }),
      history_with([](HistoryState& history) { ++history.floor.change; }),
      history_with([](HistoryState& history) { ++history.last.revision; }),
      history_with([](HistoryState& history) { ++history.last.change; }),
  };
  std::set<uint64_t> hashes;
  for (const auto& change : changes) hashes.insert(hash_after(change));
  EXPECT_EQ(hashes.size(), changes.size());
}

}  // namespace
}  // namespace kvorum::server
