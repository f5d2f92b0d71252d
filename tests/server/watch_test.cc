// Watches, keyspace notifications and pub/sub, over a socket.

#include <gmock/gmock.h>

#include <map>

#include "base/event_id.h"
#include "node_harness.h"

namespace kvorum::server {
namespace {

// "set 42-0 value" without its id, and the id.
struct Event {
  std::string text;
  EventId id;
};

Event parse_event(const std::string& payload) {
  size_t first = payload.find(' ');
  size_t second = payload.find(' ', first + 1);
  std::string id = payload.substr(first + 1, second - first - 1);
  std::string rest = second == std::string::npos ? "" : payload.substr(second);
  return {payload.substr(0, first) + rest, EventId::parse(id).value_or(EventId{})};
}

TEST(Watches, TellEveryChangeOfAKeyWithGrowingIds) {
  NodeHarness harness;
  TestClient watcher(harness);
  TestClient client(harness);
  EXPECT_EQ(watcher.text("SUBSCRIBE", "__watch__:k"), "[\"subscribe\", \"__watch__:k\", 1]");
  client.run("SET", "k", "a value");
  client.run("SET", "other", "x");
  client.run("APPEND", "k", "!");
  client.run("DEL", "k");
  client.run("SET", "k", "", "PX", "20");
  EventId last;
  for (std::string expected :
       {"set a value", "append a value!", "del", "set ", "expire", "expired"}) {
    resp::Value message = watcher.receive();
    ASSERT_EQ(message.elements.size(), 3u);
    EXPECT_EQ(message.elements[0].text, "message");
    EXPECT_EQ(message.elements[1].text, "__watch__:k");
    Event event = parse_event(message.elements[2].text);
    EXPECT_EQ(event.text, expected);
    EXPECT_GT(event.id, last);
    last = event.id;
  }
}

TEST(Watches, FromAnIdReplayAndSaySo) {
  NodeHarness harness;
  TestClient watcher(harness);
  TestClient client(harness);
  client.run("SET", "k", "1");
  client.run("SET", "k", "2");
  watcher.run("SUBSCRIBE", "__watch__@0-0:k");
  std::vector<std::string> heard;
  for (int i = 0; i < 3; ++i) heard.push_back(watcher.receive().elements[2].text);
  client.run("DEL", "k");
  heard.push_back(watcher.receive().elements[2].text);
  EXPECT_EQ(heard, (std::vector<std::string>{"set 1-0 1", "set 2-0 2", "sync 2-0", "del 3-0"}));
}

TEST(Watches, BegunNowSayWhereTheyStand) {
  NodeHarness harness(3);
  TestClient watcher(harness);
  TestClient client(harness);
  client.run("SET", "k", "1");
  watcher.run("PSUBSCRIBE", "__watch__@now:k*");
  resp::Value sync = watcher.receive();
  EXPECT_EQ(sync.elements[1].text, "__watch__@now:k*");
  EXPECT_EQ(sync.elements[2].text, "__watch__@now:k*");
  EXPECT_EQ(sync.elements[3].text, "sync 1-0");
  client.run("SET", "k2", "2");
  resp::Value event = watcher.receive();
  EXPECT_EQ(event.elements[1].text, "__watch__@now:k*");
  EXPECT_EQ(event.elements[2].text, "__watch__:k2");
  EXPECT_EQ(event.elements[3].text, "set 2-0 2");
}

TEST(Watches, AreToldTheirProgressWhenIdle) {
  NodeHarness harness(1, [](Config& config) { config.watch.progress_interval_ms = 100; });
  TestClient watcher(harness);
  TestClient client(harness);
  watcher.run("SUBSCRIBE", "__watch__@now:k");
  EXPECT_EQ(watcher.receive().elements[2].text, "sync 0-0");
  client.run("SET", "other", "1");
  EXPECT_EQ(watcher.receive().elements[2].text, "sync 1-0");
}

TEST(Watches, AreRefusedWhole) {
  NodeHarness harness;
  TestClient client(harness);
  for (const char* name : {"__watch__@x:k", "__watch__@1-0", "__watch__@-1:k", "__watch__@:k"}) {
    EXPECT_TRUE(client.run("SUBSCRIBE", "other", name).is_error()) << name;
  }
  EXPECT_EQ(client.text("PUBSUB", "CHANNELS"), "[]");
  EXPECT_TRUE(client.run("PUBLISH", "__watch__@now:k", "x").is_error());
}

TEST(Watches, FromACompactedIdAreRefused) {
  NodeHarness harness(1, [](Config& config) { config.watch.history.max_bytes = 10'000; });
  TestClient client(harness);
  const std::string value(1000, 'x');
  for (int i = 0; i < 50; ++i) client.run("SET", "k", value);
  const std::string refusal = client.text("SUBSCRIBE", "__watch__@1-0:k");
  ASSERT_TRUE(refusal.starts_with("(error) COMPACTED oldest id is ")) << refusal;
  const std::string oldest = refusal.substr(refusal.rfind(' ') + 1);
  client.run("SUBSCRIBE", "__watch__@" + oldest + ":k");
  EXPECT_GT(parse_event(client.receive().elements[2].text).id, *EventId::parse(oldest));
}

TEST(Watches, SurviveARestart) {
  NodeHarness harness;
  {
    TestClient client(harness);
    client.run("SET", "k", "1");
    client.run("SET", "k", "2");
  }
  harness.restart();
  TestClient watcher(harness);
  watcher.run("SUBSCRIBE", "__watch__@1-0:k");
  EXPECT_EQ(watcher.receive().elements[2].text, "set 2-0 2");
}

TEST(Watches, MatchPrefixesAndOtherGlobs) {
  NodeHarness harness(2);
  TestClient watcher(harness);
  TestClient client(harness);
  watcher.run("PSUBSCRIBE", "__watch__:svc/*");
  watcher.run("PSUBSCRIBE", "__watch__:svc/?/port");
  watcher.run("PSUBSCRIBE", "__watch__:lit\\*eral*");
  client.run("SET", "svc/a/port", "1");
  client.run("SET", "svd", "no");
  client.run("SET", "literal", "no");
  client.run("SET", "lit*eral", "2");
  resp::Value message = watcher.receive();
  ASSERT_EQ(message.elements.size(), 4u);
  EXPECT_EQ(message.elements[0].text, "pmessage");
  EXPECT_EQ(message.elements[1].text, "__watch__:svc/*");
  EXPECT_EQ(message.elements[2].text, "__watch__:svc/a/port");
  EXPECT_EQ(watcher.receive().elements[1].text, "__watch__:svc/?/port");
  EXPECT_EQ(watcher.receive().elements[2].text, "__watch__:lit*eral");
}

TEST(Watches, GiveAllChangesOfATransactionOneRevision) {
  NodeHarness harness;
  TestClient watcher(harness);
  TestClient client(harness);
  watcher.run("PSUBSCRIBE", "__watch__:*");
  client.run("MULTI");
  client.run("SET", "a", "1");
  client.run("MSET", "b", "2", "c", "3");
  client.run("DEL", "a");
  client.run("EXEC");
  std::vector<EventId> ids;
  for (int i = 0; i < 4; ++i) {
    ids.push_back(parse_event(watcher.receive().elements[3].text).id);
  }
  for (uint32_t i = 0; i < 4; ++i) EXPECT_EQ(ids[i], (EventId{ids[0].revision, i}));
}

TEST(Watches, HearAboutEveryKeyThatFlushallTakes) {
  NodeHarness harness;
  TestClient watcher(harness);
  TestClient client(harness);
  client.run("MSET", "a", "1", "b", "2");
  watcher.run("PSUBSCRIBE", "__watch__:*");
  client.run("FLUSHALL");
  EXPECT_EQ(parse_event(watcher.receive().elements[3].text).text, "del");
  EXPECT_EQ(watcher.receive().elements[2].text, "__watch__:b");
}

TEST(Watches, EndWithTheirSubscription) {
  NodeHarness harness;
  TestClient watcher(harness);
  TestClient client(harness);
  watcher.run("SUBSCRIBE", "__watch__:k");
  EXPECT_EQ(watcher.text("UNSUBSCRIBE"), "[\"unsubscribe\", \"__watch__:k\", 0]");
  client.run("SET", "k", "1");
  EXPECT_EQ(watcher.text("GET", "k"), "\"1\"");
}

TEST(Watches, ChannelsCannotBeForged) {
  NodeHarness harness;
  TestClient client(harness);
  EXPECT_TRUE(client.run("PUBLISH", "__watch__:k", "set 1-0 lie").is_error());
}

TEST(Watches, SlowReadersCatchUpFromTheHistory) {
  NodeHarness harness(1, [](Config& config) { config.watch.watcher_buffer_size = 50; });
  TestClient watcher(harness);
  TestClient client(harness);
  watcher.run("SUBSCRIBE", "__watch__:k");
  // More than the kernel takes for a reader that does not read.
  const std::string value(1 << 20, 'x');
  constexpr int kChanges = 60;
  for (int i = 0; i < kChanges; ++i) {
    ASSERT_EQ(client.text("SET", "k", std::to_string(i) + value), "OK");
  }
  ASSERT_NE(client.text("INFO", "watch").find("watch_watchers_behind:1"), std::string::npos);
  for (int i = 0; i < kChanges; ++i) {
    const std::string payload = watcher.receive().elements[2].text;
    ASSERT_EQ(payload.substr(0, 20),
              fmt::format("set {}-0 {}xxxxxxxxxxxxxxxxxxxx", i + 1, i).substr(0, 20));
  }
  client.run("SET", "k", "live");
  EXPECT_EQ(watcher.receive().elements[2].text, fmt::format("set {}-0 live", kChanges + 1));
  EXPECT_NE(client.text("INFO", "watch").find("watch_watchers_behind:0"), std::string::npos);
}

TEST(Watches, SlowReadersAreToldWhatTheyLost) {
  NodeHarness harness(1, [](Config& config) {
    config.watch.watcher_buffer_size = 50;
    config.watch.history.max_bytes = 4 << 20;
  });
  TestClient watcher(harness);
  TestClient client(harness);
  watcher.run("SUBSCRIBE", "__watch__:k");
  const std::string value(1 << 20, 'x');
  for (int i = 0; i < 60; ++i) ASSERT_EQ(client.text("SET", "k", value), "OK");
  uint64_t last = 0;
  while (true) {
    const std::string payload = watcher.receive().elements[2].text;
    if (payload.starts_with("lost ")) {
      EXPECT_EQ(payload, fmt::format("lost {}-0", last));
      break;
    }
    ASSERT_EQ(parse_event(payload).id.revision, ++last);
  }
  const uint64_t next = parse_event(watcher.receive().elements[2].text).id.revision;
  EXPECT_GT(next, last + 1);
}

TEST(Watches, ReadersThatStoppedForGoodAreCutOff) {
  NodeHarness harness(1, [](Config& config) {
    config.watch.watcher_buffer_size = 50;
    config.watch.stalled_reader_timeout_s = 1;
  });
  TestClient watcher(harness);
  TestClient client(harness);
  watcher.run("SUBSCRIBE", "__watch__:k");
  const std::string value(1 << 20, 'x');
  for (int i = 0; i < 60; ++i) ASSERT_EQ(client.text("SET", "k", value), "OK");
  ASSERT_TRUE(eventually(
      [&] { return client.text("PUBSUB", "NUMSUB", "__watch__:k") == "[\"__watch__:k\", 0]"; }));
  EXPECT_EQ(client.text("PING"), "PONG");
}

TEST(Watches, SwitchedOffAreRefused) {
  NodeHarness harness(1, [](Config& config) { config.watch.enabled = false; });
  TestClient client(harness);
  EXPECT_TRUE(
      client.text("SUBSCRIBE", "__watch__:k").starts_with("(error) ERR watches are switched off"));
}

TEST(KeyspaceNotifications, FollowTheirSwitch) {
  NodeHarness harness(2);
  TestClient listener(harness);
  TestClient client(harness);
  listener.run("SUBSCRIBE", "__keyspace@0__:k");
  listener.run("SUBSCRIBE", "__keyevent@0__:del");
  client.run("SET", "k", "unheard");
  EXPECT_EQ(client.text("CONFIG", "SET", "notify-keyspace-events", "KEA"), "OK");
  client.run("SET", "k", "1", "EX", "100");
  client.run("DEL", "k");
  std::vector<std::string> heard;
  for (int i = 0; i < 4; ++i) heard.push_back(listener.receive().elements[2].text);
  EXPECT_EQ(heard, (std::vector<std::string>{"set", "expire", "del", "k"}));
}

TEST(PubSub, CountsReceiversOnAllLoops) {
  NodeHarness harness(3);
  std::vector<std::unique_ptr<TestClient>> subscribers;
  for (int i = 0; i < 6; ++i) {
    subscribers.push_back(std::make_unique<TestClient>(harness));
    subscribers.back()->run("SUBSCRIBE", "news");
    subscribers.back()->run("PSUBSCRIBE", "n*");
  }
  TestClient client(harness);
  EXPECT_EQ(client.text("PUBLISH", "news", "hello"), "12");
  EXPECT_EQ(client.text("PUBSUB", "NUMSUB", "news", "none"), "[\"news\", 6, \"none\", 0]");
  EXPECT_EQ(client.text("PUBSUB", "NUMPAT"), "1");
  EXPECT_EQ(client.text("PUBSUB", "CHANNELS"), "[\"news\"]");
  for (auto& subscriber : subscribers) {
    EXPECT_EQ(subscriber->receive_text(), "[\"message\", \"news\", \"hello\"]");
    EXPECT_EQ(subscriber->receive_text(), "[\"pmessage\", \"n*\", \"news\", \"hello\"]");
  }
}

TEST(PubSub, AllowsFewCommandsInResp2SubscribeMode) {
  NodeHarness harness;
  TestClient client(harness);
  client.run("SUBSCRIBE", "a");
  EXPECT_EQ(client.text("PING"), "[\"pong\", \"\"]");
  EXPECT_EQ(client.text("GET", "k"),
            "(error) ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / "
            "QUIT / RESET are allowed in this context");
  EXPECT_EQ(client.text("RESET"), "RESET");
  EXPECT_EQ(client.text("GET", "k"), "(nil)");
}

TEST(PubSub, PushesInResp3AndAllowsAllCommands) {
  NodeHarness harness;
  TestClient client(harness);
  client.run("HELLO", "3");
  EXPECT_EQ(client.run("SUBSCRIBE", "a").type, resp::Value::Type::kPush);
  EXPECT_EQ(client.text("SET", "k", "v"), "OK");
  client.send("PUBLISH", "a", "m");
  EXPECT_EQ(client.receive().type, resp::Value::Type::kPush);
  EXPECT_EQ(client.receive_text(), "1");
}

}  // namespace
}  // namespace kvorum::server
