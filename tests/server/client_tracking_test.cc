// CLIENT TRACKING through a whole node, with one loop and with three: consecutive connections are
// on different loops then.

#include <gmock/gmock.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tracking_client.h"

namespace kvorum::server {
namespace {

using ::testing::HasSubstr;

class ClientTrackingTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  std::string info(std::string_view field) {
    const std::string text = other_.run("INFO", "everything").text;
    const size_t at = text.find("\n" + std::string(field) + ":");
    if (at == std::string::npos) return "no field";
    const size_t begin = text.find(':', at) + 1;
    return text.substr(begin, text.find('\r', begin) - begin);
  }

  NodeHarness harness_{GetParam()};
  TrackingClient client_{harness_};
  TestClient other_{harness_};
};

INSTANTIATE_TEST_SUITE_P(Loops, ClientTrackingTest, ::testing::Values(1u, 3u));

TEST_P(ClientTrackingTest, TellsAReaderOfTheNextChange) {
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON"), "OK");
  for (int round = 0; round < 3; ++round) {
    client_.run("GET", "k");
    client_.run("MGET", "l", "m");
    other_.run("SET", "unread", "1");
    other_.run("SET", "k", "1");
    other_.run("SET", "k", "2");
    other_.run("DEL", "absent");
    other_.run("SET", "m", "1");
    EXPECT_EQ(client_.push_text(), invalidate("[\"k\"]"));
    EXPECT_EQ(client_.push_text(), invalidate("[\"m\"]"));
    EXPECT_EQ(client_.text("GET", "k"), "\"2\"");
  }
  EXPECT_FALSE(client_.has_push());
}

TEST_P(ClientTrackingTest, TellsOfEveryKindOfChange) {
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON"), "OK");
  const std::vector<std::vector<std::string_view>> changes = {{"SET", "k", "1"},
                                                              {"APPEND", "k", "1"},
                                                              {"INCR", "k"},
                                                              {"EXPIRE", "k", "100"},
                                                              {"PERSIST", "k"},
                                                              {"RENAME", "k", "j"},
                                                              {"COPY", "j", "k"},
                                                              {"DEL", "k"},
                                                              {"MSET", "k", "1"},
                                                              {"GETDEL", "k"},
                                                              {"SETEX", "k", "100", "1"}};
  for (const auto& change : changes) {
    client_.run("STRLEN", "k");
    other_.send_args(change);
    EXPECT_FALSE(other_.receive().is_error()) << change[0];
    EXPECT_EQ(client_.push_text(), invalidate("[\"k\"]")) << change[0];
  }
}

TEST_P(ClientTrackingTest, TellsOfExpiry) {
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON"), "OK");
  other_.run("SET", "k", "1", "PX", "300");
  client_.run("GET", "k");
  EXPECT_EQ(client_.push_text(), invalidate("[\"k\"]"));
  EXPECT_EQ(client_.text("GET", "k"), "(nil)");
}

TEST_P(ClientTrackingTest, AKeyThatWasNotThereIsTrackedToo) {
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON"), "OK");
  EXPECT_EQ(client_.text("GET", "absent"), "(nil)");
  other_.run("SET", "absent", "1");
  EXPECT_EQ(client_.push_text(), invalidate("[\"absent\"]"));
}

TEST_P(ClientTrackingTest, AChangeThatWasReadIsNoNews) {
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON"), "OK");
  client_.run("GET", "fence");
  for (int i = 0; i < 200; ++i) {
    const std::string key = std::to_string(i);
    ASSERT_EQ(other_.text("SET", key, "v"), "OK");
    ASSERT_EQ(client_.text("GET", key), "\"v\"");
  }
  other_.run("SET", "fence", "1");
  EXPECT_EQ(client_.push_text(), invalidate("[\"fence\"]"));
  other_.run("SET", "199", "1");
  EXPECT_EQ(client_.push_text(), invalidate("[\"199\"]"));
}

TEST_P(ClientTrackingTest, OwnChangesComeRightAfterTheirReply) {
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON"), "OK");
  client_.run("MGET", "a", "b");
  client_.raw().send("SET", "a", "1");
  client_.raw().send("SET", "unread", "1");
  client_.raw().send("SET", "b", "1");
  client_.raw().send("GET", "c");
  std::vector<std::string> heard;
  for (int i = 0; i < 6; ++i) heard.push_back(client_.raw().receive_text());
  EXPECT_EQ(heard, (std::vector<std::string>{"OK", invalidate("[\"a\"]"), "OK", "OK",
                                             invalidate("[\"b\"]"), "(nil)"}));
}

TEST_P(ClientTrackingTest, NothingComesInsideATransactionsReply) {
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON"), "OK");
  for (bool with_local : {false, true}) {
    client_.run("GET", "k");
    client_.run("MULTI");
    client_.run("SET", "k", "1");
    client_.run("GET", "k");
    if (with_local) client_.run("CLIENT", "LIST");
    client_.run("GET", "z");
    client_.raw().send("EXEC");
    EXPECT_EQ(client_.raw().receive().elements.size(), with_local ? 4u : 3u);
    EXPECT_EQ(client_.raw().receive_text(), invalidate("[\"k\"]"));
    // What it read is tracked.
    other_.run("SET", "z", "1");
    other_.run("SET", "k", "2");
    EXPECT_EQ(client_.push_text(), invalidate("[\"z\"]"));
    EXPECT_EQ(client_.push_text(), invalidate("[\"k\"]"));
  }
}

TEST_P(ClientTrackingTest, ATransactionThatWritesWhatItReadIsToldOnceAfterIt) {
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON"), "OK");
  client_.run("GET", "tracked");
  for (const char* key : {"tracked", "new"}) {
    client_.run("MULTI");
    client_.run("GET", "before");
    client_.run("GET", key);
    client_.run("SET", key, "1");
    client_.raw().send("EXEC");
    EXPECT_EQ(client_.raw().receive().elements.size(), 3u);
    EXPECT_EQ(client_.raw().receive_text(), invalidate("[\"" + std::string(key) + "\"]"));
    other_.run("SET", key, "2");
  }
  other_.run("SET", "before", "1");
  EXPECT_EQ(client_.push_text(), invalidate("[\"before\"]"));
}

// A change tells once, however often the key was read before it.
TEST_P(ClientTrackingTest, ATransactionIsToldOfEachChangeOnceThatFollowsItsReads) {
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON"), "OK");
  client_.run("MULTI");
  client_.run("EXISTS", "k", "k");
  client_.run("SET", "other", "1");
  client_.run("GET", "k");
  client_.run("SET", "k", "1");
  client_.run("GET", "k");
  client_.run("APPEND", "k", "2");
  client_.run("APPEND", "k", "3");
  client_.raw().send("EXEC");
  EXPECT_EQ(client_.raw().receive().elements.size(), 7u);
  EXPECT_EQ(client_.raw().receive_text(), invalidate("[\"k\"]"));
  EXPECT_EQ(client_.raw().receive_text(), invalidate("[\"k\"]"));
  other_.run("SET", "k", "4");
  EXPECT_EQ(client_.text("PING"), "PONG");
}

TEST_P(ClientTrackingTest, TransactionsThatOnlyReadAreTracked) {
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON"), "OK");
  client_.run("MULTI");
  client_.run("PTTL", "k");
  client_.run("CLIENT", "LIST");
  client_.run("GET", "l");
  client_.run("EXEC");
  other_.run("SET", "l", "1");
  other_.run("SET", "k", "1");
  EXPECT_EQ(client_.push_text(), invalidate("[\"l\"]"));
  EXPECT_EQ(client_.push_text(), invalidate("[\"k\"]"));
}

TEST_P(ClientTrackingTest, MayBeginAndEndInsideATransaction) {
  client_.run("MULTI");
  client_.run("GET", "before");
  client_.run("CLIENT", "TRACKING", "ON");
  client_.run("GET", "after");
  client_.run("SET", "written", "1");
  client_.run("EXEC");
  other_.run("SET", "before", "1");
  other_.run("SET", "after", "1");
  const std::string first = client_.push_text();
  EXPECT_EQ(first, invalidate("[\"after\"]"));
  client_.run("GET", "k");
  client_.run("MULTI");
  client_.run("SET", "k", "1");
  client_.run("CLIENT", "TRACKING", "OFF");
  EXPECT_EQ(client_.text("EXEC"), "[OK, OK]");
  other_.run("SET", "k", "1");
  EXPECT_EQ(client_.text("CLIENT", "GETREDIR"), "-1");
  EXPECT_EQ(info("tracking_clients"), "0");
}

TEST_P(ClientTrackingTest, OptInTracksWhatCachingPrecedes) {
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON", "OPTIN"), "OK");
  client_.run("GET", "never");
  client_.run("CLIENT", "CACHING", "YES");
  client_.run("CLIENT", "ID");
  client_.run("GET", "one");
  client_.run("GET", "not this");
  client_.run("CLIENT", "CACHING", "YES");
  EXPECT_TRUE(client_.run("NOSUCH").is_error());
  client_.run("GET", "spent");
  client_.run("CLIENT", "CACHING", "YES");
  client_.run("MULTI");
  client_.run("GET", "two");
  client_.run("GET", "three");
  client_.run("EXEC");
  client_.run("GET", "nor this");
  client_.run("MULTI");
  client_.run("GET", "too early");
  client_.run("CLIENT", "CACHING", "YES");
  client_.run("SET", "written", "1");
  client_.run("GET", "four");
  client_.run("EXEC");
  client_.run("GET", "over");
  for (const char* key : {"never", "one", "not this", "spent", "two", "three", "nor this",
                          "too early", "four", "over"}) {
    other_.run("SET", key, "1");
  }
  for (const char* key : {"one", "two", "three", "four"}) {
    EXPECT_EQ(client_.push_text(), invalidate("[\"" + std::string(key) + "\"]"));
  }
}

TEST_P(ClientTrackingTest, OptOutTracksAllElse) {
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON", "OPTOUT"), "OK");
  client_.run("CLIENT", "CACHING", "NO");
  client_.run("GET", "not this");
  client_.run("GET", "k");
  other_.run("SET", "not this", "1");
  other_.run("SET", "k", "1");
  EXPECT_EQ(client_.push_text(), invalidate("[\"k\"]"));
}

TEST_P(ClientTrackingTest, NoLoopKeepsOwnChangesBack) {
  TrackingClient second(harness_);
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON", "NOLOOP"), "OK");
  ASSERT_EQ(second.text("CLIENT", "TRACKING", "ON", "NOLOOP"), "OK");
  for (int i = 0; i < 50; ++i) {
    client_.run("MGET", "k", "l");
    second.run("GET", "k");
    ASSERT_EQ(client_.text("SET", "k", "1"), "OK");
    ASSERT_EQ(second.push_text(), invalidate("[\"k\"]"));
    other_.run("SET", "l", "1");
    ASSERT_EQ(client_.push_text(), invalidate("[\"l\"]"));
  }
}

TEST_P(ClientTrackingTest, NoLoopHoldsForPipelinesAndTransactions) {
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON", "NOLOOP"), "OK");
  client_.run("MGET", "a", "b", "c", "d", "fence");
  for (const char* key : {"a", "a", "b"}) client_.raw().send("INCR", key);
  client_.raw().send("MULTI");
  client_.raw().send("MSET", "c", "1", "d", "1");
  client_.raw().send("EXEC");
  std::vector<std::string> heard;
  for (int i = 0; i < 6; ++i) heard.push_back(client_.raw().receive_text());
  EXPECT_EQ(heard, (std::vector<std::string>{"1", "2", "1", "OK", "QUEUED", "[OK]"}));
  other_.run("SET", "fence", "1");
  EXPECT_EQ(client_.push_text(), invalidate("[\"fence\"]"));
}

TEST_P(ClientTrackingTest, BroadcastsAllKeysOfATurnAtOnce) {
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a:", "PREFIX", "b:"),
            "OK");
  other_.run("MSET", "b:1", "1", "a:2", "1", "c", "1", "a:1", "1", "a:2", "2");
  EXPECT_EQ(client_.push_text(), invalidate("[\"a:1\", \"a:2\"]"));
  EXPECT_EQ(client_.push_text(), invalidate("[\"b:1\"]"));
  EXPECT_EQ(client_.text("SET", "a:3", "1"), "OK");
  EXPECT_EQ(client_.push_text(), invalidate("[\"a:3\"]"));
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "c"), "OK");
  other_.run("SET", "c", "2");
  EXPECT_EQ(client_.push_text(), invalidate("[\"c\"]"));
  EXPECT_EQ(info("tracking_total_prefixes"), "3");
}

