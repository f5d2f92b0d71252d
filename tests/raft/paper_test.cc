// One test for each rule of the Raft paper's figure 2 (dissertation, figure 3.1), in its order and
// in its words' sense, and for the figures that show what goes wrong without a rule.
#include <gtest/gtest.h>

#include "tests/raft/cluster.h"

namespace kvorum::raft::test {
namespace {

// AppendEntries, receiver.

TEST(Paper, AppendEntries1_RefusesAnOldTerm) {
  Cluster cluster({1, 2, 3});
  cluster.step(1, 2, Term(5), AppendRequest{});
  cluster.step(3, 2, Term(4), AppendRequest{{}, {}, make_entries({4}), 1});
  EXPECT_FALSE(cluster.last_sent<AppendReply>(2, 3)->accepted);
  EXPECT_EQ(cluster.network().back().term, Term(5));
  EXPECT_EQ(cluster.status(2).last, EntryId{});
}

TEST(Paper, AppendEntries2_RefusesWithoutAMatchingPreviousEntry) {
  Cluster cluster({1, 2, 3});
  cluster.step(1, 2, Term(2), AppendRequest{{}, {}, make_entries({1}), 1});
  cluster.step(1, 2, Term(2), AppendRequest{id_of(2, 1), {}, make_entries({2}, 2), 1});
  EXPECT_FALSE(cluster.last_sent<AppendReply>(2, 1)->accepted);
  cluster.step(1, 2, Term(2), AppendRequest{id_of(1, 2), {}, make_entries({2}, 3), 1});
  EXPECT_FALSE(cluster.last_sent<AppendReply>(2, 1)->accepted);
  EXPECT_EQ(cluster.status(2).last, id_of(1, 1));
}

TEST(Paper, AppendEntries3_DeletesAConflictingEntryAndAllThatFollow) {
  Cluster cluster({1, 2, 3});
  cluster.step(1, 2, Term(1), AppendRequest{{}, {}, make_entries({1, 1, 1}), 1});
  cluster.step(3, 2, Term(2), AppendRequest{id_of(1, 1), {}, make_entries({2}, 2), 1});
  EXPECT_EQ(cluster.status(2).last, id_of(2, 2));
  EXPECT_EQ(cluster.node(2).disk.entries.size(), 2u);
}

TEST(Paper, AppendEntries4_AppendsWhatIsNotThereYet) {
  Cluster cluster({1, 2, 3});
  cluster.step(1, 2, Term(1), AppendRequest{{}, {}, make_entries({1, 1}), 1});
  cluster.step(1, 2, Term(1), AppendRequest{{}, {}, make_entries({1, 1, 1}), 1});
  EXPECT_EQ(cluster.status(2).last, id_of(1, 3));
  EXPECT_EQ(cluster.last_sent<AppendReply>(2, 1)->match, Index(3));
}

TEST(Paper, AppendEntries5_CommitsToTheLesserOfLeaderCommitAndLastNewEntry) {
  Cluster cluster({1, 2, 3});
  cluster.step(1, 2, Term(1), AppendRequest{{}, Index(9), make_entries({1, 1}), 1});
  EXPECT_EQ(cluster.core(2).commit_index(), Index(2));
  cluster.step(1, 2, Term(1), AppendRequest{id_of(1, 2), Index(3), make_entries({1, 1}, 3), 1});
  EXPECT_EQ(cluster.core(2).commit_index(), Index(3));
}

// RequestVote, receiver.

TEST(Paper, RequestVote1_RefusesAnOldTerm) {
  Cluster cluster({1, 2, 3});
  cluster.step(1, 2, Term(5), VoteReply{});
  cluster.step(3, 2, Term(4), VoteRequest{false, id_of(9, 9), false});
  EXPECT_FALSE(cluster.last_sent<VoteReply>(2, 3)->granted);
  EXPECT_EQ(cluster.network().back().term, Term(5));
}

TEST(Paper, RequestVote2_VotesOnceATermForAnUpToDateLog) {
  struct Case {
    EntryId candidate;
    bool granted;
  };
  for (Case c : {Case{id_of(2, 3), true}, Case{id_of(2, 4), true}, Case{id_of(3, 1), true},
                 Case{id_of(2, 2), false}, Case{id_of(1, 9), false}}) {
    Cluster cluster({1, 2, 3});
    cluster.node(2).disk.entries = make_entries({1, 1, 2});
    cluster.node(2).disk.hard_state.term = Term(3);
    cluster.restart(2);
    cluster.tick(2, kTimeout);
    cluster.drop_all();
    cluster.step(1, 2, Term(4), VoteRequest{false, c.candidate, false});
    EXPECT_EQ(cluster.last_sent<VoteReply>(2, 1)->granted, c.granted) << c.candidate.index.value();
    cluster.step(3, 2, Term(4), VoteRequest{false, id_of(3, 9), false});
    EXPECT_EQ(cluster.last_sent<VoteReply>(2, 3)->granted, !c.granted) << "one vote a term";
  }
}

// All servers.

TEST(Paper, AllServers1_ApplyWhatIsCommittedInOrder) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  for (char c : {'a', 'b', 'c'}) cluster.propose(1, std::string(1, c));
  cluster.deliver_all();
  for (uint64_t id : cluster.ids()) EXPECT_EQ(cluster.applied_text(id), "abc");
}

TEST(Paper, AllServers2_FollowAHigherTerm) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.step(2, 1, Term(9), AppendReply{});
  EXPECT_EQ(cluster.core(1).role(), Role::kFollower);
  EXPECT_EQ(cluster.core(1).term(), Term(9));
  EXPECT_EQ(cluster.node(1).disk.hard_state.term, Term(9));
  EXPECT_EQ(cluster.node(1).disk.hard_state.vote, kNoNode);
}

