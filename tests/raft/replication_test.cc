#include <gtest/gtest.h>

#include "tests/raft/cluster.h"

namespace kvorum::raft::test {
namespace {

bool to_node_2(const Envelope& envelope) {
  return envelope.to == NodeId(2);
}

TEST(Replication, AnEntryIsAppliedEverywhereOnceAMajorityHasIt) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.propose(1, "a");
  cluster.deliver_all();
  for (uint64_t id : cluster.ids()) EXPECT_EQ(cluster.applied_text(id), "a");
}

TEST(Replication, FollowersLearnOfACommitWithoutWaitingForAHeartbeat) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.propose(1, "a");
  cluster.deliver_all();
  EXPECT_EQ(cluster.core(2).commit_index(), cluster.core(1).commit_index());
}

TEST(Replication, EntriesGoToPeersBesidesTheLocalWrite) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.hold_disk(1);
  EntryId id = cluster.propose(1, "a");
  cluster.deliver_all();
  // Two of three have it, though the leader itself has not.
  EXPECT_EQ(cluster.core(1).commit_index(), id.index);
  EXPECT_EQ(cluster.applied_text(1), "") << "applied before it was durable here";
  EXPECT_EQ(cluster.applied_text(2), "a");
  cluster.finish_writes(1);
  EXPECT_EQ(cluster.applied_text(1), "a");
}

TEST(Replication, TheLeadersOwnCopyCountsOnlyWhenItIsDurable) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.isolate(3);
  cluster.hold_disk(1);
  EntryId id = cluster.propose(1, "a");
  cluster.deliver_all();
  EXPECT_LT(cluster.core(1).commit_index(), id.index);
  cluster.finish_writes(1);
  EXPECT_EQ(cluster.core(1).commit_index(), id.index);
}

TEST(Replication, AFollowerAcknowledgesOnlyWhatIsDurable) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.hold_disk(2);
  EntryId id = cluster.propose(1, "a");
  cluster.deliver_one(to_node_2);
  EXPECT_EQ(cluster.last_sent<AppendReply>(2, 1), nullptr);
  cluster.finish_writes(2);
  ASSERT_NE(cluster.last_sent<AppendReply>(2, 1), nullptr);
  EXPECT_EQ(cluster.last_sent<AppendReply>(2, 1)->match, id.index);
}

TEST(Replication, HeartbeatsAreAnsweredWhileTheDiskIsBusy) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.hold_disk(2);
  EntryId id = cluster.propose(1, "a");
  cluster.deliver_all();
  cluster.tick(1, 2);
  cluster.deliver_one(to_node_2);
  const auto* reply = cluster.last_sent<AppendReply>(2, 1);
  ASSERT_NE(reply, nullptr);
  EXPECT_TRUE(reply->accepted);
  EXPECT_EQ(reply->match, id.index.prev());
}

TEST(Replication, AWriteThatWasOverwrittenMeanwhilePromisesNothing) {
  Cluster cluster({1, 2, 3});
  cluster.hold_disk(2);
  cluster.step(1, 2, Term(1), AppendRequest{{}, {}, make_entries({1, 1, 1}), 1});
  // A new leader replaces the second and third entry while they are being written.
  cluster.step(3, 2, Term(2), AppendRequest{id_of(1, 1), {}, make_entries({2, 2}, 2), 1});
  cluster.finish_writes(2, 1);
  EXPECT_EQ(cluster.status(2).persisted, Index(1));
  EXPECT_EQ(cluster.last_sent<AppendReply>(2, 3), nullptr) << "its term is not durable yet";
  cluster.finish_writes(2);
  EXPECT_EQ(cluster.status(2).persisted, Index(3));
  EXPECT_EQ(cluster.last_sent<AppendReply>(2, 3)->match, Index(3));
}

