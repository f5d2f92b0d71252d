#include "server/own_writes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kvorum::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr raft::NodeId kSelf(7);
constexpr uint64_t kSession = 100;

// Own writes with somebody who takes what is offered, and a state machine that executes it.
struct OwnWritesTest : testing::Test {
  void add(uint64_t batch, uint64_t deadline = 1000) {
    command::BatchBuilder builder;
    builder.add(std::vector<std::string_view>{"SET", "k", std::to_string(batch)});
    writes.add({0, batch, {}}, builder.take(), deadline);
  }
  // The identities that were offered.
  std::vector<std::string> offer(Offer answer = Offer::kTaken) {
    std::vector<std::string> offered;
    writes.offer(
        [&](const std::string& data) {
          command::BatchIdentity identity = *command::identity_of(data);
          EXPECT_EQ(identity.node, kSelf);
          offered.push_back(fmt::format("{}/{}", identity.session - kSession, identity.sequence));
          return answer;
        },
        [&](const BatchOrigin& origin) { refused.push_back(origin.batch); }, tick);
    return offered;
  }
  // A committed entry with that identity: the batch it answers, 0 for none.
  uint64_t hand_over(int session, uint64_t sequence, uint64_t index) {
    auto origin = writes.hand_over({kSelf, kSession + session, sequence}, raft::Index(index));
    return origin ? origin->batch : 0;
  }
  void executed(uint64_t index, int session, uint64_t sequence) {
    writes.executed(raft::Index(index), {kSelf, kSession + session, sequence, raft::Index(index)},
                    [&](const BatchOrigin& origin) { unknown.push_back(origin.batch); });
  }
  void expire(uint64_t tick) {
    writes.expire(
        tick, [&](const BatchOrigin& origin) { refused.push_back(origin.batch); },
        [&](const BatchOrigin& origin) { unknown.push_back(origin.batch); });
  }

  OwnWrites writes{kSelf, kSession};
  uint64_t tick = 0;
  std::vector<uint64_t> refused;
  std::vector<uint64_t> unknown;
};

TEST_F(OwnWritesTest, NumbersBatchesInTheOrderOfTheirArrivalAndOffersEachOnce) {
  add(1);
  add(2);
  EXPECT_THAT(offer(), ElementsAre("0/1", "0/2"));
  add(3);
  EXPECT_THAT(offer(), ElementsAre("0/3"));
  EXPECT_THAT(offer(), IsEmpty());
}

TEST_F(OwnWritesTest, AnswersABatchByTheEntryThatExecutesIt) {
  add(1);
  offer();
  EXPECT_EQ(hand_over(0, 2, 10), 0u);
  EXPECT_EQ(hand_over(0, 1, 11), 1u);
  executed(11, 0, 1);
  EXPECT_TRUE(writes.empty());
  EXPECT_EQ(hand_over(0, 1, 12), 0u);
  EXPECT_THAT(unknown, IsEmpty());
}

TEST_F(OwnWritesTest, OffersWhatMayBeLostAgainUnderTheSameIdentity) {
  add(1);
  add(2);
  add(3);
  offer();
  hand_over(0, 1, 10);
  executed(10, 0, 1);
  writes.lost();
  EXPECT_THAT(offer(), ElementsAre("0/2", "0/3"));
  writes.lost_from(kSession, 3);
  EXPECT_THAT(offer(), ElementsAre("0/3"));
  writes.lost_from(kSession + 1, 1);
  EXPECT_THAT(offer(), IsEmpty());
}

TEST_F(OwnWritesTest, DoesNotOfferWhatIsAboutToBeExecuted) {
  add(1);
  offer();
  hand_over(0, 1, 10);
  writes.lost();
  EXPECT_THAT(offer(), IsEmpty());
}

TEST_F(OwnWritesTest, OffersABatchAgainWhoseEntryCameBeforeItsTurn) {
  add(1);
  add(2);
  offer();
  EXPECT_EQ(hand_over(0, 2, 10), 2u);
  executed(10, 0, 0);
  EXPECT_THAT(offer(), ElementsAre("0/2"));
  writes.lost();
  EXPECT_THAT(offer(), ElementsAre("0/1", "0/2"));
  EXPECT_EQ(hand_over(0, 1, 11), 1u);
  EXPECT_EQ(hand_over(0, 2, 12), 2u);
  executed(12, 0, 2);
  EXPECT_TRUE(writes.empty());
}

