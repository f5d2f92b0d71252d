#include <gtest/gtest.h>

#include "tests/raft/cluster.h"

namespace kvorum::raft::test {
namespace {

constexpr uint32_t kLease = 8;

void renew(Cluster& cluster) {
  cluster.tick(1, 2);
  cluster.deliver_all();
}

TEST(Lease, AReadIsGrantedWithoutARound) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  renew(cluster);
  EXPECT_EQ(cluster.core(1).lease_ticks_left(), kLease);
  cluster.core(1).read_index(7, true);
  cluster.run(1);
  ASSERT_EQ(cluster.node(1).reads.size(), 1u);
  EXPECT_TRUE(cluster.network().empty());
}

TEST(Lease, RunsOutWhenNoQuorumAnswers) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  renew(cluster);
  cluster.isolate(1);
  for (uint32_t left = kLease; left > 0; --left) {
    EXPECT_EQ(cluster.core(1).lease_ticks_left(), left);
    cluster.tick(1);
  }
  EXPECT_EQ(cluster.core(1).lease_ticks_left(), 0u);
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
  cluster.core(1).read_index(7, true);
  cluster.run(1);
  EXPECT_TRUE(cluster.node(1).reads.empty()) << "it needs a round now";
}

TEST(Lease, CountsFromTheSendingOfTheRound) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  renew(cluster);
  cluster.tick(1, 2);
  while (cluster.last_sent<AppendReply>(2, 1) == nullptr) {
    cluster.deliver_one([](const Envelope& e) { return e.to != NodeId(1); });
  }
  auto answers = cluster.network();
  cluster.drop_all();
  cluster.tick(1, 5);
  cluster.drop_all();
  for (Envelope& answer : answers) {
    if (answer.to == NodeId(1)) cluster.core(1).step(answer);
  }
  EXPECT_EQ(cluster.core(1).lease_ticks_left(), kLease - 5);
}

TEST(Lease, OneAnswerOfFiveIsNotEnough) {
  Cluster cluster({1, 2, 3, 4, 5});
  cluster.elect(1);
  renew(cluster);
  cluster.isolate(3);
  cluster.isolate(4);
  cluster.isolate(5);
  cluster.tick_all(kLease);
  EXPECT_EQ(cluster.core(1).lease_ticks_left(), 0u);
}

TEST(Lease, LearnersGiveNone) {
  Cluster cluster({1, 2}, {3, 4});
  cluster.elect(1);
  renew(cluster);
  cluster.isolate(2);
  cluster.tick_all(kLease);
  EXPECT_EQ(cluster.core(1).lease_ticks_left(), 0u);
}

TEST(Lease, DoesNotHoldBeforeTheLeaderIsReady) {
  Cluster cluster({1, 2, 3});
  cluster.hold_disk(2);
  cluster.hold_disk(3);
  for (int i = 0; i < 30 && cluster.core(1).role() != Role::kLeader; ++i) {
    cluster.tick(1);
    cluster.deliver_all();
    if (cluster.core(1).role() == Role::kCandidate) cluster.finish_writes(2);
    cluster.deliver_one([](const Envelope& e) { return e.to == NodeId(1); });
  }
  ASSERT_EQ(cluster.core(1).role(), Role::kLeader);
  cluster.tick(1, 2);
  cluster.deliver_all();
  EXPECT_FALSE(cluster.core(1).leader_ready());
  EXPECT_EQ(cluster.core(1).lease_ticks_left(), 0u);
  cluster.release_disk(2);
  cluster.deliver_all();
  EXPECT_TRUE(cluster.core(1).leader_ready());
  EXPECT_GT(cluster.core(1).lease_ticks_left(), 0u);
}

TEST(Lease, EndsBeforeATransferBegins) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  renew(cluster);
  cluster.isolate(2);
  cluster.propose(1);  // so that node 2 is behind, and the transfer waits
  ASSERT_TRUE(cluster.core(1).transfer_leadership(NodeId(2)).has_value());
  EXPECT_EQ(cluster.core(1).lease_ticks_left(), 0u);
  cluster.tick_all(kTimeout + 2);
  // Nobody was told to stand, so nobody ignores the lease.
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
  EXPECT_GT(cluster.core(1).lease_ticks_left(), 0u);
}

TEST(Lease, StaysAwayInATermInWhichSomeoneWasToldToStand) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  renew(cluster);
  ASSERT_TRUE(cluster.core(1).transfer_leadership(NodeId(2)).has_value());
  cluster.run(1);
  ASSERT_NE(cluster.last_sent<TimeoutNow>(1, 2), nullptr);
  Envelope late = cluster.network().back();
  cluster.isolate(2);
  cluster.tick_all(kTimeout + 2);
  ASSERT_EQ(cluster.core(1).role(), Role::kLeader);
  EXPECT_EQ(cluster.core(1).lease_ticks_left(), 0u);
  // It arrives at last, and node 3 votes although it hears a leader.
  cluster.heal();
  cluster.cut(1, 2);
  cluster.cut(2, 1);
  cluster.core(2).step(late);
  cluster.run(2);
  cluster.deliver_all();
  EXPECT_EQ(cluster.core(2).role(), Role::kLeader);
}

TEST(Lease, ARestartedVoterStillKeepsItsPromise) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  renew(cluster);
  cluster.restart(2);
  cluster.step(3, 2, Term(2), VoteRequest{false, id_of(9, 9), false});
  EXPECT_EQ(cluster.core(2).term(), Term(1));
  cluster.tick(2, kTimeout);
  cluster.step(3, 2, Term(2), VoteRequest{false, id_of(9, 9), false});
  EXPECT_EQ(cluster.core(2).term(), Term(2));
}

TEST(Lease, CanBeSwitchedOff) {
  Cluster cluster({1, 2, 3});
  cluster.node(1).options.lease_ticks = 0;
  cluster.restart(1);
  cluster.elect(1);
  renew(cluster);
  cluster.core(1).read_index(7, true);
  cluster.run(1);
  EXPECT_TRUE(cluster.node(1).reads.empty());
  cluster.deliver_all();
  EXPECT_EQ(cluster.node(1).reads.size(), 1u);
}

TEST(Lease, AFollowersReadTakesOneExchangeWithTheLeader) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  renew(cluster);
  cluster.core(2).read_index(7, true);
  cluster.run(2);
  EXPECT_EQ(cluster.network().size(), 1u);
  cluster.deliver_one([](const Envelope&) { return true; });
  EXPECT_EQ(cluster.network().size(), 1u);
  cluster.deliver_all();
  EXPECT_EQ(cluster.node(2).reads.size(), 1u);
}

}  // namespace
}  // namespace kvorum::raft::test