TEST(Replication, TokensMayBeReportedTogetherLateOrTwice) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.hold_disk(2);
  for (int i = 0; i < 3; ++i) {
    cluster.propose(1);
    cluster.deliver_all();
  }
  TestNode& node = cluster.node(2);
  ASSERT_EQ(node.writes.size(), 3u);
  WriteToken first = node.writes.front().token;
  WriteToken last = node.writes.back().token;
  node.core->persisted(last);
  node.core->persisted(last);
  node.core->persisted(first);
  cluster.run(2);
  EXPECT_EQ(cluster.status(2).persisted, cluster.status(2).last.index);
  EXPECT_EQ(cluster.last_sent<AppendReply>(2, 1)->match, cluster.status(2).last.index);
}

TEST(Replication, PipelinesAppendsUpToTheLimits) {
  Cluster cluster({1, 2, 3});
  cluster.node(1).options.inflight_appends_max = 3;
  cluster.restart(1);
  cluster.elect(1);
  for (int i = 0; i < 10; ++i) cluster.propose(1);
  auto to_2 = std::count_if(cluster.network().begin(), cluster.network().end(), to_node_2);
  EXPECT_EQ(to_2, 3);
  cluster.deliver_all();
  EXPECT_EQ(cluster.applied_text(2), std::string(10, 'x'));
}

TEST(Replication, PipelinedBytesAreBounded) {
  Cluster cluster({1, 2, 3});
  cluster.node(1).options.inflight_bytes_max = 1000;
  cluster.restart(1);
  cluster.elect(1);
  for (int i = 0; i < 10; ++i) cluster.propose(1, std::string(600, 'x'));
  EXPECT_EQ(std::count_if(cluster.network().begin(), cluster.network().end(), to_node_2), 2);
  cluster.deliver_all();
  EXPECT_EQ(cluster.applied_text(2).size(), 6000u);
}

TEST(Replication, ProposalsOfOneTurnTravelTogether) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(cluster.core(1).propose("x", 0).has_value());
  cluster.run(1);
  const auto* request = cluster.last_sent<AppendRequest>(1, 2);
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(request->entries.size(), 5u);
}

TEST(Replication, ALostAppendIsFoundByTheNextHeartbeat) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.propose(1, "a");
  cluster.drop_all();
  cluster.propose(1, "b");
  cluster.drop_all();
  cluster.tick(1, 2);
  cluster.deliver_all();
  for (uint64_t id : cluster.ids()) EXPECT_EQ(cluster.applied_text(id), "ab");
}

TEST(Replication, ALostAcknowledgementIsRepeatedByTheNextHeartbeat) {
  Cluster cluster({1, 2});
  cluster.elect(1);
  EntryId id = cluster.propose(1, "a");
  cluster.deliver_one(to_node_2);
  cluster.drop_all();
  EXPECT_LT(cluster.core(1).commit_index(), id.index);
  cluster.tick(1, 2);
  cluster.deliver_all();
  EXPECT_EQ(cluster.core(1).commit_index(), id.index);
}

TEST(Replication, AConflictGoesBackAWholeTermAtATime) {
  Cluster cluster({1, 2, 3});
  // The leader's log: 1 1 1 4 4; the follower's: 1 1 1 2 2 2 3 3 3.
  cluster.node(1).disk.entries = make_entries({1, 1, 1, 4, 4});
  cluster.node(1).disk.hard_state = {Term(4), NodeId(1), {}};
  cluster.node(2).disk.entries = make_entries({1, 1, 1, 2, 2, 2, 3, 3, 3});
  cluster.node(2).disk.hard_state = {Term(3), {}, {}};
  cluster.node(3).disk = cluster.node(1).disk;
  for (uint64_t id : cluster.ids()) cluster.restart(id);
  cluster.drop_all();
  cluster.elect(1);
  cluster.tick(1, 2);
  cluster.deliver_all();
  EXPECT_EQ(cluster.status(2).last, cluster.status(1).last);
  EXPECT_EQ(cluster.applied_text(2), "xxxxx");
}