TEST_P(ClientTrackingTest, BroadcastsFollowTheReplyOfTheChange) {
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON", "BCAST"), "OK");
  for (int i = 0; i < 100; ++i) {
    client_.raw().send("SET", "k", "1");
    ASSERT_EQ(client_.raw().receive_text(), "OK");
    ASSERT_EQ(client_.raw().receive_text(), invalidate("[\"k\"]"));
  }
}

TEST_P(ClientTrackingTest, BroadcastsToAllButTheWriterWithNoLoop) {
  TrackingClient second(harness_);
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON", "BCAST", "NOLOOP"), "OK");
  ASSERT_EQ(second.text("CLIENT", "TRACKING", "ON", "BCAST", "NOLOOP"), "OK");
  client_.run("SET", "k", "1");
  second.run("SET", "l", "1");
  EXPECT_EQ(second.push_text(), invalidate("[\"k\"]"));
  EXPECT_EQ(client_.push_text(), invalidate("[\"l\"]"));
}

TEST_P(ClientTrackingTest, AFlushIsOneNullForEverybody) {
  TrackingClient second(harness_);
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON", "NOLOOP"), "OK");
  ASSERT_EQ(second.text("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "x"), "OK");
  for (int i = 0; i < 20; ++i) client_.run("SET", std::to_string(i), "1");
  client_.run("MGET", "1", "2", "absent");
  client_.raw().send("FLUSHALL");
  EXPECT_EQ(client_.raw().receive_text(), "OK");
  EXPECT_EQ(client_.raw().receive_text(), invalidate("(nil)"));
  EXPECT_EQ(second.push_text(), invalidate("(nil)"));
  EXPECT_EQ(info("tracking_total_keys"), "0");
  other_.run("SET", "1", "1");
  client_.run("GET", "2");
  other_.run("SET", "2", "1");
  EXPECT_EQ(client_.push_text(), invalidate("[\"2\"]"));
}

TEST_P(ClientTrackingTest, RedirectsToASubscriberThatSpeaksResp2) {
  TestClient subscriber(harness_);
  TestClient reader(harness_);
  const std::string id = std::to_string(subscriber.run("CLIENT", "ID").integer);
  EXPECT_EQ(reader.text("CLIENT", "TRACKING", "ON", "REDIRECT", id), "OK");
  EXPECT_EQ(reader.text("CLIENT", "GETREDIR"), id);
  subscriber.run("SUBSCRIBE", "__redis__:invalidate");
  reader.run("GET", "k");
  reader.run("SET", "k", "1");
  EXPECT_EQ(subscriber.receive_text(), "[\"message\", \"__redis__:invalidate\", [\"k\"]]");
  other_.run("FLUSHALL");
  EXPECT_EQ(subscriber.receive_text(), "[\"message\", \"__redis__:invalidate\", (nil)]");
  EXPECT_EQ(reader.text("GET", "k"), "(nil)");
}

TEST(ClientTrackingOnOneLoop, SaysNothingToAReceiverThatDoesNotListen) {
  NodeHarness harness;
  TestClient receiver(harness);
  TestClient reader(harness);
  const std::string id = std::to_string(receiver.run("CLIENT", "ID").integer);
  EXPECT_EQ(reader.text("CLIENT", "TRACKING", "ON", "REDIRECT", id), "OK");
  reader.run("GET", "k");
  reader.run("SET", "k", "1");
  EXPECT_EQ(receiver.text("PING"), "PONG");
}

TEST_P(ClientTrackingTest, RedirectsPushesToResp3WithoutASubscription) {
  TrackingClient receiver(harness_);
  EXPECT_EQ(other_.text("CLIENT", "TRACKING", "ON", "REDIRECT", receiver.id(), "BCAST"), "OK");
  other_.run("SET", "k", "1");
  EXPECT_EQ(receiver.push_text(), invalidate("[\"k\"]"));
}

TEST_P(ClientTrackingTest, RedirectsToItselfInResp2) {
  const std::string id = std::to_string(other_.run("CLIENT", "ID").integer);
  EXPECT_EQ(other_.text("CLIENT", "TRACKING", "ON", "REDIRECT", id, "BCAST"), "OK");
  other_.run("SUBSCRIBE", "c");
  client_.run("SET", "k", "1");
  EXPECT_EQ(other_.receive_text(), "[\"message\", \"__redis__:invalidate\", [\"k\"]]");
}

TEST_P(ClientTrackingTest, SaysThatARedirectionIsBroken) {
  auto receiver = std::make_unique<TrackingClient>(harness_);
  const std::string id = receiver->id();
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON", "REDIRECT", id), "OK");
  client_.run("MGET", "k", "l");
  receiver.reset();
  ASSERT_TRUE(eventually([&] { return info("connected_clients") == "2"; }));
  for (const char* key : {"k", "l"}) {
    other_.run("SET", key, "1");
    EXPECT_EQ(client_.push_text(), "push[\"tracking-redir-broken\", " + id + "]");
  }
  EXPECT_EQ(
      client_.text("CLIENT", "TRACKINGINFO"),
      "{\"flags\": set[\"on\", \"broken_redirect\"], \"redirect\": " + id + ", \"prefixes\": []}");
  EXPECT_THAT(client_.run("CLIENT", "INFO").text, HasSubstr(" flags=tR "));
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON"), "OK");
  EXPECT_THAT(client_.run("CLIENT", "INFO").text, HasSubstr(" flags=t "));
  EXPECT_TRUE(client_.run("CLIENT", "TRACKING", "ON", "REDIRECT", id).is_error());
}

TEST_P(ClientTrackingTest, ComesThroughWhileRepliesAreOff) {
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON"), "OK");
  client_.run("MGET", "k", "l");
  client_.raw().send("CLIENT", "REPLY", "OFF");
  client_.raw().send("SET", "k", "1");
  EXPECT_EQ(client_.push_text(), invalidate("[\"k\"]"));
  other_.run("SET", "l", "1");
  EXPECT_EQ(client_.push_text(), invalidate("[\"l\"]"));
  client_.raw().send("GET", "m");
  client_.raw().send("MULTI");
  client_.raw().send("SET", "m", "1");
  client_.raw().send("EXEC");
  EXPECT_EQ(client_.push_text(), invalidate("[\"m\"]"));
  EXPECT_EQ(client_.text("CLIENT", "REPLY", "ON"), "OK");
}

TEST_P(ClientTrackingTest, SaysNothingInResp2WithoutARedirection) {
  EXPECT_EQ(other_.text("CLIENT", "TRACKING", "ON"), "OK");
  other_.run("GET", "k");
  other_.run("SET", "k", "1");
  EXPECT_EQ(other_.text("GET", "k"), "\"1\"");
  other_.run("HELLO", "3");
  client_.run("SET", "k", "2");
  EXPECT_EQ(other_.receive_text(), invalidate("[\"k\"]"));
  other_.run("HELLO", "2");
  other_.run("GET", "k");
  client_.run("SET", "k", "3");
  EXPECT_EQ(other_.text("PING"), "PONG");
}

TEST_P(ClientTrackingTest, EndsWithOffResetAndTheConnection) {
  auto third = std::make_unique<TrackingClient>(harness_);
  for (TrackingClient* client : {&client_, third.get()}) {
    ASSERT_EQ(client->text("CLIENT", "TRACKING", "ON"), "OK");
    client->run("GET", "k");
  }
  EXPECT_EQ(info("tracking_clients"), "2");
  EXPECT_EQ(info("tracking_total_items"), "2");
  third.reset();
  ASSERT_TRUE(eventually([&] { return info("tracking_clients") == "1"; }));
  EXPECT_EQ(client_.text("RESET"), "RESET");
  EXPECT_EQ(info("tracking_clients"), "0");
  EXPECT_EQ(info("tracking_total_keys"), "0");
  client_.run("HELLO", "3");
  other_.run("SET", "k", "1");
  EXPECT_EQ(client_.text("GET", "k"), "\"1\"");
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON"), "OK");
  client_.run("GET", "k");
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "OFF"), "OK");
  other_.run("SET", "k", "2");
  EXPECT_EQ(client_.text("GET", "k"), "\"2\"");
  EXPECT_FALSE(client_.has_push());
}