TEST_F(OwnWritesTest, ABatchThatIsNotTakenKeepsNoNumber) {
  add(1);
  EXPECT_THAT(offer(Offer::kLater), ElementsAre("0/1"));
  EXPECT_THAT(refused, IsEmpty());
  EXPECT_THAT(offer(Offer::kRefused), ElementsAre("0/1"));
  EXPECT_THAT(refused, ElementsAre(1));
  add(2);
  EXPECT_THAT(offer(), ElementsAre("0/1"));
}

TEST_F(OwnWritesTest, RefusesInTimeWhatNeverLeft) {
  add(1, 50);
  offer(Offer::kLater);
  expire(49);
  EXPECT_THAT(refused, IsEmpty());
  expire(50);
  EXPECT_THAT(refused, ElementsAre(1));
  EXPECT_THAT(unknown, IsEmpty());
  EXPECT_TRUE(writes.empty());
}

TEST_F(OwnWritesTest, AnEmptyBatchTakesThePlaceOfOneThatIsGivenUp) {
  add(1, 50);
  add(2, 90);
  offer();
  expire(50);
  EXPECT_THAT(unknown, ElementsAre(1));
  add(3);
  EXPECT_THAT(offer(), ElementsAre("0/3"));
  writes.lost();
  std::vector<size_t> items;
  writes.offer(
      [&](const std::string& data) {
        items.push_back(command::BatchReader(data).items());
        return Offer::kTaken;
      },
      [](const BatchOrigin&) {}, tick);
  EXPECT_THAT(items, ElementsAre(0, 1, 1));
  // Whichever comes first, nobody waits for it any more.
  EXPECT_EQ(hand_over(0, 1, 10), 0u);
  EXPECT_EQ(hand_over(0, 2, 11), 2u);
  EXPECT_EQ(hand_over(0, 3, 12), 3u);
  executed(12, 0, 3);
  EXPECT_TRUE(writes.empty());
  EXPECT_THAT(unknown, ElementsAre(1));
}

TEST_F(OwnWritesTest, GivesABatchUpOnce) {
  add(1, 50);
  offer();
  expire(50);
  expire(60);
  EXPECT_THAT(unknown, ElementsAre(1));
  writes.lost();
  EXPECT_THAT(offer(), ElementsAre("0/1"));
}

TEST_F(OwnWritesTest, DoesNotGiveUpWhatIsAboutToBeExecuted) {
  add(1, 50);
  offer();
  hand_over(0, 1, 10);
  expire(60);
  EXPECT_THAT(unknown, IsEmpty());
  executed(10, 0, 1);
  EXPECT_TRUE(writes.empty());
}

TEST_F(OwnWritesTest, SaysWhenASnapshotExecutedABatchWithoutItsReply) {
  add(1);
  add(2);
  offer();
  executed(500, 0, 1);
  EXPECT_THAT(unknown, ElementsAre(1));
  writes.lost();
  EXPECT_THAT(offer(), ElementsAre("0/2"));
}

TEST_F(OwnWritesTest, IsOverdueByTheAgeOfTheOldestThatIsUnderWay) {
  EXPECT_FALSE(writes.overdue(100, 10));
  tick = 5;
  add(1);
  EXPECT_FALSE(writes.overdue(100, 10));  // never sent
  offer();
  tick = 12;
  add(2);
  offer();
  EXPECT_FALSE(writes.overdue(14, 10));
  EXPECT_TRUE(writes.overdue(15, 10));
  writes.lost();
  EXPECT_FALSE(writes.overdue(15, 10));
  tick = 16;
  offer();
  EXPECT_FALSE(writes.overdue(25, 10));
  hand_over(0, 1, 10);
  EXPECT_FALSE(writes.overdue(26, 10));
}

TEST_F(OwnWritesTest, IsNotMisledByTheSessionBefore) {
  add(1);
  offer();
  EXPECT_EQ(hand_over(-1, 1, 10), 0u);
  executed(10, -1, 4);
  EXPECT_FALSE(writes.empty());
  EXPECT_EQ(hand_over(0, 1, 11), 1u);
  executed(11, 0, 1);
  EXPECT_TRUE(writes.empty());
}

}  // namespace
}  // namespace kvorum::server
