// Whatever shows a connection keys that it did not name asks may_see(). WatchFeedTest has the feed.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "resp/reply_parser.h"
#include "server/authentication.h"
#include "server/pubsub.h"
#include "server/stream_questions.h"
#include "server/tracking.h"

namespace kvorum::server {
namespace {

constexpr size_t kMany = 1000;

command::HistoryEvent change() {
  return {{7, 0}, &command::events::kSet, "k", "v"};
}

// One connection that may see `k` and one that may not; both have asked for it.
class MaySee : public ::testing::Test {
 protected:
  MaySee() {
    for (Session* session : {&friend_, &stranger_}) {
      session->id = session == &friend_ ? 1 : 2;
      session->authenticated = session == &friend_;
    }
  }

  static void subscribe(PubSub& pubsub, Session& session, bool watch, const std::string& target) {
    Subscription& subscription = session.patterns[target];
    subscription.session = &session;
    subscription.kind = SubscriptionKind::kPattern;
    subscription.name = subscription.target = target;
    subscription.watch = watch;
    pubsub.subscribe(subscription);
  }
  template <class Question>
  static std::string answer(Question& question) {
    question.take(change());
    std::string text;
    resp::ReplyWriter reply(text, resp::Protocol::kResp2);
    question.answer(HistoryScan::forward({}, {9, 0}, std::nullopt), reply);
    resp::ReplyParser parser;
    parser.feed(text);
    return resp::to_string(**parser.next());
  }
  void track(Tracking& table, bool broadcast) {
    for (Session* session : {&friend_, &stranger_}) {
      session->tracking = std::make_unique<TrackingState>();
      session->tracking->options.broadcast = broadcast;
      table.start(*session);
      if (broadcast) {
        table.add_prefix(*session, "");
      } else {
        table.remember(*session, "k", {1, 0});
      }
    }
  }

  Session friend_;
  Session stranger_;
};

TEST_F(MaySee, IsWhatAPasswordGives) {
  EXPECT_TRUE(may_see(friend_, "k"));
  EXPECT_FALSE(may_see(stranger_, "k"));
  EXPECT_TRUE(authenticate(stranger_, "password", "default", "password"));
  EXPECT_TRUE(may_see(stranger_, "k"));
}

TEST_F(MaySee, IsAskedOfWatches) {
  for (const char* target : {"k", "*", "[k]"}) {
    PubSub pubsub;
    subscribe(pubsub, friend_, true, target);
    subscribe(pubsub, stranger_, true, target);
    std::vector<Session*> told;
    EXPECT_EQ(pubsub.notify("k", [&](Subscription& to) { told.push_back(to.session); }), 1u);
    EXPECT_EQ(told, std::vector<Session*>{&friend_}) << target;
  }
}

TEST_F(MaySee, IsAskedOfKeyspaceNotificationsButNotOfMessages) {
  PubSub pubsub;
  subscribe(pubsub, friend_, false, "__key*");
  subscribe(pubsub, stranger_, false, "__key*");
  std::vector<Session*> told;
  auto tell = [&](Subscription& to) { told.push_back(to.session); };
  pubsub.publish_change("k", "__keyevent@0__:set", tell);
  EXPECT_EQ(told, std::vector<Session*>{&friend_});
  EXPECT_EQ(pubsub.publish("__keyevent@0__:set", tell), 2u);
}

TEST_F(MaySee, IsAskedOfStreams) {
  auto read = [](Session& session) {
    std::vector<ReadName> names(1);
    names[0].session = &session;
    names[0].name = names[0].target = "*";
    ReadQuestion question(std::move(names), kMany, kMany);
    return answer(question);
  };
  auto range = [](Session& session) {
    RangeQuestion question(session, "*", kMany, kMany);
    return answer(question);
  };
  auto length = [](Session& session) {
    LengthQuestion question(session, "*");
    return answer(question);
  };
  auto info = [](Session& session) {
    InfoQuestion question(session, "*");
    return answer(question);
  };
  EXPECT_NE(read(friend_).find("7-0"), std::string::npos);
  EXPECT_EQ(read(stranger_), "(nil array)");
  EXPECT_NE(range(friend_).find("7-0"), std::string::npos);
  EXPECT_EQ(range(stranger_), "[]");
  EXPECT_EQ(length(friend_), "1");
  EXPECT_EQ(length(stranger_), "0");
  EXPECT_NE(info(friend_).find("7-0"), std::string::npos);
  EXPECT_EQ(info(stranger_).find("7-0"), std::string::npos);
}

TEST_F(MaySee, IsAskedOfTrackedKeys) {
  Tracking table;
  track(table, false);
  std::vector<uint64_t> told;
  table.changed("k", {7, 0}, 0, [&](Session& session) { told.push_back(session.id); });
  EXPECT_EQ(told, std::vector<uint64_t>{1});
  EXPECT_EQ(table.items(), 0u) << "both have to read it again";
}

TEST_F(MaySee, IsAskedOfBroadcasts) {
  Tracking table;
  track(table, true);
  table.changed("k", {7, 0}, 0, [](Session&) {});
  std::vector<uint64_t> told;
  table.broadcast([&](Session& session, const std::string&) { told.push_back(session.id); });
  EXPECT_EQ(told, std::vector<uint64_t>{1});
}

}  // namespace
}  // namespace kvorum::server
