#include "command/executor.h"

#include "command_fixture.h"
#include "memory_store.h"
#include "random_commands.h"

namespace kvorum::command::testing {

using Events = std::vector<std::string>;

class Transactions : public CommandTest {};
KVORUM_COMMAND_TESTS(Transactions);

TEST_P(Transactions, AnswerAnArrayAndShareOneRevision) {
  EXPECT_EQ(run.exec({{"SET", "a", "1"}, {"INCR", "a"}, {"GET", "a"}, {"MGET", "a", "b"}}),
            "[OK, 2, \"2\", [\"2\", (nil)]]");
  EXPECT_EQ(run.events(), Events({"set 1-0 a=1", "incrby 1-1 a=2"}));
  EXPECT_EQ(run.exec({}), "[]");
  EXPECT_EQ(run.exec({{"GET", "a"}}), "[\"2\"]");
  EXPECT_EQ(run.applied().revision, 1U);
}

TEST_P(Transactions, GoOnAfterAnError) {
  EXPECT_EQ(run.exec({{"SET", "a", "x"}, {"INCR", "a"}, {"SET", "b", "1"}}),
            "[OK, (error) ERR value is not an integer or out of range, OK]");
  EXPECT_EQ(run("GET b"), "\"1\"");
}

TEST_P(Transactions, RunOnlyIfWatchedKeysAreUnchanged) {
  run("SET a 1");
  const EventId seen = run.modified("a");
  EXPECT_EQ(run.exec({{"SET", "b", "1"}}, {{"a", seen}, {"none", {}}}), "[OK]");
  run("EXPIRE a 100");
  EXPECT_EQ(run.exec({{"SET", "b", "2"}}, {{"a", seen}}), "(nil array)");
  EXPECT_EQ(run.exec({{"SET", "b", "2"}}, {{"b", {}}}), "(nil array)");
  run("DEL a");
  EXPECT_EQ(run.exec({{"SET", "b", "2"}}, {{"a", seen}}), "(nil array)");
  EXPECT_EQ(run("GET b"), "\"1\"");
  run.protocol = resp::Protocol::kResp3;
  EXPECT_EQ(run.exec({{"SET", "b", "2"}}, {{"a", seen}}), "(nil)");
}

TEST_P(Transactions, ADueWatchedKeyCountsAsAbsent) {
  run("SET a 1 PX 10");
  const EventId seen = run.modified("a");
  run.now += 10;
  EXPECT_EQ(run.exec({{"SET", "b", "1"}}, {{"a", seen}}), "(nil array)");
  EXPECT_EQ(run.exec({{"SET", "b", "1"}}, {{"a", {}}}), "[OK]");
}

TEST_P(Transactions, SetThatChangesNothingVisibleStillTouches) {
  run("SET a 1");
  const EventId seen = run.modified("a");
  run("SET a 1");
  EXPECT_EQ(run.exec({{"SET", "b", "1"}}, {{"a", seen}}), "(nil array)");
}

class Execution : public CommandTest {};
KVORUM_COMMAND_TESTS(Execution);

TEST_P(Execution, CountsOneRevisionForEachCommandThatChangesSomething) {
  BatchBuilder batch;
  const auto add = [&](const Words& args) {
    batch.add(std::vector<std::string_view>(args.begin(), args.end()));
  };
  add({"SET", "a", "1"});
  add({"SET", "a", "2", "NX"});
  add({"INCR", "a"});
  add({"DEL", "none"});
  batch.add_expire_due(10);
  add({"INCR", "text"});
  EXPECT_EQ(run.apply(batch.take()),
            std::vector<std::string>({"+OK\r\n", "$-1\r\n", ":2\r\n", ":0\r\n", "", ":1\r\n"}));
  EXPECT_EQ(run.events(), Events({"set 1-0 a=1", "incrby 2-0 a=2", "incrby 3-0 text=1"}));
  const storage::AppliedState state = run.applied();
  EXPECT_EQ(state.revision, 3U);
  EXPECT_EQ(state.applied, (raft::EntryId{raft::Term(1), raft::Index(1)}));
  EXPECT_EQ(state.stamp, run.now);
  EXPECT_EQ(state.key_count, 2U);
}

TEST_P(Execution, KeepsCreationOnOverwriteAndRenewsItAfterDelete) {
  const auto created = [&](std::string_view key) {
    auto reader = store_.get().new_reader();
    const EventId id = reader->begin().header(key)->created;
    reader->end();
    return id;
  };
  run("SET a 1");
  run("SET a 2");
  run("APPEND a 2");
  EXPECT_EQ(created("a"), (EventId{1, 0}));
  run("DEL a");
  run("SET a 3 EX 5");
  EXPECT_EQ(created("a"), (EventId{5, 0}));
  run("RENAME a b");
  EXPECT_EQ(created("b"), (EventId{6, 1}));
  run("COPY b c");
  EXPECT_EQ(created("c"), (EventId{7, 0}));
  run("SET d 1 PX 1");
  run.now += 1;
  run("SET d 2");
  EXPECT_EQ(created("d"), (EventId{9, 1}));
}

TEST_P(Execution, GivesRepliesInTheProtocolOfEachItem) {
  BatchBuilder batch;
  for (int i = 0; i < 3; ++i) batch.add(std::vector<std::string_view>{"GETDEL", "none"});
  batch.add_transaction({}, std::vector<Words>{{"GETDEL", "none"}, {"INCR", "n"}});
  raft::Entry entry;
  entry.id = {raft::Term(1), raft::Index(1)};
  entry.kind = raft::EntryKind::kCommands;
  entry.stamp = 1;
  entry.data = batch.take();
  auto writer = store_.get().new_writer();
  storage::Transaction& transaction = writer->begin();
  Executor executor(test_table());
  ReplyBuffer replies;
  replies.bytes = "left over";
  const resp::Protocol protocols[] = {resp::Protocol::kResp3, resp::Protocol::kResp2};
  ASSERT_EQ(executor.execute(entry, transaction, nullptr, protocols, &replies), Executed::kDone);
  ASSERT_TRUE(transaction.commit());
  ASSERT_EQ(replies.items(), 4U);
  EXPECT_EQ(replies.reply(0), "_\r\n");
  EXPECT_EQ(replies.reply(1), "$-1\r\n");
  EXPECT_EQ(replies.reply(2), "$-1\r\n");
  EXPECT_EQ(replies.reply(3), "*2\r\n$-1\r\n:1\r\n");
  ASSERT_EQ(replies.element_ends.size(), 2U);
  EXPECT_EQ(replies.bytes.substr(replies.element_ends[0]), ":1\r\n");
}

// INCR n in a batch of node 7, or of `node`.
std::string increment(uint64_t session, uint64_t sequence, uint64_t node = 7) {
  BatchBuilder batch;
  batch.add(std::vector<std::string_view>{"INCR", "n"});
  std::string data = batch.take();
  identify(data, {raft::NodeId(node), session, sequence});
  return data;
}

TEST_P(Execution, ExecutesEachBatchOfAProposerOnceAndInOrder) {
  using Replies = std::vector<std::string>;
  EXPECT_EQ(run.apply(increment(5, 2)), Replies());  // a session begins with 1
  EXPECT_EQ(run.apply(increment(5, 1)), Replies({":1\r\n"}));
  EXPECT_EQ(run.apply(increment(5, 1)), Replies());
  EXPECT_EQ(run.apply(increment(5, 3)), Replies());
  EXPECT_EQ(run.apply(increment(5, 2)), Replies({":2\r\n"}));
  EXPECT_EQ(run.apply(increment(5, 3)), Replies({":3\r\n"}));
  EXPECT_EQ(run.applied().revision, 3U);
  EXPECT_EQ(run.apply(increment(9, 1)), Replies({":4\r\n"}));
  EXPECT_EQ(run.apply(increment(5, 4)), Replies());  // that session is over
  EXPECT_EQ(run.apply(increment(5, 1)), Replies());
  EXPECT_EQ(run.apply(increment(1, 1, 8)), Replies({":5\r\n"}));
  EXPECT_EQ(run.apply(increment(9, 2)), Replies({":6\r\n"}));
  const storage::AppliedState state = run.applied();
  ASSERT_EQ(state.proposers.size(), 2U);
  EXPECT_EQ(state.find_proposer(raft::NodeId(7))->sequence, 2U);
  EXPECT_EQ(state.find_proposer(raft::NodeId(7))->index, state.applied.index);
  EXPECT_EQ(state.find_proposer(raft::NodeId(9)), nullptr);
}

TEST_P(Execution, RemembersABoundedNumberOfProposers) {
  for (uint64_t node = 1; node <= storage::kProposersMax + 10; ++node) {
    run.apply(increment(1, 1, node));
  }
  const storage::AppliedState state = run.applied();
  EXPECT_EQ(state.proposers.size(), storage::kProposersMax);
  EXPECT_EQ(state.find_proposer(raft::NodeId(10)), nullptr);
  EXPECT_NE(state.find_proposer(raft::NodeId(11)), nullptr);
}

TEST(ExecutionRetry, GivesTheSameStateWhereverItFails) {
  const auto script = [](CommandRunner& run) {
    run("MSET a 1 b 2 c 3");
    run.exec({{"DEL", "a"}, {"SET", "a", "2"}, {"RENAME", "b", "d"}, {"COPY", "d", "e"}});
    run("SET f v PX 1");
    run.now += 1;
    run("INCR f");
    run.exec({{"FLUSHALL"}, {"SET", "a", "5"}});
  };
  MemoryStore calm;
  CommandRunner expected(calm);
  script(expected);
  uint64_t retried = 0;
  for (uint64_t n = 1; n < 20; ++n) {
    MemoryStore store;
    CommandRunner run(store);
    store.fail_change(n);
    script(run);
    retried += run.retries;
    EXPECT_EQ(run.contents(), expected.contents()) << n;
    EXPECT_EQ(run.events(), expected.events()) << n;
  }
  EXPECT_GT(retried, 10U);
}

TEST(ExecutionDeathTest, StopsTheNodeAtACommandItDoesNotKnow) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  MemoryStore store;
  CommandRunner run(store);
  BatchBuilder batch;
  batch.add(std::vector<std::string_view>{"HSET", "k", "f", "v"});
  EXPECT_EXIT(run.apply(batch.take()), ::testing::ExitedWithCode(1), "can't execute \\('HSET'\\)");
  EXPECT_EXIT(run.apply("\x01\x01\x07"), ::testing::ExitedWithCode(1), "can't read");
}

