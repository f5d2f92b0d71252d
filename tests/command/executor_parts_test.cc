// Entries that change much are executed in parts, and transactions that would change too much are
// refused: alike on every node, whatever fails or crashes in between.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "command_fixture.h"
#include "memory_store.h"

namespace kvorum::command {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

void add(BatchBuilder& batch, const Words& args) {
  batch.add(std::vector<std::string_view>(args.begin(), args.end()));
}

// Three of them are a part.
const std::string& large_value() {
  static const std::string value(kPartWeightMax / 3, 'v');
  return value;
}

std::string batch_of_large_sets(int count) {
  BatchBuilder batch;
  for (int i = 0; i < count; ++i) add(batch, {"SET", fmt::format("k{}", i), large_value()});
  return batch.take();
}

class Parts : public CommandTest {};

KVORUM_COMMAND_TESTS(Parts);

TEST_P(Parts, EndBehindTheItemThatMakesThemHeavy) {
  run.keep_history(1 << 30);
  const std::vector<std::string> replies = run.apply(batch_of_large_sets(7));
  EXPECT_EQ(run.parts, 3U);
  EXPECT_EQ(replies, std::vector<std::string>(7, "+OK\r\n"));
  EXPECT_EQ(run.events().size(), 7U);
  EXPECT_EQ(run.history().size(), 7U);
  const storage::AppliedState state = run.applied();
  EXPECT_EQ(state.items_done, 0U);
  EXPECT_EQ(state.revision, 7U);
  EXPECT_EQ(state.applied.index, raft::Index(2));
}

TEST_P(Parts, AreNotMadeOfWhatIsLight) {
  BatchBuilder batch;
  for (int i = 0; i < 1000; ++i) add(batch, {"SET", "k", "v"});
  run.apply(batch.take());
  EXPECT_EQ(run.parts, 1U);
}

// What counts is what is written, not what was sent.
TEST_P(Parts, AreMadeOfSmallCommandsThatWriteMuch) {
  run.run({"SET", "k", large_value()});
  for (const Words& command :
       {Words{"APPEND", "k", "y"}, Words{"SETRANGE", "k", "0", "x"}, Words{"EXPIRE", "k", "100"},
        Words{"COPY", "k", "other", "REPLACE"}}) {
    BatchBuilder batch;
    for (int i = 0; i < 7; ++i) add(batch, command);
    run.apply(batch.take());
    EXPECT_EQ(run.parts, 3U) << command[0];
  }
}

class CrashBetweenParts : public CommandTest {
 protected:
  raft::Entry entry_of(std::string data) {
    raft::Entry entry;
    entry.id = {raft::Term(1), run.applied().applied.index.next()};
    entry.kind = raft::EntryKind::kCommands;
    entry.stamp = run.now;
    entry.data = std::move(data);
    return entry;
  }
  // By an executor that knows nothing of what was before.
  Executed execute(const raft::Entry& entry) {
    Executor executor(test_table());
    auto writer = store_.get().new_writer();
    storage::Transaction& transaction = writer->begin();
    const Executed executed = executor.execute(entry, transaction, nullptr, {}, nullptr);
    EXPECT_TRUE(transaction.commit());
    return executed;
  }
};

KVORUM_COMMAND_TESTS(CrashBetweenParts);

TEST_P(CrashBetweenParts, GoesOnBehindTheItemsThatAreIn) {
  run.keep_history(1 << 30);
  std::string data = batch_of_large_sets(4);
  const BatchIdentity identity{raft::NodeId(5), 1, 1};
  identify(data, identity);
  const raft::Entry entry = entry_of(data);
  EXPECT_EQ(execute(entry), Executed::kPart);
  const storage::AppliedState between = run.applied();
  EXPECT_EQ(between.items_done, 3U);
  EXPECT_EQ(between.applied.index, raft::Index(1));
  EXPECT_EQ(between.revision, 3U);
  // It is its proposer's next, not one that was executed before.
  EXPECT_EQ(execute(entry), Executed::kDone);
  const storage::AppliedState state = run.applied();
  EXPECT_EQ(state.items_done, 0U);
  EXPECT_EQ(state.applied, entry.id);
  EXPECT_EQ(state.revision, 4U);
  EXPECT_EQ(run.history().size(), 4U);
  EXPECT_EQ(state.find_proposer(identity.node)->sequence, 1U);
  EXPECT_EQ(execute(entry_of(data)), Executed::kDone);
  EXPECT_EQ(run.applied().revision, 4U) << "a second time it is nothing";
}

TEST(PartsOfAnEntry, LeadToOneStateWhicheverChangeFails) {
  std::string expected;
  uint64_t retries = 0;
  for (uint64_t failing = 0; failing <= 60; ++failing) {
    MemoryStore store;
    CommandRunner run(store);
    run.keep_history(1 << 30);
    BatchBuilder batch;
    for (size_t i = 0; i < 8; ++i) {
      add(batch, {"SET", "k", large_value()});
      add(batch, {"GETSET", "small", std::string(i, 'v')});
    }
    if (failing > 0) store.fail_change(failing);
    const std::vector<std::string> replies = run.apply(batch.take());
    EXPECT_EQ(run.parts, 3U);
    retries += run.retries;
    ASSERT_EQ(replies.size(), 16U);
    EXPECT_EQ(replies.back(), "$6\r\nvvvvvv\r\n");
    EXPECT_EQ(run.events().size(), 16U);
    const std::string all = run.history_bytes() + run.contents();
    if (failing == 0) expected = all;
    EXPECT_EQ(all, expected) << failing;
  }
  EXPECT_GT(retries, 20U);
}

class HeavyTransaction : public CommandTest {
 protected:
  HeavyTransaction() { run.run({"SET", "k", std::string(900, 'v')}); }
  static std::vector<Words> copies(int count) {
    std::vector<Words> commands;
    for (int i = 0; i < count; ++i) commands.push_back({"COPY", "k", fmt::format("c{}", i)});
    return commands;
  }
};

KVORUM_COMMAND_TESTS(HeavyTransaction);

TEST_P(HeavyTransaction, IsRefusedAndChangesNothing) {
  BatchBuilder batch(1000);
  add(batch, {"SET", "before", "1"});
  batch.add_transaction({}, copies(5));
  add(batch, {"SET", "behind", "1"});
  const std::vector<std::string> replies = run.apply(batch.take());
  ASSERT_EQ(replies.size(), 3U);
  EXPECT_THAT(replies[1], HasSubstr("-ERR the transaction would write more than 4000 bytes"));
  EXPECT_EQ(replies[2], "+OK\r\n");
  EXPECT_EQ(run.retries, 1U);
  EXPECT_THAT(run.events(), ElementsAre("set 2-0 before=1", "set 3-0 behind=1"));
  EXPECT_EQ(run.applied().key_count, 3U);
}

TEST_P(HeavyTransaction, IsExecutedWhenItWeighsJustLess) {
  BatchBuilder batch(1000);
  batch.add_transaction({}, copies(3));
  EXPECT_THAT(run.apply(batch.take()).at(0), EndsWith(":1\r\n:1\r\n:1\r\n"));
  EXPECT_EQ(run.retries, 0U);
}

// A command that is in no transaction may be a part of its own.
TEST_P(HeavyTransaction, IsNotWhatSeveralCommandsAre) {
  BatchBuilder batch(1000);
  for (const Words& command : copies(5)) add(batch, command);
  EXPECT_EQ(run.apply(batch.take()), std::vector<std::string>(5, ":1\r\n"));
}

}  // namespace
}  // namespace kvorum::command