TEST(Replication, ARefusalNamesTheFirstIndexOfTheConflictingTerm) {
  Cluster cluster({1, 2, 3});
  cluster.step(1, 2, Term(4), AppendRequest{{}, {}, make_entries({1, 2, 2, 2}), 1});
  cluster.drop_all();
  cluster.step(1, 2, Term(4), AppendRequest{id_of(3, 4), {}, {}, 2});
  const auto* reply = cluster.last_sent<AppendReply>(2, 1);
  ASSERT_NE(reply, nullptr);
  EXPECT_FALSE(reply->accepted);
  EXPECT_EQ(reply->rejected, Index(4));
  EXPECT_EQ(reply->conflict, id_of(2, 2));
  cluster.step(1, 2, Term(4), AppendRequest{id_of(3, 9), {}, {}, 2});
  EXPECT_EQ(cluster.last_sent<AppendReply>(2, 1)->conflict, id_of(0, 5));
}

TEST(Replication, AFollowerCommitsNoFurtherThanItIsKnownToMatch) {
  Cluster cluster({1, 2, 3});
  cluster.step(1, 2, Term(1), AppendRequest{{}, {}, make_entries({1, 1, 1}), 1});
  // A new leader's heartbeat speaks of the first entry only: the others may conflict with its log.
  cluster.step(3, 2, Term(2), AppendRequest{id_of(1, 1), Index(100), {}, 1});
  EXPECT_EQ(cluster.core(2).commit_index(), Index(1));
}

TEST(Replication, AHeartbeatIsAnsweredOnceARoundUnlessThereIsNews) {
  Cluster cluster({1, 2, 3});
  auto answers = [&](AppendRequest request) {
    cluster.drop_all();
    cluster.step(1, 2, Term(1), std::move(request));
    return cluster.last_sent<AppendReply>(2, 1) != nullptr;
  };
  EXPECT_TRUE(answers({{}, {}, make_entries({1, 1}), 1}));
  EXPECT_FALSE(answers({id_of(1, 2), Index(1), {}, 1})) << "it only tells of a commit";
  EXPECT_EQ(cluster.core(2).commit_index(), Index(1));
  EXPECT_TRUE(answers({id_of(1, 2), Index(1), {}, 2})) << "a new round";
  EXPECT_FALSE(answers({{}, Index(1), {}, 2})) << "the same, by another way";
  EXPECT_TRUE(answers({id_of(1, 3), Index(1), {}, 2})) << "an entry is missing";
  EXPECT_TRUE(answers({id_of(1, 1), Index(1), make_entries({1}, 2), 2})) << "sent again";
  // Of a log that was here before, the leader has to hear.
  cluster.drop_all();
  cluster.step(3, 2, Term(2), AppendRequest{{}, {}, {}, 1});
  cluster.drop_all();
  cluster.step(3, 2, Term(2), AppendRequest{id_of(1, 2), {}, {}, 1});
  ASSERT_NE(cluster.last_sent<AppendReply>(2, 3), nullptr);
  EXPECT_EQ(cluster.last_sent<AppendReply>(2, 3)->match, Index(2));
}

TEST(Replication, AnOldAppendThatArrivesLateTruncatesNothing) {
  Cluster cluster({1, 2, 3});
  cluster.step(1, 2, Term(1), AppendRequest{{}, {}, make_entries({1, 1, 1}), 2});
  cluster.step(1, 2, Term(1), AppendRequest{{}, {}, make_entries({1}), 1});
  EXPECT_EQ(cluster.status(2).last, id_of(1, 3));
}

TEST(Replication, TheUncommittedBacklogIsBounded) {
  Cluster cluster({1, 2, 3});
  cluster.node(1).options.uncommitted_bytes_max = 1000;
  cluster.restart(1);
  cluster.elect(1);
  cluster.propose(1, std::string(5000, 'x'));  // an empty pipeline always admits one
  auto refused = cluster.core(1).propose("y", 0);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error(), ProposeError::kBusy);
  cluster.deliver_all();
  EXPECT_TRUE(cluster.core(1).propose("y", 0).has_value());
}

TEST(Replication, ALeaderThatCanNotApplyRefusesMore) {
  Cluster cluster({1, 2, 3});
  cluster.node(1).options.uncommitted_bytes_max = 1000;
  cluster.restart(1);
  cluster.elect(1);
  cluster.node(1).apply_held = true;
  cluster.propose(1, std::string(5000, 'x'));
  cluster.deliver_all();
  EXPECT_EQ(cluster.core(1).propose("y", 0).error(), ProposeError::kBusy);
  cluster.core(1).applied(cluster.node(1).applied_last.index);
  EXPECT_TRUE(cluster.core(1).propose("y", 0).has_value());
}