// Ids, revisions and bytes must not depend on how commands were batched, on whether anyone wanted
// events or replies, or on the store.
//
// Every 50 commands have one stamp, however they are cut into entries of `size` commands. Gives all
// replies, and what the store holds at the end of each stamp.
std::string run_in_batches(storage::Store& store, const std::vector<Words>& commands, size_t size,
                           bool want_events) {
  CommandRunner run(store);
  run.want_events = want_events;
  constexpr size_t kCommandsOfOneStamp = 50;
  std::string seen;
  BatchBuilder batch;
  for (size_t i = 0; i < commands.size(); ++i) {
    if (i % 17 == 16) {
      const Words flush = i % 3 == 0 ? Words{"FLUSHALL"} : Words{"DBSIZE"};
      batch.add_transaction({}, std::vector<Words>{commands[i], flush, commands[i - 1]});
    } else {
      batch.add(std::vector<std::string_view>(commands[i].begin(), commands[i].end()));
    }
    if (i % 11 == 10) batch.add_expire_due(2);
    const bool stamp_ends = (i + 1) % kCommandsOfOneStamp == 0;
    if (batch.items() < size && !stamp_ends) continue;
    if (!batch.empty()) {
      for (const std::string& reply : run.apply(batch.take())) seen += reply;
    }
    if (!stamp_ends) continue;
    seen += run.contents();
    run.now += 10;
  }
  return seen;
}

size_t first_difference(const std::string& a, const std::string& b) {
  size_t i = 0;
  while (i < a.size() && i < b.size() && a[i] == b[i]) ++i;
  return i;
}

TEST(Determinism, BatchingAndEventsDoNotShowInTheState) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const std::vector<Words> commands = random_commands(seed, 600);
    std::string expected;
    for (StoreKind kind : {StoreKind::kMemory, StoreKind::kWiredTiger}) {
      for (size_t size : {1U, 7U, 50U}) {
        if (kind == StoreKind::kWiredTiger && size == 1) continue;
        for (bool want_events : {false, true}) {
          TestStore store(kind);
          const std::string seen = run_in_batches(store.get(), commands, size, want_events);
          if (expected.empty()) expected = seen;
          ASSERT_TRUE(seen == expected)
              << "seed " << seed << ", batches of " << size << ", events " << want_events << "\n"
              << seen.substr(first_difference(seen, expected), 300);
        }
      }
    }
    // Keys with a deadline were among them.
    EXPECT_NE(expected.find("deadline 17"), std::string::npos) << "seed " << seed;
  }
}

}  // namespace kvorum::command::testing
