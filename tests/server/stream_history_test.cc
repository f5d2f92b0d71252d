// The history that streams read: what of it is held, how it outlives, how it is read when it is
// long.

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/event_id.h"
#include "node_harness.h"
#include "stream_entry.h"

namespace kvorum::server {
namespace {

std::string oldest_of(const std::string& refusal) {
  const std::string words = "(error) COMPACTED oldest id is ";
  return refusal.starts_with(words) ? refusal.substr(words.size()) : "none: " + refusal;
}

TEST(StreamHistory, SaysWhatIsCompacted) {
  NodeHarness harness(1, [](Config& config) { config.watch.history.max_bytes = 10'000; });
  TestClient client(harness);
  const std::string value(1000, 'x');
  for (int i = 0; i < 50; ++i) client.run("SET", "k", value);
  const std::string oldest = oldest_of(client.text("XREAD", "STREAMS", "__watch__:k", "1"));
  ASSERT_TRUE(EventId::parse(oldest)) << oldest;
  EXPECT_EQ(oldest_of(client.text("XRANGE", "__watch__:k", "1", "+")), oldest);
  EXPECT_EQ(oldest_of(client.text("XRANGE", "__watch__:k", "1", "2")), oldest);
  EXPECT_EQ(oldest_of(client.text("XREVRANGE", "__watch__:k", "+", "1")), oldest);
  EXPECT_EQ(oldest_of(client.text("XREAD", "BLOCK", "0", "STREAMS", "__watch__:k", "1")), oldest);
  EXPECT_EQ(oldest_of(client.text("XREAD", "STREAMS", "a", "b", "0", "1")).substr(0, 4), "none");
  EXPECT_EQ(oldest_of(client.text("XREAD", "STREAMS", "__watch__:a", "__watch__:b", "0", "1")),
            oldest);

  const std::string first = fmt::format("{}-0", EventId::parse(oldest)->revision + 1);
  for (const char* beginning : {"-", "0", "0-0"}) {
    const resp::Value range = client.run("XRANGE", "__watch__:k", beginning, "+");
    ASSERT_FALSE(range.elements.empty());
    EXPECT_EQ(range.elements[0].elements[0].text, first);
    EXPECT_EQ(range.elements.back().elements[0].text, "50-0");
  }
  EXPECT_EQ(client.run("XREVRANGE", "__watch__:k", "+", "-").elements.back().elements[0].text,
            first);
  for (const std::string& after : {std::string("0"), std::string("0-0"), oldest}) {
    const resp::Value read = client.run("XREAD", "COUNT", "1", "STREAMS", "__watch__:k", after);
    ASSERT_EQ(read.elements.size(), 1u);
    EXPECT_EQ(read.elements[0].elements[1].elements[0].elements[0].text, first);
  }
  EXPECT_EQ(client.run("XRANGE", "__watch__:k", oldest, "+").elements[0].elements[0].text, first);
}

TEST(StreamHistory, IsDescribed) {
  NodeHarness harness(2, [](Config& config) { config.watch.history.max_bytes = 10'000; });
  TestClient client(harness);
  const std::string value(1000, 'x');
  for (int i = 0; i < 50; ++i) client.run("SET", "k", value);
  client.run("SET", "other", "1");
  client.run("HELLO", "3");
  const resp::Value info = client.run("XINFO", "STREAM", "__watch__:k");
  ASSERT_EQ(info.type, resp::Value::Type::kMap);
  ASSERT_EQ(info.elements.size(), 20u);
  std::map<std::string, resp::Value> fields;
  for (size_t i = 0; i < info.elements.size(); i += 2) {
    fields[info.elements[i].text] = info.elements[i + 1];
  }
  const std::string oldest = oldest_of(client.text("XREAD", "STREAMS", "__watch__:k", "1"));
  EXPECT_EQ(fields["last-generated-id"].text, "51-0");
  EXPECT_EQ(fields["max-deleted-entry-id"].text, oldest);
  EXPECT_EQ(fields["length"].integer, client.run("XLEN", "__watch__:k").integer);
  EXPECT_EQ(fields["entries-added"].integer, fields["length"].integer);
  EXPECT_EQ(fields["recorded-first-entry-id"].text, fields["first-entry"].elements[0].text);
  EXPECT_EQ(fields["last-entry"].elements[0].text, "50-0");
  EXPECT_EQ(client.text("XLEN", "__watch__:*"), std::to_string(fields["length"].integer + 1));
  EXPECT_TRUE(client.run("XINFO", "STREAM", "__watch__:none").elements[17].is_null());
}

TEST(StreamHistory, OutlivesARestart) {
  NodeHarness harness;
  {
    TestClient client(harness);
    client.run("SET", "k", "1");
  }
  harness.restart();
  TestClient client(harness);
  EXPECT_EQ(client.text("XRANGE", "__watch__:k", "-", "+"),
            fmt::format("[{}]", entry("1-0", "set", "k", "1")));
}

TEST(StreamHistory, CanBeSwitchedOff) {
  NodeHarness harness(1, [](Config& config) { config.watch.enabled = false; });
  TestClient client(harness);
  EXPECT_TRUE(client.text("XLEN", "__watch__:k").starts_with("(error) ERR watches are switched"));
}

TEST(StreamHistory, GivesBlockedReadersWhatIsNotKept) {
  NodeHarness harness(1, [](Config& config) { config.watch.history.max_bytes = 0; });
  TestClient client(harness);
  TestClient reader(harness);
  client.run("SET", "k", "1");
  EXPECT_EQ(client.text("XRANGE", "__watch__:k", "-", "+"), "[]");
  reader.send("XREAD", "BLOCK", "0", "STREAMS", "__watch__:k", "$");
  ASSERT_TRUE(eventually([&] {
    return client.text("INFO", "clients").find("blocked_clients:1\\r") != std::string::npos;
  }));
  client.run("SET", "k", "2");
  EXPECT_EQ(reader.receive_text(),
            fmt::format("[[\"__watch__:k\", [{}]]]", entry("2-0", "set", "k", "2")));
}

// Writes of a connection to each loop until `done`.
void flood(NodeHarness& harness, const std::function<bool()>& done) {
  TestClient writers[] = {TestClient(harness), TestClient(harness), TestClient(harness)};
  const std::string value(500, 'x');
  ASSERT_TRUE(eventually([&] {
    for (TestClient& writer : writers) {
      for (int i = 0; i < 100; ++i) writer.send("SET", "noise", value);
    }
    for (TestClient& writer : writers) {
      for (int i = 0; i < 100; ++i) EXPECT_EQ(writer.receive_text(), "OK");
    }
    return done();
  }));
}

std::string clients_of(TestClient& client) {
  return client.text("INFO", "clients");
}

// The loop of two blocked readers was too busy to hear of changes, and then they were compacted.
TEST(StreamHistory, TellsBlockedReadersWhatItCannotKnow) {
  NodeHarness harness(3, [](Config& config) {
    config.watch.event_queue_size = 1;
    config.watch.history.max_bytes = 1000;
  });
  TestClient client(harness);
  // Connections go to the loops in turn, so these two share one.
  TestClient reader(harness);
  std::vector<TestClient> between;
  for (int i = 0; i < 2; ++i) between.emplace_back(harness);
  TestClient patient(harness);
  client.run("SET", "k", "1");
  reader.send("XREAD", "BLOCK", "0", "STREAMS", "__watch__:quiet", "$");
  patient.send("XREAD", "BLOCK", "0", "STREAMS", "__watch__:quiet", "0");
  ASSERT_TRUE(eventually(
      [&] { return clients_of(client).find("blocked_clients:2\\r") != std::string::npos; }));
  flood(harness,
        [&] { return clients_of(client).find("blocked_clients:1\\r") != std::string::npos; });
  EXPECT_TRUE(reader.receive_text().starts_with("(error) COMPACTED oldest id is "));
  client.run("SET", "quiet", "at last");
  EXPECT_NE(patient.receive_text().find("at last"), std::string::npos)
      << "it asked for whatever is held";
}

// A long history, of which one key has the first and the last change.
class LongHistory : public ::testing::Test {
 protected:
  LongHistory() {
    client_.run("SET", "rare", "1");
    const std::string value(100'000, 'x');
    for (int i = 0; i < kChanges; ++i) client_.send("SET", "k", value);
    for (int i = 0; i < kChanges; ++i) EXPECT_EQ(client_.receive_text(), "OK");
    client_.run("SET", "rare", "2");
  }

  static constexpr int kChanges = 400;
  NodeHarness harness_;
  TestClient client_{harness_};
};

TEST_F(LongHistory, IsReadInSlicesWhileOthersAreServed) {
  TestClient reader(harness_);
  constexpr int kReads = 200;
  for (int i = 0; i < kReads; ++i) reader.send("XLEN", "__watch__:rare");
  const auto done = [&] {
    const std::string statistics = client_.text("INFO", "commandstats");
    const std::string before = "cmdstat_xlen:calls=";
    const size_t at = statistics.find(before);
    return at == std::string::npos ? 0 : std::atoi(statistics.c_str() + at + before.size());
  };
  // Whoever is asked twice within one read was served in the midst of it.
  bool served_meanwhile = false;
  for (int last = done(); last < kReads;) {
    const int now = done();
    served_meanwhile |= now == last && now > 0 && now < kReads;
    last = now;
  }
  EXPECT_TRUE(served_meanwhile);
  for (int i = 0; i < kReads; ++i) EXPECT_EQ(reader.receive_text(), "2");
}

TEST_F(LongHistory, IsReadForSeveralInTurn) {
  std::vector<std::unique_ptr<TestClient>> readers;
  for (int i = 0; i < 5; ++i) {
    readers.push_back(std::make_unique<TestClient>(harness_));
    readers.back()->send("XREVRANGE", "__watch__:rare", "+", "-");
    readers.back()->send("XRANGE", "__watch__:rare", "-", "+", "COUNT", "1");
  }
  for (auto& reader : readers) {
    EXPECT_EQ(reader->receive_text(),
              fmt::format("[{}, {}]", entry(fmt::format("{}-0", kChanges + 2), "set", "rare", "2"),
                          entry("1-0", "set", "rare", "1")));
    EXPECT_EQ(reader->receive_text(), fmt::format("[{}]", entry("1-0", "set", "rare", "1")));
  }
}

TEST_F(LongHistory, IsGivenUpWithItsReader) {
  {
    TestClient reader(harness_);
    for (int i = 0; i < 3; ++i) reader.send("XRANGE", "__watch__:k", "-", "+");
  }
  ASSERT_TRUE(eventually([&] {
    return client_.text("INFO", "clients").find("connected_clients:1\\r") != std::string::npos;
  }));
}

TEST_F(LongHistory, IsNotGivenInRepliesWithoutBound) {
  EXPECT_EQ(client_.text("CONFIG", "SET", "client-output-buffer-limit", "normal 8000000 0 0"),
            "OK");
  EXPECT_EQ(client_.text("XRANGE", "__watch__:k", "-", "+"),
            "(error) ERR the reply would be larger than 4000000 bytes: ask for less with COUNT");
  EXPECT_EQ(client_.run("XRANGE", "__watch__:k", "-", "+", "COUNT", "10").elements.size(), 10u);
  std::string after = "0";
  int changes = 0;
  int reads = 0;
  while (true) {
    const resp::Value reply = client_.run("XREAD", "STREAMS", "__watch__:k", after);
    if (reply.is_null()) break;
    const auto& entries = reply.elements[0].elements[1].elements;
    changes += static_cast<int>(entries.size());
    after = entries.back().elements[0].text;
    ++reads;
  }
  EXPECT_EQ(changes, kChanges);
  EXPECT_GT(reads, 5);
}

}  // namespace
}  // namespace kvorum::server
