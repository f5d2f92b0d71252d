#include "server/proposal_order.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kvorum::server {
namespace {

const raft::NodeId kNode(7);
const raft::NodeId kOther(8);

command::BatchIdentity batch(uint64_t sequence, uint64_t session = 100, raft::NodeId node = kNode) {
  return {node, session, sequence};
}

raft::EntryId entry_id(uint64_t term, uint64_t index) {
  return {raft::Term(term), raft::Index(index)};
}

class ProposalOrderTest : public ::testing::Test {
 protected:
  // A leader of term 3 whose first entry is executed; of kNode's batches `sequence` was the last.
  void lead(uint64_t sequence) {
    order_.begin_term(raft::Term(3));
    order_.executed(entry_id(3, 10), {{kNode, 100, sequence, raft::Index(9)}});
  }
  // Proposes what is held and due; the sequences in their order.
  std::vector<uint64_t> released(size_t most = 100) {
    std::vector<uint64_t> sequences;
    order_.release([&](const command::BatchIdentity& identity, const std::string& data) {
      if (sequences.size() == most) return false;
      EXPECT_EQ(data, "batch " + std::to_string(identity.sequence));
      sequences.push_back(identity.sequence);
      order_.proposed(identity, raft::Index(++index_));
      return true;
    });
    return sequences;
  }
  bool hold(uint64_t sequence) {
    return order_.hold(batch(sequence), "batch " + std::to_string(sequence));
  }

  ProposalOrder order_;
  uint64_t index_ = 10;
};

TEST_F(ProposalOrderTest, KnowsWhoseTurnItIs) {
  lead(4);
  EXPECT_EQ(order_.turn_of(batch(4)), Turn::kKnown);
  EXPECT_EQ(order_.turn_of(batch(5)), Turn::kNow);
  EXPECT_EQ(order_.turn_of(batch(6)), Turn::kEarly);
  order_.proposed(batch(5), raft::Index(11));
  EXPECT_EQ(order_.turn_of(batch(5)), Turn::kKnown);
  EXPECT_EQ(order_.turn_of(batch(6)), Turn::kNow);
  EXPECT_EQ(order_.turn_of(batch(1, 100, kOther)), Turn::kNow);
  EXPECT_EQ(order_.turn_of(batch(2, 100, kOther)), Turn::kEarly);
}

TEST_F(ProposalOrderTest, BeginsANewSessionWithItsFirstBatch) {
  lead(4);
  order_.proposed(batch(5), raft::Index(11));
  EXPECT_EQ(order_.turn_of(batch(2, 101)), Turn::kEarly);
  EXPECT_EQ(order_.turn_of(batch(1, 101)), Turn::kNow);
  order_.proposed(batch(1, 101), raft::Index(12));
  EXPECT_EQ(order_.turn_of(batch(2, 101)), Turn::kNow);
  EXPECT_EQ(order_.turn_of(batch(6, 100)), Turn::kKnown) << "an older session is over";
}

TEST_F(ProposalOrderTest, KnowsNothingBeforeAnEntryOfItsTermIsExecuted) {
  order_.executed(entry_id(2, 9), {{kNode, 100, 4, raft::Index(9)}});
  order_.begin_term(raft::Term(3));
  EXPECT_EQ(order_.turn_of(batch(4)), Turn::kEarly);
  EXPECT_EQ(order_.turn_of(batch(5)), Turn::kEarly);
  ASSERT_TRUE(hold(5));
  EXPECT_TRUE(released().empty());
  // The log held more than was executed until now.
  order_.executed(entry_id(3, 11), {{kNode, 100, 6, raft::Index(10)}});
  ASSERT_TRUE(hold(7));
  EXPECT_EQ(released(), std::vector<uint64_t>{7});
}

TEST_F(ProposalOrderTest, ReleasesWhatCameEarlyInOrder) {
  lead(4);
  for (uint64_t sequence : {8, 6, 7, 6, 10}) ASSERT_TRUE(hold(sequence));
  EXPECT_TRUE(released().empty());
  order_.proposed(batch(5), raft::Index(++index_));
  EXPECT_EQ(released(2), (std::vector<uint64_t>{6, 7})) << "the core takes no more for now";
  EXPECT_EQ(released(), std::vector<uint64_t>{8});
  EXPECT_TRUE(released().empty());
  order_.proposed(batch(9), raft::Index(++index_));
  EXPECT_EQ(released(), std::vector<uint64_t>{10});
}

TEST_F(ProposalOrderTest, ForgetsWhatItHeldWithTheTerm) {
  lead(4);
  ASSERT_TRUE(hold(6));
  order_.begin_term(raft::Term(5));
  order_.executed(entry_id(5, 12), {{kNode, 100, 5, raft::Index(11)}});
  EXPECT_TRUE(released().empty());
}

TEST_F(ProposalOrderTest, GoesOnAfterABatchThatWasSpent) {
  lead(4);
  order_.proposed(batch(5), raft::Index(11));
  order_.proposed(batch(6), raft::Index(12));
  // For a reason nobody thought of, neither was executed.
  order_.executed(entry_id(3, 12), {{kNode, 100, 4, raft::Index(9)}});
  EXPECT_EQ(order_.turn_of(batch(5)), Turn::kNow);
}

TEST_F(ProposalOrderTest, HoldsABoundedNumberOfBytes) {
  lead(4);
  const std::string large(size_t{40} << 20, 'x');
  EXPECT_TRUE(order_.hold(batch(6), large));
  EXPECT_TRUE(order_.hold(batch(6), large)) << "it is there already";
  EXPECT_FALSE(order_.hold(batch(7), large));
  order_.begin_term(raft::Term(4));
  EXPECT_TRUE(order_.hold(batch(7), large));
}

}  // namespace
}  // namespace kvorum::server
