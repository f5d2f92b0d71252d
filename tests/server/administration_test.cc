// Changes of the cluster on a core of one voter, or beside a leader that is asked.
#include "server/administration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace kvorum::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

raft::Core make_core(const std::vector<uint64_t>& voters) {
  raft::CoreOptions options;
  options.id = raft::NodeId(1);
  raft::Recovered nothing;
  for (uint64_t id : voters) {
    nothing.snapshot.configuration.voters.emplace_back(id);
    nothing.snapshot.configuration.members.push_back(
        {raft::NodeId(id), fmt::format("host{}:1", id), ""});
  }
  return raft::Core(options, nothing);
}

struct AdministrationTest : testing::Test {
  explicit AdministrationTest(const std::vector<uint64_t>& voters = {1})
      : core(make_core(voters)) {}

  void settle() {
    core.tick();
    while (core.has_ready()) {
      raft::Ready ready = core.take_ready();
      if (ready.persist) core.persisted(ready.persist->token);
      for (const raft::EntryPtr& entry : ready.committed) {
        if (entry->kind == raft::EntryKind::kConfiguration) administration.committed(entry->id);
        core.applied(entry->id.index);
      }
    }
    administration.advance(++tick, 0);
  }
  void begin(AdminWords words, bool forward = true, uint64_t deadline = 1000) {
    administration.begin(std::move(words), forward, deadline, [this](bool ok, std::string text) {
      answers.push_back((ok ? "+" : "-") + text);
    });
  }

  raft::Core core;
  std::vector<peer::Request> asked;
  Administration administration{
      core, [this](raft::NodeId, peer::Request request) { asked.push_back(std::move(request)); }};
  uint64_t tick = 0;
  std::vector<std::string> answers;
};

TEST_F(AdministrationTest, AddsALearnerAndSaysSoWhenItIsCommitted) {
  settle();
  begin({"add", "2", "host2:1", "host2:2"});
  EXPECT_THAT(answers, IsEmpty());
  settle();
  settle();
  EXPECT_THAT(answers, ElementsAre("+OK"));
  EXPECT_THAT(core.configuration().learners, ElementsAre(raft::NodeId(2)));
  EXPECT_EQ(core.configuration().members.at(1).client_address, "host2:2");
}

TEST_F(AdministrationTest, AddingAMemberAgainChangesItsAddress) {
  settle();
  begin({"add", "1", "elsewhere:1", ""});
  settle();
  settle();
  EXPECT_THAT(answers, ElementsAre("+OK"));
  EXPECT_EQ(core.configuration().members.at(0).peer_address, "elsewhere:1");
  EXPECT_THAT(core.configuration().voters, ElementsAre(raft::NodeId(1)));
}

TEST_F(AdministrationTest, RefusesAnAddressThatAnotherMemberHas) {
  settle();
  begin({"add", "2", "host1:1", ""});
  settle();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_THAT(answers[0], HasSubstr("has the peer address host1:1 already"));
}

TEST_F(AdministrationTest, AddsAMemberOnceHoweverOftenItAsks) {
  settle();
  for (int i = 0; i < 2; ++i) {
    begin({"add", "2", "host2:1", "host2:2"});
    settle();
    settle();
  }
  EXPECT_THAT(answers, ElementsAre("+OK", "+OK"));
  EXPECT_THAT(core.configuration().learners, ElementsAre(raft::NodeId(2)));
}

TEST_F(AdministrationTest, NoRequestBringsBackANodeThatWasRemoved) {
  settle();
  const AdminWords request{"add", "2", "host2:1", ""};
  begin(request);
  settle();
  settle();
  begin({"remove", "2"});
  // Waits for the removal.
  begin(request);
  for (int i = 0; i < 3; ++i) settle();
  begin({"add", "2", "elsewhere:1", ""});
  settle();
  const std::string refusal = "-" + removed_before(raft::NodeId(2));
  EXPECT_THAT(answers, ElementsAre("+OK", "+OK", refusal, refusal));
  EXPECT_EQ(core.configuration().members.size(), 1u);
}

TEST_F(AdministrationTest, MovesMembersAndNobodyElse) {
  settle();
  begin({"move", "1", "elsewhere:1", "elsewhere:2"});
  settle();
  settle();
  EXPECT_EQ(core.configuration().members.at(0).peer_address, "elsewhere:1");
  begin({"move", "2", "host2:1", ""});
  settle();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0], "+OK");
  EXPECT_THAT(answers[1], HasSubstr("-ERR node 2 is not a member"));
  EXPECT_EQ(core.configuration().members.size(), 1u);
}

