#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/raft/cluster.h"

namespace kvorum::raft::test {
namespace {

using ::testing::HasSubstr;

Result<EntryId> change(Cluster& cluster, uint64_t leader, const std::vector<uint64_t>& voters,
                       const std::vector<uint64_t>& learners = {}) {
  auto id = cluster.core(leader).propose_configuration(make_configuration(voters, learners), 0);
  cluster.run(leader);
  return id;
}

std::string refusal(const Result<EntryId>& result) {
  return result ? "accepted" : result.error().message;
}

TEST(Membership, ANodeJoinsAsALearnerAndBecomesAVoter) {
  Cluster cluster({1});
  cluster.tick(1);
  cluster.propose(1, "a");
  cluster.add_node(2);
  ASSERT_TRUE(change(cluster, 1, {1}, {2}).has_value());
  cluster.tick_all(4);
  // The first entries are gone from memory: a snapshot brings the newcomer up.
  ASSERT_EQ(cluster.node(1).snapshot_peers.size(), 1u);
  SnapshotMeta meta{cluster.node(1).applied_last, 0, cluster.node(1).applied_configuration};
  ASSERT_TRUE(cluster.core(2).begin_restore(meta.last));
  cluster.node(2).disk.install(meta);
  cluster.node(2).applied_last = meta.last;
  cluster.core(2).restore(meta);
  cluster.core(1).snapshot_sent(NodeId(2), meta.last, true);
  cluster.run(1);
  cluster.deliver_all();
  ASSERT_TRUE(change(cluster, 1, {1, 2}).has_value());
  cluster.deliver_all();
  EXPECT_EQ(cluster.node(2).applied_configuration, make_configuration({1, 2}));
  cluster.propose(1, "b");
  cluster.deliver_all();
  EXPECT_EQ(cluster.applied_text(2), "b");
}

TEST(Membership, ALearnerDoesNotCount) {
  Cluster cluster({1, 2}, {3});
  cluster.elect(1);
  cluster.isolate(2);
  EntryId id = cluster.propose(1, "a");
  cluster.deliver_all();
  EXPECT_LT(cluster.core(1).commit_index(), id.index);
  EXPECT_EQ(cluster.status(3).last, id) << "but it is fed";
}

TEST(Membership, AConfigurationCountsFromTheMomentItIsAppended) {
  Cluster cluster({1}, {2});
  cluster.elect(1);
  cluster.isolate(2);
  ASSERT_TRUE(change(cluster, 1, {1, 2}).has_value());
  EntryId id = cluster.propose(1, "a");
  EXPECT_LT(cluster.core(1).commit_index(), id.index) << "node 2 has a say now";
  cluster.heal();
  cluster.tick(1, 2);
  cluster.deliver_all();
  EXPECT_EQ(cluster.core(1).commit_index(), id.index);
}

TEST(Membership, AJointChangeNeedsBothMajorities) {
  Cluster cluster({1, 2, 3}, {4, 5});
  cluster.elect(1);
  cluster.isolate(2);
  cluster.isolate(3);
  ASSERT_TRUE(change(cluster, 1, {1, 4, 5}).has_value());
  cluster.deliver_all();
  EXPECT_FALSE(cluster.status(1).configuration.outgoing.empty());
  EXPECT_LT(cluster.core(1).commit_index(), cluster.status(1).configuration_index);
  cluster.heal();
  cluster.tick_all(4);
  EXPECT_EQ(cluster.status(1).configuration, without({2, 3}, make_configuration({1, 4, 5})));
  EXPECT_EQ(cluster.node(4).applied_configuration, without({2, 3}, make_configuration({1, 4, 5})));
}

TEST(Membership, ANewLeaderLeavesTheJointConfigurationItFound) {
  Cluster cluster({1, 2, 3}, {4, 5});
  cluster.elect(1);
  ASSERT_TRUE(change(cluster, 1, {1, 4, 5}).has_value());
  // The joint entry reaches everyone, then the leader is gone.
  cluster.deliver_one([](const Envelope& e) { return e.to == NodeId(2); });
  cluster.deliver_one([](const Envelope& e) { return e.to == NodeId(3); });
  cluster.deliver_one([](const Envelope& e) { return e.to == NodeId(4); });
  cluster.deliver_one([](const Envelope& e) { return e.to == NodeId(5); });
  cluster.drop_all();
  cluster.isolate(1);
  cluster.elect(4);
  cluster.tick_all(4);
  EXPECT_EQ(cluster.status(4).configuration, without({2, 3}, make_configuration({1, 4, 5})));
  EXPECT_EQ(cluster.core(4).role(), Role::kLeader);
}

TEST(Membership, AConfigurationGoesAwayWithItsEntry) {
  Cluster cluster({1, 2, 3}, {4});
  cluster.elect(1);
  cluster.isolate(1);
  ASSERT_TRUE(change(cluster, 1, {1, 2, 3, 4}).has_value());
  EXPECT_EQ(cluster.status(1).configuration, make_configuration({1, 2, 3, 4}));
  cluster.elect(2);
  cluster.propose(2, "a");
  cluster.deliver_all();
  cluster.heal();
  cluster.tick_all(4);
  EXPECT_EQ(cluster.status(1).configuration, make_configuration({1, 2, 3}, {4}));
  EXPECT_EQ(cluster.applied_text(1), "a");
}

TEST(Membership, ALeaderThatRemovedItselfStepsDownOnceThatIsCommitted) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  ASSERT_TRUE(change(cluster, 1, {2, 3}).has_value());
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
  cluster.deliver_all();
  EXPECT_EQ(cluster.core(1).role(), Role::kFollower);
  uint64_t leader = cluster.core(2).role() == Role::kLeader ? 2 : 3;
  EXPECT_EQ(cluster.core(leader).role(), Role::kLeader) << "it asked one of them to go on";
  EXPECT_EQ(cluster.node(leader).applied_configuration, without({1}, make_configuration({2, 3})));
  cluster.tick(1, 10 * kTimeout);
  EXPECT_EQ(cluster.core(1).role(), Role::kFollower) << "it is no voter any more";
}

TEST(Membership, ALeaderOutsideDoesNotCountItself) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.isolate(3);
  ASSERT_TRUE(change(cluster, 1, {2, 3}).has_value());
  cluster.deliver_all();
  EXPECT_LT(cluster.core(1).commit_index(), cluster.status(1).configuration_index);
}