// Followers.

TEST(Paper, Followers2_StandWhenTheyHearNothingAndNotWhileTheyDo) {
  Cluster cluster({1, 2, 3});
  for (uint32_t i = 0; i < 5 * kTimeout; ++i) {
    cluster.tick(2);
    cluster.step(1, 2, Term(1), AppendRequest{});
  }
  EXPECT_EQ(cluster.core(2).role(), Role::kFollower);
  cluster.tick(2, 2 * kTimeout);
  EXPECT_NE(cluster.core(2).role(), Role::kFollower);
}

// Candidates.

TEST(Paper, Candidates1_RaiseTheTermVoteForThemselvesAndAskAll) {
  Cluster cluster({1, 2, 3});
  cluster.tick(1, 2 * kTimeout);
  cluster.step(2, 1, Term(0), VoteReply{true, true});
  EXPECT_EQ(cluster.core(1).role(), Role::kCandidate);
  EXPECT_EQ(cluster.node(1).disk.hard_state, (HardState{Term(1), NodeId(1), Index(0)}));
  for (uint64_t id : {2u, 3u}) {
    ASSERT_NE(cluster.last_sent<VoteRequest>(1, id), nullptr);
    EXPECT_FALSE(cluster.last_sent<VoteRequest>(1, id)->pre_vote);
  }
}

TEST(Paper, Candidates2_LeadWithTheVotesOfAMajority) {
  Cluster cluster({1, 2, 3, 4, 5});
  cluster.tick(1, 2 * kTimeout);
  cluster.step(2, 1, Term(0), VoteReply{true, true});
  cluster.step(3, 1, Term(0), VoteReply{true, true});
  cluster.step(2, 1, Term(1), VoteReply{false, true});
  cluster.step(2, 1, Term(1), VoteReply{false, true});
  EXPECT_EQ(cluster.core(1).role(), Role::kCandidate) << "the same vote twice";
  cluster.step(4, 1, Term(1), VoteReply{false, false});
  cluster.step(3, 1, Term(1), VoteReply{false, true});
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
}

TEST(Paper, Candidates3_FollowTheLeaderOfTheirTerm) {
  Cluster cluster({1, 2, 3});
  cluster.tick(1, 2 * kTimeout);
  cluster.step(2, 1, Term(0), VoteReply{true, true});
  cluster.step(3, 1, Term(1), AppendRequest{});
  EXPECT_EQ(cluster.core(1).role(), Role::kFollower);
  EXPECT_EQ(cluster.core(1).leader(), NodeId(3));
}

TEST(Paper, Candidates4_TryAgainAfterATimeout) {
  Cluster cluster({1, 2, 3});
  cluster.tick(1, 2 * kTimeout);
  cluster.step(2, 1, Term(0), VoteReply{true, true});
  cluster.drop_all();
  cluster.tick(1, 2 * kTimeout);
  cluster.deliver_all();
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
  EXPECT_EQ(cluster.core(1).term(), Term(2));
}

// Leaders.

TEST(Paper, Leaders1_SendHeartbeatsAtOnceAndWhenIdle) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.tick(1, 2);
  for (uint64_t id : {2u, 3u}) {
    ASSERT_NE(cluster.last_sent<AppendRequest>(1, id), nullptr);
    EXPECT_TRUE(cluster.last_sent<AppendRequest>(1, id)->entries.empty());
  }
}

