// What a store remembers of each node's proposals.
#include "store_fixture.h"

namespace kvorum::storage {
namespace {

Proposer proposer(uint64_t node, uint64_t sequence, uint64_t index) {
  return {raft::NodeId(node), 11, sequence, raft::Index(index)};
}

TEST(Proposers, AreKeptByNodeAndReplaced) {
  AppliedState state;
  EXPECT_EQ(state.find_proposer(raft::NodeId(1)), nullptr);
  for (uint64_t node : {3u, 1u, 2u}) state.set_proposer(proposer(node, node, node));
  state.set_proposer(proposer(2, 9, 10));
  EXPECT_EQ(state.proposers,
            (std::vector{proposer(1, 1, 1), proposer(2, 9, 10), proposer(3, 3, 3)}));
  EXPECT_EQ(*state.find_proposer(raft::NodeId(2)), proposer(2, 9, 10));
  EXPECT_EQ(state.find_proposer(raft::NodeId(4)), nullptr);
}

TEST(Proposers, ForgetTheOneThatProposedLongestAgo) {
  AppliedState state;
  for (uint64_t node = 1; node <= kProposersMax; ++node) {
    state.set_proposer(proposer(node, 1, 1000 - node));
  }
  state.set_proposer(proposer(500, 1, 2000));
  EXPECT_EQ(state.proposers.size(), kProposersMax);
  EXPECT_EQ(state.find_proposer(raft::NodeId(kProposersMax)), nullptr);
  EXPECT_NE(state.find_proposer(raft::NodeId(500)), nullptr);
  EXPECT_NE(state.find_proposer(raft::NodeId(1)), nullptr);
}

class StoreProposers : public StoreTest {};

TEST_F(StoreProposers, SurviveACheckpointAndReopening) {
  AppliedState expected;
  for (uint64_t node = 1; node <= kProposersMax; ++node) {
    write([&](Transaction& t) { t.set_proposer(proposer(node, 2 * node, node)); });
    expected.set_proposer(proposer(node, 2 * node, node));
  }
  read([&](View& view) { EXPECT_EQ(view.applied_state(), expected); });
  auto contained = store_->checkpoint();
  ASSERT_TRUE(contained);
  EXPECT_EQ(*contained, expected);
  reopen();
  EXPECT_EQ(store_->applied_state(), expected);
  write([&](Transaction& t) {
    EXPECT_EQ(t.applied_state(), expected);
    t.set_proposer(proposer(1, 77, 78));
  });
  reopen();
  expected.set_proposer(proposer(1, 77, 78));
  EXPECT_EQ(store_->applied_state(), expected);
}

TEST_F(StoreProposers, AreRolledBackWithTheRest) {
  write([](Transaction& t) { t.set_proposer(proposer(1, 1, 1)); });
  const AppliedState before = store_->applied_state();
  Transaction& transaction = writer_->begin();
  transaction.set_proposer(proposer(1, 2, 2));
  transaction.set_proposer(proposer(2, 1, 3));
  transaction.rollback();
  EXPECT_EQ(transaction.applied_state(), before);
  write([](Transaction& t) { t.put("k", made_at(1), "v"); });
  EXPECT_EQ(store_->applied_state().proposers, before.proposers);
}

}  // namespace
}  // namespace kvorum::storage
