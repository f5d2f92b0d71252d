#include <gtest/gtest.h>

#include "tests/raft/cluster.h"

namespace kvorum::raft::test {
namespace {

TEST(Election, ALeaderEmergesWithoutHelp) {
  Cluster cluster({1, 2, 3});
  cluster.tick_all(5 * kTimeout);
  uint64_t leader = cluster.core(1).leader().value();
  ASSERT_NE(leader, 0u);
  EXPECT_EQ(cluster.core(leader).role(), Role::kLeader);
  EXPECT_TRUE(cluster.core(leader).leader_ready());
  for (uint64_t id : cluster.ids()) EXPECT_EQ(cluster.core(id).leader(), NodeId(leader));
}

TEST(Election, APreVoteChangesNobodysTerm) {
  Cluster cluster({1, 2, 3});
  cluster.tick(1, 2 * kTimeout);
  EXPECT_EQ(cluster.core(1).role(), Role::kPreCandidate);
  EXPECT_EQ(cluster.core(1).term(), Term(0));
  cluster.deliver_one([](const Envelope& e) { return e.to == NodeId(2); });
  EXPECT_EQ(cluster.core(2).term(), Term(0));
  cluster.deliver_one([](const Envelope& e) { return e.to == NodeId(1); });
  EXPECT_EQ(cluster.core(1).term(), Term(1));
}

TEST(Election, AnIsolatedNodeComesBackWithoutDeposingTheLeader) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.isolate(3);
  cluster.tick_all(10 * kTimeout);
  EXPECT_EQ(cluster.core(3).role(), Role::kPreCandidate);
  cluster.heal();
  cluster.tick_all(kTimeout);
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
  EXPECT_EQ(cluster.core(1).term(), Term(1));
  EXPECT_EQ(cluster.core(3).leader(), NodeId(1));
}

TEST(Election, AVoterWithALeaderIgnoresCandidates) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.drop_all();
  cluster.step(3, 2, Term(9), VoteRequest{false, id_of(9, 9), false});
  cluster.step(3, 1, Term(9), VoteRequest{false, id_of(9, 9), false});
  EXPECT_EQ(cluster.core(2).term(), Term(1));
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
  EXPECT_TRUE(cluster.network().empty());
}

TEST(Election, AHigherTermDoesNotEndTheDefence) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  // Node 2 learns of a term without a leader in it; node 1 may still rely on its lease.
  cluster.step(3, 2, Term(5), AppendReply{});
  EXPECT_EQ(cluster.core(2).term(), Term(5));
  cluster.drop_all();
  cluster.step(3, 2, Term(6), VoteRequest{false, id_of(9, 9), false});
  EXPECT_EQ(cluster.core(2).term(), Term(5));
  cluster.tick(2, kTimeout);
  cluster.drop_all();
  cluster.step(3, 2, Term(6), VoteRequest{false, id_of(9, 9), false});
  EXPECT_TRUE(cluster.last_sent<VoteReply>(2, 3)->granted);
}

TEST(Election, TheDefenceEndsAfterAnElectionTimeout) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.tick(2, kTimeout - 1);
  cluster.step(3, 2, Term(2), VoteRequest{false, id_of(9, 9), false});
  EXPECT_EQ(cluster.core(2).term(), Term(1));
  cluster.tick(2, 1);
  cluster.step(3, 2, Term(2), VoteRequest{false, id_of(9, 9), false});
  EXPECT_EQ(cluster.core(2).term(), Term(2));
}

// Ticks one node until its timeout is over.
void tick_until_it_stands(Cluster& cluster, uint64_t id) {
  for (uint32_t i = 0; i < 2 * kTimeout && cluster.core(id).role() == Role::kFollower; ++i) {
    cluster.tick(id);
  }
  ASSERT_EQ(cluster.core(id).role(), Role::kPreCandidate);
}

// Its leader's last heartbeat reached it a little later than the node that stands.
TEST(Election, AVoterThatStillDefendsTheLeaderIsAskedAgain) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.isolate(1);
  tick_until_it_stands(cluster, 2);
  cluster.tick(3, kTimeout - 1);
  cluster.deliver_all();
  EXPECT_EQ(cluster.core(2).role(), Role::kPreCandidate);
  cluster.tick(3);
  cluster.tick(2, cluster.node(2).options.heartbeat_interval_ticks);
  cluster.deliver_all();
  EXPECT_EQ(cluster.core(2).role(), Role::kLeader);
}

TEST(Election, TwoThatStandAtOnceDoNotSplitTheVotes) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.isolate(1);
  tick_until_it_stands(cluster, 2);
  tick_until_it_stands(cluster, 3);
  cluster.deliver_all();
  EXPECT_EQ(cluster.core(3).role(), Role::kLeader);
  EXPECT_EQ(cluster.core(3).term(), Term(2));
  EXPECT_EQ(cluster.core(2).leader(), NodeId(3));
}

