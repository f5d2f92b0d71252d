#include "raft/configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/raft/disk.h"

namespace kvorum::raft::test {
namespace {

using ::testing::HasSubstr;

std::string refusal(const Configuration& current, Configuration target) {
  auto step = first_step(current, std::move(target));
  return step ? "accepted" : step.error().message;
}

TEST(Configuration, SurvivesEncoding) {
  Configuration configuration = make_configuration({1, 2, 300}, {7});
  configuration.outgoing = {NodeId(2), NodeId(UINT64_MAX)};
  configuration.removed = {NodeId(9), NodeId(4)};
  Configuration read;
  ASSERT_TRUE(decode(encode(configuration), read));
  EXPECT_EQ(read, configuration);
}

// As it was written before anyone was remembered.
TEST(Configuration, ReadsTheFirstVersionOfItsEncoding) {
  const Configuration configuration = make_configuration({1, 2}, {7});
  std::string bytes = encode(configuration);
  bytes[0] = 1;
  bytes.pop_back();
  Configuration read;
  ASSERT_TRUE(decode(bytes, read));
  EXPECT_EQ(read, configuration);
}

TEST(Configuration, EveryDamagedEncodingIsRefusedOrReadWithoutHarm) {
  std::string bytes = encode(make_configuration({1, 2}, {3}));
  Configuration read;
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode(std::string_view(bytes).substr(0, size), read)) << size;
  }
  EXPECT_FALSE(decode(bytes + "x", read));
  // A count that the input can't hold does not reserve memory.
  EXPECT_FALSE(decode(std::string("\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10), read));
}

TEST(Configuration, OneVoterChangesInOneStep) {
  Configuration current = make_configuration({1, 2}, {3});
  auto step = first_step(current, make_configuration({1, 2, 3}));
  ASSERT_TRUE(step.has_value());
  EXPECT_FALSE(is_joint(*step));
  EXPECT_EQ(*step, make_configuration({1, 2, 3}));
  EXPECT_FALSE(is_joint(*first_step(current, make_configuration({1}, {2, 3}))));
}

TEST(Configuration, LearnersChangeInOneStep) {
  auto step = first_step(make_configuration({1}), make_configuration({1}, {4, 5, 6}));
  ASSERT_TRUE(step.has_value());
  EXPECT_FALSE(is_joint(*step));
}

TEST(Configuration, MoreVotersChangeThroughAJointOne) {
  Configuration current = make_configuration({1, 2, 3}, {4});
  auto joint = first_step(current, make_configuration({1, 2, 4}, {3}));
  ASSERT_TRUE(joint.has_value());
  EXPECT_EQ(joint->voters, make_configuration({1, 2, 4}).voters);
  EXPECT_EQ(joint->outgoing, current.voters);
  EXPECT_TRUE(is_voter(*joint, NodeId(3)));
  EXPECT_EQ(joint->members.size(), 4u);
  EXPECT_EQ(leave_joint(*joint), make_configuration({1, 2, 4}, {3}));
}

TEST(Configuration, LeavingForgetsTheAddressesOfThoseWhoAreGone) {
  Configuration current = make_configuration({1, 2, 3}, {4});
  auto joint = first_step(current, make_configuration({1, 4}));
  ASSERT_TRUE(joint.has_value());
  EXPECT_EQ(joint->members, make_configuration({1, 2, 3, 4}).members);
  Configuration left = make_configuration({1, 4});
  left.removed = {NodeId(2), NodeId(3)};
  EXPECT_EQ(leave_joint(*joint), left);
}

TEST(Configuration, RemembersWhoWasRemoved) {
  auto one = first_step(make_configuration({1, 2, 3}, {4}), make_configuration({1, 3}, {4}));
  ASSERT_TRUE(one.has_value());
  EXPECT_EQ(one->removed, std::vector{NodeId(2)});
  EXPECT_THAT(refusal(*one, make_configuration({1, 3}, {2, 4})), HasSubstr("2 was removed"));
  // A learner goes at once, a voter when the joint configuration is left.
  auto both = first_step(make_configuration({1, 2, 3}, {4}), make_configuration({1}));
  ASSERT_TRUE(both.has_value());
  EXPECT_TRUE(is_joint(*both));
  EXPECT_EQ(both->removed, std::vector{NodeId(4)});
  EXPECT_EQ(leave_joint(*both).removed, (std::vector{NodeId(4), NodeId(2), NodeId(3)}));
}

TEST(Configuration, RemembersTheLastOnesOfMany) {
  Configuration current = make_configuration({1});
  for (uint64_t id = 2; id < kRemovedRemembered + 12; ++id) {
    current = *first_step(current, make_configuration({1}, {id}));
    current = *first_step(current, make_configuration({1}));
  }
  EXPECT_EQ(current.removed.size(), kRemovedRemembered);
  EXPECT_EQ(current.removed.front(), NodeId(12));
  EXPECT_EQ(current.removed.back(), NodeId(kRemovedRemembered + 11));
}

TEST(Configuration, RefusesWhatMakesNoSense) {
  Configuration current = make_configuration({1, 2}, {3});
  EXPECT_THAT(refusal(current, make_configuration({}, {1, 2})), HasSubstr("last voter"));
  EXPECT_THAT(refusal(current, make_configuration({1, 2, 9})), HasSubstr("learner first"));
  EXPECT_THAT(refusal(current, current), HasSubstr("already so"));
  EXPECT_THAT(refusal(current, make_configuration({1, 2}, {2})), HasSubstr("both"));
  EXPECT_THAT(refusal(current, make_configuration({0, 1, 2})), HasSubstr("not a node id"));
  Configuration no_address = make_configuration({1, 2}, {3, 4});
  no_address.members.pop_back();
  EXPECT_THAT(refusal(current, no_address), HasSubstr("node 4 has no address"));
  Configuration stranger = make_configuration({1, 2});
  stranger.members.push_back({NodeId(8), "a:1", "b:1"});
  EXPECT_THAT(refusal(current, stranger), HasSubstr("neither"));
  Configuration joint = make_configuration({1});
  joint.outgoing = {NodeId(2)};
  EXPECT_THAT(refusal(current, joint), HasSubstr("must not be joint"));
  EXPECT_THAT(refusal(joint, current), HasSubstr("under way"));
}

TEST(ConfigurationHistory, GoesBackWhenAnEntryIsTruncated) {
  ConfigurationHistory history(make_configuration({1}));
  history.append(Index(5), make_configuration({1}, {2}));
  history.append(Index(7), make_configuration({1, 2}));
  EXPECT_FALSE(history.truncate_from(Index(8)));
  EXPECT_TRUE(history.truncate_from(Index(6)));
  EXPECT_EQ(history.current(), make_configuration({1}, {2}));
  EXPECT_EQ(history.current_index(), Index(5));
  EXPECT_TRUE(history.truncate_from(Index(1)));
  EXPECT_EQ(history.current(), make_configuration({1}));
}

TEST(ConfigurationHistory, ForgetsWhatCanNotComeBack) {
  ConfigurationHistory history(make_configuration({1, 2}));
  history.append(Index(5), make_configuration({2}));
  EXPECT_TRUE(history.has_voter(NodeId(1)));
  history.commit_to(Index(4));
  EXPECT_TRUE(history.has_voter(NodeId(1)));
  history.commit_to(Index(5));
  EXPECT_FALSE(history.has_voter(NodeId(1)));
}

}  // namespace
}  // namespace kvorum::raft::test