TEST(Replication, CommittedEntriesComeInBoundedPortions) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.hold_disk(1);
  for (int i = 0; i < 5; ++i) cluster.propose(1, std::string(1 << 20, 'x'));
  cluster.deliver_all();
  TestNode& node = cluster.node(1);
  node.core->persisted(node.writes.back().token);
  node.writes.clear();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(node.core->has_ready());
    EXPECT_EQ(node.core->take_ready().committed.size(), 1u);
  }
}

// Peer 3 of three installs the snapshot that leader 1 was asked for, and both hear of it.
void install_snapshot(Cluster& cluster, const SnapshotMeta& meta) {
  ASSERT_TRUE(cluster.core(3).begin_restore(meta.last));
  cluster.node(3).disk.install(meta);
  cluster.node(3).applied_last = meta.last;
  cluster.core(3).restore(meta);
  cluster.run(3);
  cluster.core(1).snapshot_sent(NodeId(3), meta.last, true);
  cluster.run(1);
  cluster.deliver_all();
}

TEST(Replication, APeerBehindTheTailIsFedBySnapshot) {
  Cluster cluster({1, 2, 3});
  cluster.node(1).options.tail_bytes_max = 0;
  cluster.restart(1);
  cluster.elect(1);
  cluster.isolate(3);
  for (int i = 0; i < 5; ++i) {
    cluster.propose(1, "a");
    cluster.deliver_all();
  }
  ASSERT_GT(cluster.status(1).first, Index(3));
  EXPECT_TRUE(cluster.node(1).snapshot_peers.empty()) << "it is not there to take one";
  cluster.heal();
  cluster.tick_all(4);
  ASSERT_EQ(cluster.node(1).snapshot_peers, std::vector<NodeId>{NodeId(3)});
  EXPECT_TRUE(cluster.status(1).progress[1].snapshot_pending);

  SnapshotMeta meta{cluster.node(1).applied_last, 0, make_configuration({1, 2, 3})};
  ASSERT_NO_FATAL_FAILURE(install_snapshot(cluster, meta));
  EXPECT_EQ(cluster.status(1).progress[1].match, meta.last.index);
  cluster.propose(1, "b");
  cluster.deliver_all();
  EXPECT_EQ(cluster.applied_text(3), "b");
}

// Peer 3 needs a snapshot, and more than the tail is written while it is fed.
class CatchingUp : public ::testing::Test {
 protected:
  void begin(size_t catch_up_bytes_max) {
    cluster_.node(1).options.tail_bytes_max = 0;
    cluster_.node(1).options.catch_up_bytes_max = catch_up_bytes_max;
    cluster_.restart(1);
    cluster_.elect(1);
    cluster_.isolate(3);
    write(5);
    cluster_.heal();
    cluster_.tick_all(4);
    ASSERT_EQ(cluster_.node(1).snapshot_peers.size(), 1U);
    meta_ = {cluster_.node(1).applied_last, 0, make_configuration({1, 2, 3})};
    write(20);
  }
  void write(int count) {
    for (int i = 0; i < count; ++i) cluster_.propose(1, "a"), cluster_.deliver_all();
  }
  void install() {
    ASSERT_NO_FATAL_FAILURE(install_snapshot(cluster_, meta_));
    cluster_.tick_all(4);
  }
  Progress third() { return cluster_.status(1).progress[1]; }

  Cluster cluster_{{1, 2, 3}};
  SnapshotMeta meta_;
};

TEST_F(CatchingUp, GoesOnBehindTheSnapshotWhateverWasWrittenMeanwhile) {
  begin(1 << 20);
  EXPECT_EQ(cluster_.status(1).first, meta_.last.index.next()) << "the log is kept for it";
  install();
  EXPECT_EQ(cluster_.node(1).snapshot_peers.size(), 1U) << "it needs no other one";
  EXPECT_EQ(third().match, cluster_.status(1).last.index);
  write(2);
  EXPECT_GT(cluster_.status(1).first, meta_.last.index + 20) << "and no longer than it needs it";
}