TEST(Membership, AVoterThatRemovedItselfStandsUntilThatIsCommitted) {
  // Only node 1 has the newest entry; node 3's vote alone can't elect node 3 (dissertation, 4.2.2).
  Cluster cluster({1, 3});
  cluster.elect(1);
  ASSERT_TRUE(change(cluster, 1, {3}, {1}).has_value());
  cluster.drop_all();
  cluster.tick(1, kTimeout + 1);  // the leader gives up
  cluster.drop_all();
  cluster.tick_all(10 * kTimeout);
  EXPECT_EQ(cluster.core(3).role(), Role::kLeader);
  EXPECT_EQ(cluster.status(3).configuration, make_configuration({3}, {1}));
}

TEST(Membership, ARemovedNodeCanNotDisturb) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.isolate(3);
  ASSERT_TRUE(change(cluster, 1, {1, 2}).has_value());
  cluster.deliver_all();
  cluster.heal();
  Term term = cluster.core(1).term();
  cluster.tick_all(20 * kTimeout);
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
  EXPECT_EQ(cluster.core(1).term(), term);
}

TEST(Membership, RefusesAndSaysWhy) {
  Cluster cluster({1, 2, 3}, {4});
  EXPECT_THAT(refusal(change(cluster, 1, {1})), HasSubstr("not the leader"));
  cluster.elect(1);
  EXPECT_THAT(refusal(change(cluster, 1, {})), HasSubstr("last voter"));
  EXPECT_THAT(refusal(change(cluster, 1, {1, 2, 3, 9})), HasSubstr("learner first"));
  ASSERT_TRUE(change(cluster, 1, {1, 2, 3, 4}).has_value());
  EXPECT_THAT(refusal(change(cluster, 1, {1, 2, 3})), HasSubstr("under way"));
  cluster.deliver_all();
  EXPECT_TRUE(change(cluster, 1, {1, 2, 3}).has_value());
}

TEST(Membership, NothingChangesBeforeTheLeaderIsReady) {
  Cluster cluster({1, 2, 3}, {4});
  cluster.hold_disk(2);
  cluster.hold_disk(3);
  cluster.tick(1, 2 * kTimeout);
  cluster.deliver_all();
  cluster.finish_writes(2);
  cluster.deliver_all();
  ASSERT_EQ(cluster.core(1).role(), Role::kLeader);
  ASSERT_FALSE(cluster.core(1).leader_ready());
  EXPECT_THAT(refusal(change(cluster, 1, {1, 2, 3, 4})), HasSubstr("not ready"));
}

TEST(Membership, ATransferToARemovedNodeIsGivenUp) {
  Cluster cluster({1, 2, 3}, {4, 5});
  cluster.elect(1);
  ASSERT_TRUE(change(cluster, 1, {1, 4, 5}).has_value());
  cluster.isolate(2);
  auto refused = cluster.core(1).transfer_leadership(NodeId(2));
  EXPECT_FALSE(refused.has_value()) << "it is on its way out";
}

}  // namespace
}  // namespace kvorum::raft::test