// The one that goes before can hear it but is not heard.
TEST(Election, WhoGoesBeforeAnswersWhenItIsAskedAgain) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.isolate(1);
  cluster.cut(3, 2);
  tick_until_it_stands(cluster, 2);
  tick_until_it_stands(cluster, 3);
  cluster.deliver_all();
  EXPECT_EQ(cluster.core(2).role(), Role::kPreCandidate);
  cluster.heal();
  cluster.isolate(1);
  cluster.tick(3, cluster.node(3).options.heartbeat_interval_ticks);
  cluster.drop_all();  // what it asks again
  cluster.tick(2, cluster.node(2).options.heartbeat_interval_ticks);
  cluster.deliver_all();
  EXPECT_EQ(cluster.core(2).role(), Role::kLeader);
}

TEST(Election, AVoterThatAnsweredIsNotAskedAgain) {
  Cluster cluster({1, 2, 3});
  cluster.isolate(3);
  tick_until_it_stands(cluster, 1);
  cluster.drop_all();
  cluster.step(2, 1, Term(0), VoteReply{.pre_vote = true, .granted = false});
  cluster.tick(1, cluster.node(1).options.heartbeat_interval_ticks);
  EXPECT_EQ(cluster.last_sent<VoteRequest>(1, 2), nullptr);
}

TEST(Election, WhoRefusesForItsLongerLogStandsSoonItself) {
  // Every start has a seed of its own.
  for (int starts = 1; starts <= 20; ++starts) {
    Cluster cluster({1, 2, 3});
    for (int i = 0; i < starts; ++i) cluster.restart(2);
    cluster.elect(1);
    cluster.isolate(3);
    cluster.propose(1, "a");
    cluster.deliver_all();
    cluster.heal();
    cluster.isolate(1);
    tick_until_it_stands(cluster, 3);
    cluster.tick(2, kTimeout);
    cluster.deliver_all();
    cluster.tick(2, kTimeout / 2);
    cluster.deliver_all();
    EXPECT_EQ(cluster.core(2).role(), Role::kLeader) << starts << " starts";
  }
}

TEST(Election, WhoHasJustVotedDoesNotStandSoonForAnybodysShorterLog) {
  Cluster cluster({1, 2, 3});
  cluster.step(1, 2, Term(1), AppendRequest{{}, {}, make_entries({1, 1}), 1});
  cluster.tick(2, kTimeout);
  cluster.step(1, 2, Term(5), VoteRequest{false, id_of(4, 9), false});
  ASSERT_TRUE(cluster.last_sent<VoteReply>(2, 1)->granted);
  cluster.step(3, 2, Term(5), VoteRequest{true, id_of(1, 1), false});
  EXPECT_FALSE(cluster.last_sent<VoteReply>(2, 3)->granted);
  cluster.tick(2, kTimeout - 1);
  EXPECT_EQ(cluster.core(2).role(), Role::kFollower);
}

TEST(Election, AVoteLeavesOnlyWhenItIsDurable) {
  Cluster cluster({1, 2, 3});
  cluster.hold_disk(2);
  cluster.step(1, 2, Term(1), VoteRequest{false, {}, false});
  EXPECT_TRUE(cluster.network().empty());
  cluster.finish_writes(2);
  ASSERT_NE(cluster.last_sent<VoteReply>(2, 1), nullptr);
  EXPECT_TRUE(cluster.last_sent<VoteReply>(2, 1)->granted);
}

TEST(Election, AVoteThatALaterTermOvertookIsNeverSent) {
  Cluster cluster({1, 2, 3});
  cluster.hold_disk(2);
  cluster.step(1, 2, Term(1), VoteRequest{false, {}, false});
  cluster.step(3, 2, Term(2), VoteRequest{false, {}, false});
  cluster.finish_writes(2, 1);
  EXPECT_TRUE(cluster.network().empty());
  cluster.finish_writes(2);
  ASSERT_EQ(cluster.network().size(), 1u);
  EXPECT_EQ(cluster.network()[0].to, NodeId(3));
  EXPECT_EQ(cluster.network()[0].term, Term(2));
}

TEST(Election, ACandidateAsksOnlyWhenItsOwnVoteIsDurable) {
  Cluster cluster({1, 2, 3});
  cluster.hold_disk(1);
  cluster.tick(1, 2 * kTimeout);
  cluster.deliver_all();
  EXPECT_EQ(cluster.core(1).role(), Role::kCandidate);
  EXPECT_EQ(cluster.core(2).term(), Term(0));
  cluster.finish_writes(1);
  EXPECT_NE(cluster.last_sent<VoteRequest>(1, 2), nullptr);
}

TEST(Election, ASlowDiskDoesNotRaiseTheTermAgainAndAgain) {
  Cluster cluster({1, 2, 3});
  cluster.hold_disk(1);
  cluster.tick(1, 2 * kTimeout);
  cluster.deliver_all();
  cluster.tick(1, 20 * kTimeout);
  EXPECT_EQ(cluster.core(1).term(), Term(1));
}