TEST_F(CatchingUp, NeedsAnotherSnapshotWhenMoreWasWrittenThanMayBeKept) {
  begin(5 * sizeof(Entry));
  EXPECT_GT(cluster_.status(1).first, meta_.last.index.next());
  install();
  EXPECT_EQ(cluster_.node(1).snapshot_peers.size(), 2U);
}

TEST_F(CatchingUp, KeepsNothingForAPeerThatIsGone) {
  begin(1 << 20);
  cluster_.isolate(3);
  cluster_.tick_all(40);
  ASSERT_EQ(cluster_.status(1).role, Role::kLeader);
  write(2);
  EXPECT_GT(cluster_.status(1).first, meta_.last.index + 20);
}

TEST(Replication, ASnapshotThatFailedIsAskedForAgainAfterAHeartbeat) {
  Cluster cluster({1, 2, 3});
  cluster.node(1).options.tail_bytes_max = 0;
  cluster.restart(1);
  cluster.elect(1);
  cluster.isolate(3);
  for (int i = 0; i < 5; ++i) cluster.propose(1), cluster.deliver_all();
  cluster.heal();
  cluster.tick_all(4);
  ASSERT_EQ(cluster.node(1).snapshot_peers.size(), 1u);
  cluster.core(1).snapshot_sent(NodeId(3), {}, false);
  cluster.run(1);
  EXPECT_EQ(cluster.node(1).snapshot_peers.size(), 1u) << "not at once";
  cluster.tick_all(4);
  EXPECT_EQ(cluster.node(1).snapshot_peers.size(), 2u);
}

TEST(Replication, ASnapshotThatWouldLoseSomethingIsNotInstalled) {
  Cluster cluster({1, 2, 3});
  cluster.step(1, 2, Term(1), AppendRequest{{}, Index(2), make_entries({1, 1, 1, 1}), 1});
  EXPECT_FALSE(cluster.core(2).begin_restore(id_of(1, 1))) << "behind what is committed";
  EXPECT_FALSE(cluster.core(2).begin_restore(id_of(1, 3))) << "the log goes on after it";
  EXPECT_TRUE(cluster.core(2).begin_restore(id_of(2, 3))) << "the log conflicts with it";
  EXPECT_FALSE(cluster.core(2).begin_restore(id_of(2, 9))) << "one at a time";
  cluster.step(1, 2, Term(1), AppendRequest{id_of(1, 4), {}, make_entries({1}, 5), 1});
  EXPECT_EQ(cluster.status(2).last, id_of(1, 4)) << "the log grew during an installation";
  cluster.core(2).cancel_restore();
  cluster.step(1, 2, Term(1), AppendRequest{id_of(1, 4), {}, make_entries({1}, 5), 1});
  EXPECT_EQ(cluster.status(2).last, id_of(1, 5));
}

TEST(Replication, StampsNeverGoBackAlsoAcrossLeaders) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.propose(1, "a", 5000);
  cluster.propose(1, "b", 4000);
  cluster.deliver_all();
  cluster.elect(2);
  cluster.propose(2, "c", 3000);
  cluster.deliver_all();
  for (const EntryPtr& entry : cluster.node(3).applied) {
    if (entry->data == "b" || entry->data == "c") {
      EXPECT_EQ(entry->stamp, 5000u);
    }
  }
  EXPECT_EQ(cluster.applied_text(3), "abc");
}

TEST(Replication, StampsGoOnFromASnapshotsStamp) {
  Core core({.id = NodeId(1)}, {{}, {id_of(0, 0), 9000, make_configuration({1})}, {}});
  core.tick();
  core.persisted(core.take_ready().persist->token);
  ASSERT_TRUE(core.propose("x", 1).has_value());
  Ready ready = core.take_ready();
  ASSERT_EQ(ready.persist->entries.size(), 2u);
  for (const EntryPtr& entry : ready.persist->entries) EXPECT_EQ(entry->stamp, 9000u);
}

