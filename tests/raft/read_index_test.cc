#include <gtest/gtest.h>

#include "tests/raft/cluster.h"

namespace kvorum::raft::test {
namespace {

TEST(ReadIndex, IsGrantedAfterAQuorumAnsweredARound) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.core(1).read_index(7, false);
  cluster.run(1);
  EXPECT_TRUE(cluster.node(1).reads.empty());
  cluster.deliver_all();
  ASSERT_EQ(cluster.node(1).reads.size(), 1u);
  EXPECT_EQ(cluster.node(1).reads[0].context, 7u);
  EXPECT_EQ(cluster.node(1).reads[0].index, cluster.core(1).commit_index());
}

TEST(ReadIndex, AnswersToRoundsSentBeforeTheReadDoNotCount) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.tick(1, 2);
  auto earlier = cluster.network();
  cluster.drop_all();
  cluster.core(1).read_index(7, false);
  cluster.run(1);
  cluster.drop_all();
  for (Envelope& envelope : earlier) {
    cluster.core(envelope.to.value()).step(envelope);
    cluster.run(envelope.to.value());
  }
  cluster.deliver_all();
  EXPECT_TRUE(cluster.node(1).reads.empty());
  cluster.tick(1, 2);
  cluster.deliver_all();
  EXPECT_EQ(cluster.node(1).reads.size(), 1u) << "a later round confirms it, too";
}

TEST(ReadIndex, ReadsOfOneTurnShareARound) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  for (uint64_t context = 1; context <= 5; ++context) cluster.core(1).read_index(context, false);
  cluster.run(1);
  EXPECT_EQ(cluster.network().size(), 2u);
  cluster.deliver_all();
  EXPECT_EQ(cluster.node(1).reads.size(), 5u);
}

TEST(ReadIndex, ANewLeaderGrantsNothingBeforeItCommittedInItsTerm) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  EntryId acknowledged = cluster.propose(1, "a");
  // Node 2 holds it, but does not know that it is committed.
  while (cluster.core(1).commit_index() < acknowledged.index) {
    cluster.deliver_one([](const Envelope&) { return true; });
  }
  cluster.drop_all();
  cluster.isolate(1);
  cluster.tick(2, kTimeout);
  cluster.tick(3, kTimeout);
  cluster.drop_all();
  cluster.hold_disk(3);
  while (cluster.core(2).role() != Role::kLeader) {
    cluster.tick(2);
    cluster.deliver_all();
    if (cluster.core(2).role() == Role::kCandidate) cluster.finish_writes(3);
  }
  ASSERT_FALSE(cluster.core(2).leader_ready());
  cluster.core(2).read_index(1, false);
  cluster.core(2).read_index(2, true);
  cluster.run(2);
  cluster.deliver_all();
  cluster.tick(2, 2);
  cluster.deliver_all();
  EXPECT_TRUE(cluster.node(2).reads.empty());
  cluster.release_disk(3);
  cluster.deliver_all();
  ASSERT_EQ(cluster.node(2).reads.size(), 2u);
  for (const ReadGrant& read : cluster.node(2).reads) EXPECT_GE(read.index, acknowledged.index);
}

TEST(ReadIndex, AFollowerAsksItsLeader) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  EntryId id = cluster.propose(1, "a");
  cluster.deliver_all();
  cluster.core(2).read_index(7, false);
  cluster.run(2);
  cluster.deliver_all();
  ASSERT_EQ(cluster.node(2).reads.size(), 1u);
  EXPECT_EQ(cluster.node(2).reads[0].context, 7u);
  EXPECT_EQ(cluster.node(2).reads[0].index, id.index);
}

TEST(ReadIndex, WithoutALeaderAReadWaitsForOneAndIsLostAfterATimeout) {
  Cluster cluster({1, 2, 3});
  cluster.core(2).read_index(7, false);
  cluster.run(2);
  EXPECT_TRUE(cluster.network().empty());
  cluster.elect(1);
  cluster.deliver_all();
  EXPECT_EQ(cluster.node(2).reads.size(), 1u);

  Cluster silent({1, 2, 3});
  silent.core(2).read_index(8, false);
  silent.tick(2, kTimeout);
  EXPECT_EQ(silent.node(2).lost_reads, std::vector<uint64_t>{8});
}

TEST(ReadIndex, IsLostWhenTheLeaderFalls) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.core(1).read_index(7, false);
  cluster.core(2).read_index(8, false);
  cluster.run(1);
  cluster.run(2);
  cluster.drop_all();
  cluster.step(3, 1, Term(2), AppendReply{});
  cluster.step(3, 2, Term(2), AppendReply{});
  EXPECT_EQ(cluster.node(1).lost_reads, std::vector<uint64_t>{7});
  EXPECT_EQ(cluster.node(2).lost_reads, std::vector<uint64_t>{8});
}

TEST(ReadIndex, AForwardedReadThatIsNotAnsweredIsLostAfterATimeout) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.core(2).read_index(8, false);
  cluster.run(2);
  cluster.drop_all();
  for (uint32_t i = 0; i < kTimeout; ++i) {
    EXPECT_TRUE(cluster.node(2).lost_reads.empty());
    cluster.tick_all();
  }
  EXPECT_EQ(cluster.node(2).lost_reads, std::vector<uint64_t>{8});
}

TEST(ReadIndex, AnAnswerFromBeforeARestartIsNotTakenForANewOne) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.core(2).read_index(1, true);
  cluster.run(2);
  while (cluster.last_sent<ReadIndexReply>(1, 2) == nullptr) {
    ASSERT_TRUE(cluster.deliver_one([](const Envelope&) { return true; }));
  }
  Envelope old = cluster.network().back();
  cluster.drop_all();
  cluster.restart(2);
  cluster.tick(1, 2);
  cluster.deliver_all();
  cluster.core(2).read_index(2, true);
  cluster.run(2);
  cluster.core(2).step(old);
  cluster.run(2);
  EXPECT_TRUE(cluster.node(2).reads.empty());
}

TEST(ReadIndex, OnlyTheLeadersAnswerCounts) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.core(2).read_index(1, false);
  cluster.run(2);
  uint64_t number = cluster.last_sent<ReadIndexRequest>(2, 1)->context;
  cluster.step(3, 2, Term(1), ReadIndexReply{number, true, Index(0)});
  EXPECT_TRUE(cluster.node(2).reads.empty());
  cluster.step(1, 2, Term(1), ReadIndexReply{number + 1, true, Index(0)});
  EXPECT_TRUE(cluster.node(2).reads.empty());
  cluster.deliver_all();
  EXPECT_EQ(cluster.node(2).reads.size(), 1u);
}

TEST(ReadIndex, AnyoneButALeaderRefuses) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.step(3, 2, Term(1), ReadIndexRequest{5, false});
  const auto* reply = cluster.last_sent<ReadIndexReply>(2, 3);
  ASSERT_NE(reply, nullptr);
  EXPECT_FALSE(reply->granted);
  EXPECT_EQ(reply->context, 5u);
}

}  // namespace
}  // namespace kvorum::raft::test