TEST(Election, TimeoutsDifferBySeed) {
  std::set<int> timeouts;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CoreOptions options{.id = NodeId(1), .random_seed = seed};
    Core core(options, {{}, {{}, 0, make_configuration({1, 2, 3})}, {}});
    int ticks = 0;
    while (core.role() == Role::kFollower) {
      core.tick();
      ++ticks;
    }
    EXPECT_GE(ticks, static_cast<int>(kTimeout));
    EXPECT_LT(ticks, static_cast<int>(2 * kTimeout));
    timeouts.insert(ticks);
  }
  EXPECT_GT(timeouts.size(), 4u);
}

TEST(Election, ALeaderThatHearsNobodyStepsDown) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  // It can send but not hear.
  cluster.cut(2, 1);
  cluster.cut(3, 1);
  cluster.tick(1, kTimeout - 1);
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
  cluster.tick(1, 2);
  EXPECT_EQ(cluster.core(1).role(), Role::kFollower);
  EXPECT_EQ(cluster.core(1).leader(), kNoNode);
}

TEST(Election, OldAnswersDoNotKeepALeaderInOffice) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.drop_all();
  for (uint32_t i = 0; i < kTimeout + 2; ++i) {
    cluster.tick(1);
    cluster.step(2, 1, Term(1), AppendReply{.accepted = true, .round = 1, .match = Index(1)});
    cluster.drop_all();
  }
  EXPECT_EQ(cluster.core(1).role(), Role::kFollower);
}

TEST(Election, ANodeWithAHigherTermIsTakenBackIn) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.step(2, 3, Term(7), VoteReply{});
  EXPECT_EQ(cluster.core(3).term(), Term(7));
  cluster.tick_all(5 * kTimeout);
  uint64_t leader = cluster.core(3).leader().value();
  ASSERT_NE(leader, 0u);
  EXPECT_GE(cluster.core(leader).term(), Term(7));
  for (uint64_t id : cluster.ids()) EXPECT_EQ(cluster.core(id).leader(), NodeId(leader));
}

TEST(Election, LearnersNeverStand) {
  Cluster cluster({1}, {2});
  cluster.tick(2, 10 * kTimeout);
  EXPECT_EQ(cluster.core(2).role(), Role::kFollower);
  EXPECT_TRUE(cluster.network().empty());
}

TEST(Election, ALearnerVotesWhenAskedBecauseItMayHaveBeenPromoted) {
  Cluster cluster({1}, {2});
  cluster.step(1, 2, Term(1), VoteRequest{false, {}, false});
  EXPECT_TRUE(cluster.last_sent<VoteReply>(2, 1)->granted);
}

TEST(Election, VotesOfStrangersDoNotCount) {
  Cluster cluster({1, 2, 3, 4, 5});
  cluster.tick(1, 2 * kTimeout);
  for (uint64_t id : {8u, 9u, 10u}) {
    cluster.step(id, 1, Term(0), VoteReply{.pre_vote = true, .granted = true});
  }
  EXPECT_EQ(cluster.core(1).role(), Role::kPreCandidate);
  cluster.step(2, 1, Term(0), VoteReply{.pre_vote = true, .granted = true});
  cluster.step(2, 1, Term(0), VoteReply{.pre_vote = true, .granted = true});
  EXPECT_EQ(cluster.core(1).role(), Role::kPreCandidate);
  cluster.step(3, 1, Term(0), VoteReply{.pre_vote = true, .granted = true});
  EXPECT_EQ(cluster.core(1).role(), Role::kCandidate);
}

TEST(Election, StrangersCanNotRaiseTheTerm) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.step(9, 1, Term(50), AppendReply{});
  cluster.step(9, 1, Term(50), VoteReply{});
  cluster.step(9, 1, Term(50), ReadIndexRequest{});
  cluster.step(9, 2, Term(50), TimeoutNow{});
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
  EXPECT_EQ(cluster.core(2).term(), Term(1));
}

TEST(Election, MessagesToOthersFromNowhereOrBeyondAllTermsAreDropped) {
  Cluster cluster({1, 2, 3});
  cluster.core(1).step({NodeId(2), NodeId(3), Term(5), AppendRequest{}});
  cluster.core(1).step({NodeId(1), NodeId(1), Term(5), AppendRequest{}});
  cluster.core(1).step({kNoNode, NodeId(1), Term(5), AppendRequest{}});
  cluster.core(1).step({NodeId(2), NodeId(1), Term(UINT64_MAX), AppendRequest{}});
  EXPECT_EQ(cluster.core(1).term(), Term(0));
  EXPECT_FALSE(cluster.core(1).has_ready());
}

}  // namespace
}  // namespace kvorum::raft::test