TEST(Replication, MalformedAppendsAreDroppedWhole) {
  Cluster cluster({1, 2, 3});
  cluster.step(1, 2, Term(3), AppendRequest{{}, Index(1), make_entries({1, 1}), 1});
  auto send = [&](EntryId previous, std::vector<EntryPtr> entries) {
    cluster.step(1, 2, Term(3), AppendRequest{previous, {}, std::move(entries), 1});
    EXPECT_EQ(cluster.status(2).last, id_of(1, 2));
  };
  send(id_of(1, 2), {make_entry(1, 3), make_entry(1, 5)});                // a gap
  send(id_of(1, 2), {make_entry(2, 3), make_entry(1, 4)});                // terms go back
  send(id_of(1, 2), {make_entry(4, 3)});                                  // from a later term
  send(id_of(1, 2), {nullptr});                                           // nothing
  send(id_of(1, 2), {make_entry(1, 3, "?", EntryKind::kConfiguration)});  // not a configuration
  send({}, {make_entry(2, 1)});                    // against what is committed
  send(id_of(2, 1), {make_entry(3, 1)});           // wrongly placed
  send(id_of(1, UINT64_MAX), {make_entry(3, 0)});  // overflow
  auto back_in_time = std::make_shared<Entry>(*make_entry(1, 4));
  auto late = std::make_shared<Entry>(*make_entry(1, 3));
  late->stamp = 10;
  send(id_of(1, 2), {late, back_in_time});
}

TEST(Replication, WhatTheSameLeaderSentBeforeIsNotReplaced) {
  Cluster cluster({1, 2, 3});
  cluster.step(1, 2, Term(3), AppendRequest{{}, {}, make_entries({1, 1, 1}), 1});
  cluster.step(1, 2, Term(3), AppendRequest{id_of(1, 1), {}, make_entries({2}, 2), 1});
  EXPECT_EQ(cluster.status(2).last, id_of(1, 3));
}

TEST(Replication, ASecondLeaderOfATermIsIgnored) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.step(3, 2, Term(1), AppendRequest{id_of(1, 1), {}, make_entries({1}, 2), 1});
  EXPECT_EQ(cluster.status(2).last, id_of(1, 1));
  cluster.step(3, 1, Term(1), AppendRequest{id_of(1, 1), {}, make_entries({1}, 2), 1});
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
}

TEST(Replication, AcknowledgementsOfWhatWasNeverSentAreClamped) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.isolate(2);
  cluster.isolate(3);
  EntryId id = cluster.propose(1, "a");
  cluster.drop_all();
  cluster.step(2, 1, Term(1),
               AppendReply{.accepted = true, .round = 1, .match = Index(UINT64_MAX)});
  cluster.step(3, 1, Term(1),
               AppendReply{.accepted = true, .round = UINT64_MAX, .match = id.index});
  cluster.step(9, 1, Term(1), AppendReply{.accepted = true, .round = 1, .match = id.index});
  EXPECT_LE(cluster.core(1).commit_index(), id.index);
  EXPECT_EQ(cluster.status(1).progress[1].match, id.index.prev());
}

TEST(Replication, HostileRefusalsGoNoFurtherBackThanTheMatch) {
  Cluster cluster({1, 2, 3});
  cluster.elect(1);
  cluster.propose(1, "a");
  cluster.deliver_all();
  for (uint64_t rejected : {uint64_t{0}, uint64_t{1}, uint64_t{2}, uint64_t{3}, UINT64_MAX}) {
    cluster.step(2, 1, Term(1),
                 AppendReply{.accepted = false,
                             .round = 1,
                             .match = {},
                             .rejected = Index(rejected),
                             .conflict = id_of(UINT64_MAX, 0)});
  }
  EXPECT_GT(cluster.status(1).progress[0].next, cluster.status(1).progress[0].match);
  cluster.propose(1, "b");
  cluster.tick(1, 2);
  cluster.deliver_all();
  EXPECT_EQ(cluster.applied_text(2), "ab");
}

}  // namespace
}  // namespace kvorum::raft::test
