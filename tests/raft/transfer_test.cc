#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/raft/cluster.h"

namespace kvorum::raft::test {
namespace {

using ::testing::HasSubstr;

TEST(Transfer, TheTargetLeadsWithoutWaitingForATimeout) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  ASSERT_TRUE(cluster.core(1).transfer_leadership(NodeId(2)).has_value());
  cluster.run(1);
  cluster.deliver_all();
  EXPECT_EQ(cluster.core(2).role(), Role::kLeader);
  EXPECT_EQ(cluster.core(1).role(), Role::kFollower);
  EXPECT_EQ(cluster.core(3).leader(), NodeId(2));
}

TEST(Transfer, WaitsUntilTheTargetHasEverything) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.propose(1, "a");
  ASSERT_TRUE(cluster.core(1).transfer_leadership(NodeId(2)).has_value());
  cluster.run(1);
  EXPECT_EQ(cluster.last_sent<TimeoutNow>(1, 2), nullptr);
  cluster.deliver_all();
  EXPECT_EQ(cluster.core(2).role(), Role::kLeader);
  EXPECT_EQ(cluster.applied_text(2), "a");
}

TEST(Transfer, PicksTheMostCaughtUpVoter) {
  Cluster cluster({1, 2, 3}, {4});
  cluster.elect(1);
  cluster.isolate(2);
  cluster.propose(1);
  cluster.deliver_all();
  ASSERT_TRUE(cluster.core(1).transfer_leadership(kNoNode).has_value());
  EXPECT_EQ(cluster.status(1).transfer_target, NodeId(3));
}

TEST(Transfer, ProposalsAreRefusedMeanwhile) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.isolate(2);
  ASSERT_TRUE(cluster.core(1).transfer_leadership(NodeId(2)).has_value());
  EXPECT_EQ(cluster.core(1).propose("x", 0).error(), ProposeError::kTransferring);
}

TEST(Transfer, IsGivenUpWhenTheTargetDoesNotRespond) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.isolate(2);
  ASSERT_TRUE(cluster.core(1).transfer_leadership(NodeId(2)).has_value());
  cluster.tick_all(kTimeout - 1);
  EXPECT_EQ(cluster.status(1).transfer_target, NodeId(2));
  cluster.tick_all(1);
  EXPECT_EQ(cluster.status(1).transfer_target, kNoNode);
  EXPECT_TRUE(cluster.core(1).propose("x", 0).has_value());
}

TEST(Transfer, ALostRequestIsRepeatedWithTheNextHeartbeat) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  ASSERT_TRUE(cluster.core(1).transfer_leadership(NodeId(2)).has_value());
  cluster.run(1);
  cluster.drop_all();
  cluster.tick(1, 2);
  cluster.deliver_all();
  EXPECT_EQ(cluster.core(2).role(), Role::kLeader);
}

TEST(Transfer, RefusesTargetsThatCanNotLead) {
  Cluster cluster({1, 2, 3}, {4});
  cluster.elect(1);
  auto refusal = [&](uint64_t by, uint64_t target) {
    auto status = cluster.core(by).transfer_leadership(NodeId(target));
    return status ? "accepted" : status.error().message;
  };
  EXPECT_THAT(refusal(1, 4), HasSubstr("not a voter"));
  EXPECT_THAT(refusal(1, 9), HasSubstr("not a voter"));
  EXPECT_THAT(refusal(1, 1), HasSubstr("leader already"));
  EXPECT_THAT(refusal(2, 3), HasSubstr("not the leader"));
  ASSERT_EQ(refusal(1, 2), "accepted");
  EXPECT_EQ(refusal(1, 2), "accepted");
  EXPECT_THAT(refusal(1, 3), HasSubstr("under way"));
  Cluster alone({1});
  alone.tick(1);
  auto status = alone.core(1).transfer_leadership(kNoNode);
  ASSERT_FALSE(status.has_value());
  EXPECT_THAT(status.error().message, HasSubstr("no other voter"));
}

TEST(Transfer, OnlyTheLeaderOfTheTermCanMakeANodeStand) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.step(3, 2, Term(1), TimeoutNow{});
  cluster.step(1, 2, Term(0), TimeoutNow{});
  EXPECT_EQ(cluster.core(2).role(), Role::kFollower);
}

}  // namespace
}  // namespace kvorum::raft::test
