#include "raft/quorum.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/raft/disk.h"

namespace kvorum::raft::test {
namespace {

uint64_t value(const Configuration& configuration, std::map<uint64_t, uint64_t> values) {
  return quorum_value(configuration, [&](NodeId id) { return values[id.value()]; });
}

VoteOutcome outcome(const Configuration& configuration, std::map<uint64_t, Vote> votes) {
  return count_votes(configuration, [&](NodeId id) {
    auto it = votes.find(id.value());
    return it == votes.end() ? Vote::kPending : it->second;
  });
}

Configuration joint(const std::vector<uint64_t>& incoming, const std::vector<uint64_t>& outgoing) {
  Configuration configuration = make_configuration(incoming);
  configuration.outgoing = make_configuration(outgoing).voters;
  return configuration;
}

TEST(Quorum, TakesTheLargestValueOfAMajority) {
  EXPECT_EQ(value(make_configuration({1}), {{1, 7}}), 7u);
  EXPECT_EQ(value(make_configuration({1, 2}), {{1, 7}, {2, 3}}), 3u);
  EXPECT_EQ(value(make_configuration({1, 2, 3}), {{1, 7}, {2, 3}, {3, 5}}), 5u);
  EXPECT_EQ(value(make_configuration({1, 2, 3, 4}), {{1, 7}, {2, 3}, {3, 5}, {4, 9}}), 5u);
  EXPECT_EQ(value(make_configuration({1, 2, 3, 4, 5}), {{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 5}}),
            3u);
}

TEST(Quorum, IgnoresLearners) {
  EXPECT_EQ(value(make_configuration({1, 2, 3}, {4, 5}), {{1, 1}, {2, 2}, {3, 3}, {4, 9}, {5, 9}}),
            2u);
}

TEST(Quorum, NeedsBothHalvesOfAJointConfiguration) {
  Configuration both = joint({1, 2, 3}, {3, 4, 5});
  EXPECT_EQ(value(both, {{1, 9}, {2, 9}, {3, 9}, {4, 2}, {5, 1}}), 2u);
  EXPECT_EQ(value(both, {{1, 1}, {2, 2}, {3, 9}, {4, 9}, {5, 9}}), 2u);
}

TEST(Quorum, AgreesOnNothingWithoutVoters) {
  EXPECT_EQ(value(make_configuration({}), {}), 0u);
  EXPECT_NE(outcome(make_configuration({}), {}), VoteOutcome::kWon);
}

TEST(Quorum, CountsMoreVotersThanFitOnTheStack) {
  std::vector<uint64_t> voters;
  std::map<uint64_t, uint64_t> values;
  for (uint64_t id = 1; id <= 41; ++id) {
    voters.push_back(id);
    values[id] = id;
  }
  EXPECT_EQ(value(make_configuration(voters), values), 21u);
}

TEST(Quorum, AnElectionIsLostOnceItCanNotBeWon) {
  Configuration three = make_configuration({1, 2, 3});
  EXPECT_EQ(outcome(three, {{1, Vote::kGranted}}), VoteOutcome::kOpen);
  EXPECT_EQ(outcome(three, {{1, Vote::kGranted}, {2, Vote::kDenied}}), VoteOutcome::kOpen);
  EXPECT_EQ(outcome(three, {{1, Vote::kGranted}, {3, Vote::kGranted}}), VoteOutcome::kWon);
  EXPECT_EQ(outcome(three, {{2, Vote::kDenied}, {3, Vote::kDenied}}), VoteOutcome::kLost);
  Configuration even = make_configuration({1, 2});
  EXPECT_EQ(outcome(even, {{2, Vote::kDenied}}), VoteOutcome::kLost);
}

TEST(Quorum, AJointElectionIsLostInOneHalf) {
  Configuration both = joint({1, 2, 3}, {4, 5, 6});
  std::map<uint64_t, Vote> votes{{1, Vote::kGranted}, {2, Vote::kGranted}, {3, Vote::kGranted}};
  EXPECT_EQ(outcome(both, votes), VoteOutcome::kOpen);
  votes[4] = votes[5] = Vote::kDenied;
  EXPECT_EQ(outcome(both, votes), VoteOutcome::kLost);
  votes[4] = votes[5] = Vote::kGranted;
  EXPECT_EQ(outcome(both, votes), VoteOutcome::kWon);
}

}  // namespace
}  // namespace kvorum::raft::test
