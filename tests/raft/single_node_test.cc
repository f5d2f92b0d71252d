#include <gtest/gtest.h>

#include "tests/raft/cluster.h"

namespace kvorum::raft::test {
namespace {

TEST(SingleNode, LeadsAfterItsFirstTick) {
  Cluster cluster({1});
  EXPECT_EQ(cluster.core(1).role(), Role::kFollower);
  cluster.tick(1);
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
  EXPECT_TRUE(cluster.core(1).leader_ready());
}

TEST(SingleNode, EveryStepOfAWrite) {
  Core core({.id = NodeId(1)}, {{}, {{}, 0, make_configuration({1})}, {}});
  core.tick();
  Ready vote = core.take_ready();
  ASSERT_TRUE(vote.persist.has_value());
  EXPECT_EQ(vote.persist->hard_state, (HardState{Term(1), NodeId(1), Index(0)}));
  EXPECT_FALSE(core.has_ready());
  core.persisted(vote.persist->token);
  EXPECT_EQ(core.role(), Role::kLeader);
  Ready noop = core.take_ready();
  core.persisted(noop.persist->token);
  EXPECT_EQ(core.take_ready().committed.size(), 1u);

  EntryId id = core.propose("set", 42).value();
  Ready write = core.take_ready();
  EXPECT_EQ(write.persist->token, noop.persist->token.next());
  ASSERT_EQ(write.persist->entries.size(), 1u);
  EXPECT_EQ(write.persist->entries[0]->id, id);
  EXPECT_TRUE(write.committed.empty());
  EXPECT_FALSE(core.has_ready());
  core.persisted(write.persist->token);
  Ready apply = core.take_ready();
  ASSERT_EQ(apply.committed.size(), 1u);
  EXPECT_EQ(apply.committed[0], write.persist->entries[0]) << "shared, not copied";
  EXPECT_FALSE(core.has_ready());
}

TEST(SingleNode, PipelinesWrites) {
  Cluster cluster({1});
  cluster.tick(1);
  cluster.hold_disk(1);
  for (char c : {'a', 'b', 'c'}) cluster.propose(1, std::string(1, c));
  EXPECT_EQ(cluster.node(1).writes.size(), 3u);
  cluster.finish_writes(1, 2);
  EXPECT_EQ(cluster.applied_text(1), "ab");
  cluster.finish_writes(1);
  EXPECT_EQ(cluster.applied_text(1), "abc");
}

TEST(SingleNode, ReadsNeedNoRoundAndNoClock) {
  Cluster cluster({1});
  cluster.tick(1);
  cluster.core(1).read_index(1, false);
  cluster.core(1).read_index(2, true);
  cluster.run(1);
  EXPECT_EQ(cluster.node(1).reads.size(), 2u);
  EXPECT_EQ(cluster.core(1).lease_ticks_left(), 8u);
  cluster.tick(1, 1000);
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
  EXPECT_EQ(cluster.core(1).lease_ticks_left(), 8u);
}

TEST(SingleNode, KeepsNothingInMemoryThatItDoesNotNeed) {
  Cluster cluster({1});
  cluster.tick(1);
  for (int i = 0; i < 100; ++i) cluster.propose(1, std::string(1000, 'x'));
  EXPECT_EQ(cluster.status(1).first, cluster.status(1).last.index.next());
}

TEST(SingleNode, AppliesAgainWhatItsCheckpointLacks) {
  Cluster cluster({1});
  cluster.tick(1);
  cluster.propose(1, "a");
  SnapshotMeta checkpoint{cluster.node(1).applied_last, 0, make_configuration({1})};
  cluster.node(1).disk.take_checkpoint(checkpoint);
  cluster.core(1).checkpointed(checkpoint);
  cluster.propose(1, "b");
  cluster.restart(1);
  cluster.tick(1);
  EXPECT_EQ(cluster.applied_text(1), "b");
  EXPECT_EQ(cluster.core(1).term(), Term(2));
}

TEST(SingleNode, AnUnfinishedWriteIsGoneOrThereButNeverAcknowledged) {
  for (bool reached : {false, true}) {
    Cluster cluster({1});
    cluster.tick(1);
    cluster.hold_disk(1);
    cluster.propose(1, "a");
    EXPECT_EQ(cluster.applied_text(1), "");
    TestNode& node = cluster.node(1);
    if (reached) node.disk.write(node.writes.front());
    node.disk_held = false;
    cluster.restart(1);
    cluster.tick(1);
    EXPECT_EQ(cluster.applied_text(1), reached ? "a" : "");
  }
}

TEST(SingleNode, WithLearnersStillDecidesAlone) {
  Cluster cluster({1}, {2});
  cluster.tick(1);
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
  cluster.isolate(2);
  cluster.tick(1, 100);
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
  EntryId id = cluster.propose(1, "a");
  EXPECT_EQ(cluster.core(1).commit_index(), id.index);
}

TEST(SingleNode, ANodeWithoutAConfigurationWaits) {
  Cluster cluster({});
  cluster.add_node(7);
  cluster.tick(7, 1000);
  EXPECT_EQ(cluster.core(7).role(), Role::kFollower);
  EXPECT_EQ(cluster.core(7).term(), Term(0));
}

}  // namespace
}  // namespace kvorum::raft::test
