// A follower while a snapshot is being installed.
#include <gtest/gtest.h>

#include "raft/core.h"

namespace kvorum::raft {
namespace {

constexpr NodeId kLeader(2);

struct RestoreTest : testing::Test {
  static Core make_core() {
    CoreOptions options;
    options.id = NodeId(1);
    Recovered nothing;
    nothing.snapshot.configuration.voters = {NodeId(1), kLeader, NodeId(3)};
    return Core(options, nothing);
  }
  // An append of the entry at `index`, or a heartbeat after it when there is none.
  void append(uint64_t index, uint64_t commit, bool entry = true) {
    AppendRequest request;
    request.previous = {Term(index > 1 || !entry ? 1 : 0), Index(entry ? index - 1 : index)};
    request.commit = Index(commit);
    if (entry) {
      Entry noop;
      noop.id = {Term(1), Index(index)};
      request.entries = {std::make_shared<const Entry>(noop)};
    }
    core.step({kLeader, NodeId(1), Term(1), request});
  }
  // How many entries there are to apply.
  size_t settle() {
    size_t committed = 0;
    while (core.has_ready()) {
      Ready ready = core.take_ready();
      if (ready.persist) core.persisted(ready.persist->token);
      committed += ready.committed.size();
    }
    return committed;
  }

  Core core = make_core();
};

TEST_F(RestoreTest, HandsOutNothingToApplyUntilItIsOver) {
  append(1, 1);
  Ready ready = core.take_ready();
  ASSERT_TRUE(ready.persist);
  EXPECT_TRUE(ready.committed.empty());
  ASSERT_TRUE(core.begin_restore({Term(1), Index(9)}));
  core.persisted(ready.persist->token);
  EXPECT_EQ(settle(), 0u);
  core.cancel_restore();
  EXPECT_EQ(settle(), 1u);
}

TEST_F(RestoreTest, GoesOnBehindTheSnapshot) {
  append(1, 0);
  settle();
  ASSERT_TRUE(core.begin_restore({Term(1), Index(9)}));
  append(1, 1, false);
  settle();
  SnapshotMeta snapshot;
  snapshot.last = {Term(1), Index(9)};
  snapshot.configuration.voters = {NodeId(1), kLeader, NodeId(3)};
  core.restore(snapshot);
  EXPECT_EQ(settle(), 0u);
  append(10, 10);
  EXPECT_EQ(settle(), 1u);
  EXPECT_EQ(core.status().last.index, Index(10));
}

TEST_F(RestoreTest, TakesTheTermOfASnapshotThatIsAhead) {
  append(1, 0);
  settle();
  ASSERT_TRUE(core.begin_restore({Term(5), Index(9)}));
  SnapshotMeta snapshot;
  snapshot.last = {Term(5), Index(9)};
  snapshot.configuration.voters = {NodeId(1), kLeader, NodeId(3)};
  core.restore(snapshot);
  EXPECT_EQ(core.term(), Term(5));
  Ready ready = core.take_ready();
  ASSERT_TRUE(ready.persist && ready.persist->hard_state);
  EXPECT_EQ(ready.persist->hard_state->term, Term(5));
  core.check_invariants();
}

TEST_F(RestoreTest, RecoversBehindASnapshotWhoseTermTheLogDoesNotKnow) {
  CoreOptions options;
  options.id = NodeId(1);
  Recovered recovered;
  recovered.hard_state = {Term(2), NodeId(3), Index(0)};
  recovered.snapshot.last = {Term(5), Index(9)};
  recovered.snapshot.configuration.voters = {NodeId(1), kLeader, NodeId(3)};
  Core restarted(options, recovered);
  EXPECT_EQ(restarted.term(), Term(5));
  Ready ready = restarted.take_ready();
  ASSERT_TRUE(ready.persist && ready.persist->hard_state);
  EXPECT_EQ(ready.persist->hard_state->term, Term(5));
  EXPECT_EQ(ready.persist->hard_state->vote, kNoNode);
}

TEST_F(RestoreTest, ACheckpointOfTheNewStateMayBeKnownBeforeItIsOver) {
  append(1, 1);
  settle();
  core.applied(Index(1));
  ASSERT_TRUE(core.begin_restore({Term(1), Index(9)}));
  SnapshotMeta snapshot;
  snapshot.last = {Term(1), Index(9)};
  snapshot.configuration.voters = {NodeId(1), kLeader, NodeId(3)};
  core.checkpointed(snapshot);
  EXPECT_EQ(core.status().checkpoint, Index(0));
  core.restore(snapshot);
  EXPECT_EQ(core.status().checkpoint, Index(9));
}

}  // namespace
}  // namespace kvorum::raft