TEST(Paper, Leaders2_AnswerAfterTheEntryIsApplied) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  EntryId id = cluster.propose(1, "a");
  EXPECT_LT(cluster.node(1).applied_last.index, id.index);
  cluster.deliver_all();
  EXPECT_EQ(cluster.node(1).applied_last, id);
}

TEST(Paper, Leaders3_RetryFurtherBackAfterARefusal) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.isolate(3);
  for (int i = 0; i < 3; ++i) cluster.propose(1, "a"), cluster.deliver_all();
  cluster.heal();
  cluster.restart(3);
  cluster.tick_all(4);
  EXPECT_EQ(cluster.applied_text(3), "aaa");
}

// Figure 8: an entry of an earlier term on a majority is not committed by counting.
TEST(Paper, Leaders4_CommitByCountingOnlyEntriesOfTheirOwnTerm) {
  Cluster cluster({1, 2, 3, 4, 5});
  for (uint64_t id : {1u, 2u}) {
    cluster.node(id).disk.entries = make_entries({1, 2});
    cluster.node(id).disk.hard_state.term = Term(3);
  }
  for (uint64_t id : {3u, 4u, 5u}) {
    cluster.node(id).disk.entries = make_entries({1});
    cluster.node(id).disk.hard_state.term = Term(3);
  }
  for (uint64_t id : cluster.ids()) {
    cluster.node(id).options.append_bytes_max = 1;
    cluster.restart(id);
  }
  for (uint64_t id : cluster.ids()) cluster.tick(id, kTimeout);
  cluster.drop_all();
  while (cluster.core(1).role() != Role::kLeader) {
    cluster.tick(1);
    while (cluster.core(1).role() != Role::kLeader &&
           cluster.deliver_one([](const Envelope&) { return true; })) {
    }
  }
  // Node 3 takes the entry of term 2, so that a majority holds it; the no-op of term 4 is kept
  // back.
  auto carries_old = [](const Envelope& e) {
    const auto* request = std::get_if<AppendRequest>(&e.message);
    return request == nullptr || request->entries.empty() ||
           request->entries.back()->id.term < Term(4);
  };
  for (int i = 0; i < 5; ++i) {
    while (cluster.deliver_one(carries_old)) {
    }
    cluster.tick(1);
  }
  ASSERT_EQ(cluster.status(3).last, id_of(2, 2));
  EXPECT_EQ(cluster.core(1).commit_index(), Index(0));
  cluster.deliver_all();
  EXPECT_EQ(cluster.core(1).commit_index(), Index(3));
}

// Section 8: a leader commits a no-op at the start of its term.
TEST(Paper, ANewLeaderCommitsWhatItInherited) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.propose(1, "a");
  cluster.deliver_one([](const Envelope& e) { return e.to == NodeId(2); });
  cluster.drop_all();
  cluster.isolate(1);
  cluster.elect(2);
  EXPECT_TRUE(cluster.core(2).leader_ready());
  EXPECT_EQ(cluster.applied_text(3), "a");
}

// Figure 7: whatever followers' logs look like, they end up as the leader's.
TEST(Paper, EveryLogOfFigure7IsRepaired) {
  const std::vector<uint64_t> leader = {1, 1, 1, 4, 4, 5, 5, 6, 6, 6};
  const std::vector<std::vector<uint64_t>> followers = {
      {1, 1, 1, 4, 4, 5, 5, 6, 6},
      {1, 1, 1, 4},
      {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6},
      {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7},
      {1, 1, 1, 4, 4, 4, 4},
      {1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3},
  };
  for (const auto& follower : followers) {
    Cluster cluster({1, 2, 3});
    for (uint64_t id : {1u, 3u}) cluster.node(id).disk.entries = make_entries(leader);
    cluster.node(2).disk.entries = make_entries(follower);
    for (uint64_t id : cluster.ids()) {
      cluster.node(id).disk.hard_state.term = Term(7);
      cluster.restart(id);
    }
    cluster.cut(1, 2);  // its log may be longer: node 3 elects
    cluster.elect(1);
    cluster.heal();
    cluster.tick_all(6);
    ASSERT_EQ(cluster.status(2).last, cluster.status(1).last);
    EXPECT_EQ(cluster.applied_text(2), cluster.applied_text(1));
  }
}

}  // namespace
}  // namespace kvorum::raft::test