TEST_F(AdministrationTest, RefusesToRemoveTheOnlyVoterOrAStranger) {
  settle();
  begin({"remove", "1"});
  begin({"remove", "9"});
  begin({"promote", "9"});
  begin({"dance", "9"});
  settle();
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_THAT(answers[0], HasSubstr("only voter"));
  EXPECT_THAT(answers[1], HasSubstr("not a member"));
  EXPECT_THAT(answers[2], HasSubstr("not a member"));
  EXPECT_THAT(answers[3], HasSubstr("unknown request"));
}

TEST_F(AdministrationTest, WaitsForALearnerThatDoesNotAnswerAndSaysWhy) {
  settle();
  begin({"add", "2", "host2:1", ""});
  settle();
  settle();
  answers.clear();
  begin({"promote", "2"}, true, tick + 3);
  settle();
  EXPECT_THAT(answers, IsEmpty());
  settle();
  settle();
  settle();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_THAT(answers[0], HasSubstr("-TRYAGAIN node 2 does not answer"));
  EXPECT_THAT(core.configuration().learners, ElementsAre(raft::NodeId(2)));
}

TEST_F(AdministrationTest, TwoChangesAtOnceHappenOneAfterTheOther) {
  settle();
  begin({"add", "2", "host2:1", ""});
  begin({"add", "3", "host3:1", ""});
  for (int i = 0; i < 4; ++i) settle();
  EXPECT_THAT(answers, ElementsAre("+OK", "+OK"));
  EXPECT_EQ(core.configuration().learners.size(), 2u);
}

struct FollowerAdministrationTest : AdministrationTest {
  FollowerAdministrationTest() : AdministrationTest({1, 2, 3}) {}
  void hear_leader(uint64_t id, uint64_t term) {
    core.step({raft::NodeId(id), raft::NodeId(1), raft::Term(term), raft::AppendRequest{}});
    settle();
  }
};

TEST_F(FollowerAdministrationTest, AsksTheLeaderAndPassesItsAnswerOn) {
  begin({"remove", "3"});
  settle();
  EXPECT_THAT(asked, IsEmpty());
  hear_leader(2, 1);
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_THAT(asked[0].words, ElementsAre("remove", "3"));
  settle();
  EXPECT_EQ(asked.size(), 1u);
  administration.answered({asked[0].id + 1, true, "for nobody"});
  EXPECT_THAT(answers, IsEmpty());
  administration.answered({asked[0].id, true, "OK"});
  EXPECT_THAT(answers, ElementsAre("+OK"));
}

TEST_F(FollowerAdministrationTest, AsksAgainOverANewLink) {
  begin({"remove", "3"});
  hear_leader(2, 1);
  administration.linked(raft::NodeId(3));
  settle();
  EXPECT_EQ(asked.size(), 1u);
  administration.linked(raft::NodeId(2));
  settle();
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_THAT(asked[1].words, ElementsAre("remove", "3"));
  // The answer to the first request came late, that to the second counts.
  administration.answered({asked[0].id, true, "OK"});
  EXPECT_THAT(answers, IsEmpty());
  administration.answered({asked[1].id, true, "OK"});
  EXPECT_THAT(answers, ElementsAre("+OK"));
}

TEST_F(FollowerAdministrationTest, AsksTheNextLeader) {
  begin({"remove", "3"});
  hear_leader(2, 1);
  hear_leader(3, 2);
  EXPECT_EQ(asked.size(), 2u);
  administration.answered({asked[1].id, false, "TRYAGAIN this node does not lead"});
  EXPECT_THAT(answers, IsEmpty());
  settle();
  EXPECT_EQ(asked.size(), 3u);
}

TEST_F(FollowerAdministrationTest, WhatAPeerAsksIsNotAskedFurther) {
  begin({"remove", "3"}, false);
  hear_leader(2, 1);
  EXPECT_THAT(asked, IsEmpty());
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_THAT(answers[0], HasSubstr("-TRYAGAIN"));
}

TEST_F(FollowerAdministrationTest, GivesUpInTime) {
  begin({"transfer", "3"}, true, tick + 2);
  settle();
  settle();
  settle();
  EXPECT_THAT(answers, ElementsAre("-CLUSTERDOWN there is no leader, try again"));
  answers.clear();
  hear_leader(2, 1);
  begin({"remove", "3"}, true, tick + 2);
  settle();
  settle();
  settle();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_THAT(answers[0], HasSubstr("-UNCERTAIN"));
}

}  // namespace
}  // namespace kvorum::server