TEST_P(ClientTrackingTest, IsShownInClientList) {
  EXPECT_THAT(client_.run("CLIENT", "INFO").text, HasSubstr(" redir=-1 "));
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON", "BCAST"), "OK");
  const std::string line = other_.run("CLIENT", "LIST", "ID", client_.id()).text;
  EXPECT_THAT(line, HasSubstr(" flags=tB "));
  EXPECT_THAT(line, HasSubstr(" redir=0 "));
}

TEST_P(ClientTrackingTest, ForgetsKeysBeyondTheLimitAndSaysSo) {
  ASSERT_EQ(client_.text("CLIENT", "TRACKING", "ON"), "OK");
  constexpr int kKeys = 500;
  for (int i = 0; i < kKeys; ++i) client_.run("GET", std::to_string(i));
  EXPECT_EQ(info("tracking_total_keys"), std::to_string(kKeys));
  EXPECT_EQ(other_.text("CONFIG", "SET", "tracking-table-max-keys", "30"), "OK");
  const size_t left = 30 / GetParam();
  std::set<std::string> evicted;
  while (evicted.size() < kKeys - left) evicted.insert(client_.push().elements[1].elements[0].text);
  EXPECT_EQ(info("tracking_total_keys"), std::to_string(left));
  // One more for one less.
  client_.run("GET", "one more");
  EXPECT_EQ(client_.push().elements[1].elements.size(), 1u);
  EXPECT_EQ(info("tracking_total_keys"), std::to_string(left));
  EXPECT_EQ(other_.text("CONFIG", "SET", "tracking-table-max-keys", "0"), "OK");
  for (int i = 0; i < kKeys; ++i) client_.run("GET", std::to_string(i));
  EXPECT_FALSE(client_.has_push());
}

}  // namespace
}  // namespace kvorum::server
