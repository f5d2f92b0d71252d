#include <gtest/gtest.h>

#include "tests/raft/cluster.h"

namespace kvorum::raft::test {
namespace {

TEST(Restart, RemembersItsVote) {
  Cluster cluster({1, 2, 3});
  cluster.step(1, 2, Term(1), VoteRequest{false, {}, false});
  cluster.drop_all();
  cluster.restart(2);
  cluster.tick(2, 10);
  cluster.drop_all();
  cluster.step(3, 2, Term(1), VoteRequest{false, {}, false});
  EXPECT_FALSE(cluster.last_sent<VoteReply>(2, 3)->granted);
  cluster.step(1, 2, Term(1), VoteRequest{false, {}, false});
  EXPECT_TRUE(cluster.last_sent<VoteReply>(2, 1)->granted);
}

TEST(Restart, AVoteThatWasNotDurableWasNeverGiven) {
  Cluster cluster({1, 2, 3});
  cluster.hold_disk(2);
  cluster.step(1, 2, Term(1), VoteRequest{false, {}, false});
  EXPECT_TRUE(cluster.network().empty());
  cluster.node(2).disk_held = false;
  cluster.restart(2);
  cluster.step(3, 2, Term(1), VoteRequest{false, {}, false});
  EXPECT_TRUE(cluster.last_sent<VoteReply>(2, 3)->granted);
}

TEST(Restart, EverythingAcknowledgedIsStillThereAfterAPowerCut) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.propose(1, "a");
  cluster.propose(1, "b");
  cluster.deliver_all();
  for (uint64_t id : cluster.ids()) cluster.restart(id);
  cluster.drop_all();
  cluster.tick_all(60);
  for (uint64_t id : cluster.ids()) EXPECT_EQ(cluster.applied_text(id), "ab");
}

TEST(Restart, TheCommitHintIsUsedButNeverBelievedBeyondTheLog) {
  Recovered recovered{
      {Term(1), {}, Index(2)}, {{}, 0, make_configuration({1, 2, 3})}, make_entries({1, 1, 1})};
  Core core({.id = NodeId(2)}, recovered);
  EXPECT_EQ(core.commit_index(), Index(2));
  EXPECT_EQ(core.take_ready().committed.size(), 2u);
  recovered.hard_state.commit = Index(9);
  EXPECT_EQ(Core({.id = NodeId(2)}, recovered).commit_index(), Index(3));
}

TEST(Restart, FindsItsConfigurationInTheLog) {
  Configuration next = make_configuration({1, 2, 3}, {4});
  Recovered recovered{
      {Term(1), {}, {}},
      {{}, 0, make_configuration({1, 2, 3})},
      {make_entry(1, 1), make_entry(1, 2, encode(next), EntryKind::kConfiguration)}};
  Core core({.id = NodeId(2)}, recovered);
  EXPECT_EQ(core.status().configuration, next);
  EXPECT_EQ(core.status().configuration_index, Index(2));
}

TEST(Restart, EntriesTheCheckpointHoldsAreSkipped) {
  Core core(
      {.id = NodeId(2)},
      {{Term(1), {}, {}}, {id_of(1, 2), 0, make_configuration({1, 2})}, make_entries({1, 1, 1})});
  EXPECT_EQ(core.status().first, Index(3));
  EXPECT_EQ(core.status().last, id_of(1, 3));
  EXPECT_EQ(core.status().applied, Index(2));
}

TEST(Restart, AFollowerThatLostUnsyncedEntriesIsFedAgain) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.hold_disk(2);
  cluster.propose(1, "a");
  cluster.deliver_all();
  cluster.node(2).disk_held = false;
  cluster.restart(2);
  cluster.tick_all(4);
  EXPECT_EQ(cluster.applied_text(2), "a");
}

TEST(Restart, NothingIsWrittenWithoutNeed) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.tick_all(4);
  cluster.restart(2);
  EXPECT_FALSE(cluster.core(2).has_ready());
}

}  // namespace
}  // namespace kvorum::raft::test
