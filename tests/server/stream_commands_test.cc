// The history of changes read as a stream, over a socket, with one loop and with three.

#include <gmock/gmock.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "node_harness.h"
#include "stream_entry.h"
#include "tests/command/redis_process.h"

namespace kvorum::server {
namespace {

using command::testing::RedisProcess;

class StreamCommands : public ::testing::TestWithParam<uint32_t> {
 protected:
  // Ends when `client` waits in a blocking command.
  bool blocked(size_t clients = 1) {
    return eventually([&] {
      return client_.text("INFO", "clients").find(fmt::format("blocked_clients:{}\\r", clients)) !=
             std::string::npos;
    });
  }
  std::string id_of(TestClient& client) { return client.text("CLIENT", "ID"); }

  NodeHarness harness_{GetParam()};
  TestClient client_{harness_};
};

INSTANTIATE_TEST_SUITE_P(Loops, StreamCommands, ::testing::Values(1u, 3u));

TEST_P(StreamCommands, ReadRanges) {
  client_.run("SET", "k", "1");
  client_.run("MSET", "a", "2", "k", "3");
  client_.run("DEL", "k");
  const std::string first = entry("1-0", "set", "k", "1");
  const std::string second = entry("2-1", "set", "k", "3");
  const std::string third = entry("3-0", "del", "k");
  const auto range = [&](auto... args) { return client_.text("XRANGE", "__watch__:k", args...); };
  const auto back = [&](auto... args) { return client_.text("XREVRANGE", "__watch__:k", args...); };
  EXPECT_EQ(range("-", "+"), fmt::format("[{}, {}, {}]", first, second, third));
  EXPECT_EQ(range("2", "+"), fmt::format("[{}, {}]", second, third));
  EXPECT_EQ(range("(2-1", "+"), fmt::format("[{}]", third));
  EXPECT_EQ(range("-", "2"), fmt::format("[{}, {}]", first, second));
  EXPECT_EQ(range("-", "(2-1"), fmt::format("[{}]", first));
  EXPECT_EQ(range("-", "+", "COUNT", "2"), fmt::format("[{}, {}]", first, second));
  EXPECT_EQ(range("+", "-"), "[]");
  EXPECT_EQ(range("4", "+"), "[]");
  EXPECT_EQ(back("+", "-"), fmt::format("[{}, {}, {}]", third, second, first));
  EXPECT_EQ(back("2", "(1"), fmt::format("[{}]", second));
  EXPECT_EQ(back("+", "-", "count", "1"), fmt::format("[{}]", third));
  EXPECT_EQ(client_.text("XRANGE", "__watch__:?", "2", "2"),
            fmt::format("[{}, {}]", entry("2-0", "set", "a", "2"), second));
  EXPECT_EQ(client_.text("XRANGE", "__watch__:none", "-", "+"), "[]");
}

TEST_P(StreamCommands, MatchEscapedAndExactKeys) {
  client_.run("MSET", "a*", "1", "ab", "2");
  EXPECT_EQ(client_.text("XLEN", "__watch__:a\\*"), "1");
  EXPECT_EQ(client_.text("XLEN", "__watch__:a*"), "2");
  EXPECT_EQ(client_.text("XLEN", "__watch__:ab"), "1");
  EXPECT_EQ(client_.text("XLEN", "__watch__:a[*]"), "1");
  EXPECT_EQ(client_.text("XLEN", "__watch__:*"), "2");
  EXPECT_EQ(client_.text("XLEN", "__watch__:a"), "0");
}

TEST_P(StreamCommands, ReadSeveralNamesOnward) {
  client_.run("MSET", "a", "1", "b", "2");
  client_.run("SET", "a", "3");
  const auto reply = [](std::string_view name, const std::string& entries) {
    return fmt::format("[\"{}\", [{}]]", name, entries);
  };
  EXPECT_EQ(client_.text("XREAD", "STREAMS", "__watch__:a", "__watch__:b", "0", "0"),
            fmt::format("[{}, {}]",
                        reply("__watch__:a",
                              entry("1-0", "set", "a", "1") + ", " + entry("2-0", "set", "a", "3")),
                        reply("__watch__:b", entry("1-1", "set", "b", "2"))));
  EXPECT_EQ(client_.text("XREAD", "COUNT", "1", "STREAMS", "__watch__:a", "__watch__:*", "1", "0"),
            fmt::format("[{}, {}]", reply("__watch__:a", entry("2-0", "set", "a", "3")),
                        reply("__watch__:*", entry("1-0", "set", "a", "1"))));
  EXPECT_EQ(client_.run("XREAD", "STREAMS", "__watch__:a", "$").type,
            resp::Value::Type::kNullArray);
  EXPECT_EQ(client_.run("XREAD", "STREAMS", "__watch__:b", "1-1").type,
            resp::Value::Type::kNullArray);
}

TEST_P(StreamCommands, ReadOnlyTheHistory) {
  const std::string only =
      "(error) ERR only the history of changes can be read as a stream: __watch__:<key or glob>";
  for (const char* name : {"k", "__watch__@1-0:k", "__watch__@now:k"}) {
    EXPECT_EQ(client_.text("XRANGE", name, "-", "+"), only);
    EXPECT_EQ(client_.text("XREVRANGE", name, "+", "-"), only);
    EXPECT_EQ(client_.text("XREAD", "STREAMS", "__watch__:k", name, "0", "0"), only);
    EXPECT_EQ(client_.text("XREAD", "BLOCK", "0", "STREAMS", name, "$"), only);
    EXPECT_EQ(client_.text("XLEN", name), only);
    EXPECT_EQ(client_.text("XINFO", "STREAM", name), only);
  }
}

TEST_P(StreamCommands, WaitForTheNextChangeOfTheirKeys) {
  TestClient reader(harness_);
  reader.send("XREAD", "BLOCK", "0", "STREAMS", "__watch__:a", "__watch__:b*", "$", "$");
  ASSERT_TRUE(blocked());
  client_.run("SET", "other", "1");
  client_.run("SET", "a", "2");
  EXPECT_EQ(reader.receive_text(),
            fmt::format("[[\"__watch__:a\", [{}]]]", entry("2-0", "set", "a", "2")));
  reader.send("XREAD", "BLOCK", "0", "STREAMS", "__watch__:b*", "2-0");
  ASSERT_TRUE(blocked());
  client_.run("MULTI");
  client_.run("SET", "b1", "x");
  client_.run("SET", "b2", "y");
  client_.run("EXEC");
  EXPECT_EQ(reader.receive_text(),
            fmt::format("[[\"__watch__:b*\", [{}, {}]]]", entry("3-0", "set", "b1", "x"),
                        entry("3-1", "set", "b2", "y")));
  EXPECT_TRUE(blocked(0));
}

TEST_P(StreamCommands, DoNotWaitForWhatIsThere) {
  client_.run("SET", "k", "1");
  EXPECT_EQ(client_.text("XREAD", "BLOCK", "0", "STREAMS", "__watch__:k", "0"),
            fmt::format("[[\"__watch__:k\", [{}]]]", entry("1-0", "set", "k", "1")));
}

TEST_P(StreamCommands, WaitForAnIdThatIsStillToCome) {
  TestClient reader(harness_);
  reader.send("XREAD", "BLOCK", "0", "STREAMS", "__watch__:k", "2-0");
  ASSERT_TRUE(blocked());
  for (const char* value : {"1", "2", "3"}) client_.run("SET", "k", value);
  EXPECT_EQ(reader.receive_text(),
            fmt::format("[[\"__watch__:k\", [{}]]]", entry("3-0", "set", "k", "3")));
}

TEST_P(StreamCommands, GiveABlockedReaderNoMoreThanItsCount) {
  TestClient reader(harness_);
  reader.send("XREAD", "COUNT", "1", "BLOCK", "0", "STREAMS", "__watch__:*", "$");
  ASSERT_TRUE(blocked());
  client_.run("MSET", "a", "1", "b", "2");
  EXPECT_EQ(reader.receive_text(),
            fmt::format("[[\"__watch__:*\", [{}]]]", entry("1-0", "set", "a", "1")));
  EXPECT_EQ(reader.text("XREAD", "COUNT", "1", "BLOCK", "0", "STREAMS", "__watch__:*", "1-0"),
            fmt::format("[[\"__watch__:*\", [{}]]]", entry("1-1", "set", "b", "2")));
}

TEST_P(StreamCommands, GiveUpWaitingInTime) {
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(client_.run("XREAD", "BLOCK", "50", "STREAMS", "__watch__:k", "$").type,
            resp::Value::Type::kNullArray);
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(45));
  client_.run("HELLO", "3");
  EXPECT_EQ(client_.run("XREAD", "BLOCK", "1", "STREAMS", "__watch__:k", "$").type,
            resp::Value::Type::kNull);
}

TEST_P(StreamCommands, EndInTheOrderOfTheirTimeouts) {
  TestClient slow(harness_);
  slow.send("XREAD", "BLOCK", "9223372036854775807", "STREAMS", "__watch__:k", "$");
  ASSERT_TRUE(blocked());
  TestClient slower(harness_);
  slower.send("XREAD", "BLOCK", "300", "STREAMS", "__watch__:k", "$");
  TestClient quick(harness_);
  EXPECT_TRUE(quick.run("XREAD", "BLOCK", "20", "STREAMS", "__watch__:k", "$").is_null());
  EXPECT_TRUE(slower.receive().is_null());
  client_.run("SET", "k", "1");
  EXPECT_FALSE(slow.receive().is_null());
}

TEST_P(StreamCommands, LetAConnectionsOtherCommandsWait) {
  TestClient reader(harness_);
  reader.send("XREAD", "BLOCK", "0", "STREAMS", "__watch__:k", "$");
  reader.send("SET", "after", "1");
  reader.send("GET", "after");
  ASSERT_TRUE(blocked());
  EXPECT_EQ(client_.text("GET", "after"), "(nil)");
  client_.run("SET", "k", "1");
  EXPECT_FALSE(reader.receive().is_null());
  EXPECT_EQ(reader.receive_text(), "OK");
  EXPECT_EQ(reader.receive_text(), "\"1\"");
}

TEST_P(StreamCommands, AreUnblocked) {
  TestClient reader(harness_);
  const std::string id = id_of(reader);
  EXPECT_EQ(client_.text("CLIENT", "UNBLOCK", id), "0");
  reader.send("XREAD", "BLOCK", "0", "STREAMS", "__watch__:k", "$");
  ASSERT_TRUE(blocked());
  EXPECT_NE(client_.text("CLIENT", "LIST", "ID", id).find("flags=b "), std::string::npos);
  EXPECT_EQ(client_.text("CLIENT", "UNBLOCK", id), "1");
  EXPECT_EQ(reader.receive().type, resp::Value::Type::kNullArray);
  for (const char* reason : {"TIMEOUT", "error"}) {
    reader.send("XREAD", "BLOCK", "0", "STREAMS", "__watch__:k", "$");
    ASSERT_TRUE(blocked());
    EXPECT_EQ(client_.text("CLIENT", "UNBLOCK", id, reason), "1");
    const std::string reply = reader.receive_text();
    EXPECT_EQ(reply, reason == std::string("error")
                         ? "(error) UNBLOCKED client unblocked via CLIENT UNBLOCK"
                         : "(nil array)");
  }
  EXPECT_EQ(client_.text("CLIENT", "UNBLOCK", "999"), "0");
  EXPECT_EQ(client_.text("CLIENT", "UNBLOCK", "-1"), "0");
  EXPECT_EQ(reader.text("PING"), "PONG");
}

TEST_P(StreamCommands, AreForgottenWithTheirConnection) {
  {
    TestClient closed(harness_);
    TestClient killed(harness_);
    for (TestClient* reader : {&closed, &killed}) {
      reader->send("XREAD", "BLOCK", "0", "STREAMS", "__watch__:k", "$");
    }
    ASSERT_TRUE(blocked(2));
    EXPECT_EQ(client_.text("CLIENT", "KILL", "ADDR", killed.address()), "1");
    EXPECT_TRUE(killed.closed_by_server());
    closed.close();
    ASSERT_TRUE(blocked(0));
  }
  ASSERT_TRUE(eventually([&] {
    return client_.text("INFO", "clients").find("connected_clients:1\\r") != std::string::npos;
  }));
  EXPECT_EQ(client_.text("SET", "k", "1"), "OK");
}

TEST_P(StreamCommands, AnswerAClientThatSendsNoMore) {
  TestClient reader(harness_);
  reader.send("XREAD", "BLOCK", "0", "STREAMS", "__watch__:k", "$");
  ASSERT_TRUE(blocked());
  reader.end_output();
  EXPECT_TRUE(reader.receive().is_null());
  EXPECT_TRUE(reader.closed_by_server());
}

TEST_P(StreamCommands, DoNotWaitInATransaction) {
  client_.run("SET", "k", "1");
  client_.run("MULTI");
  client_.run("XREAD", "BLOCK", "0", "STREAMS", "__watch__:k", "$");
  client_.run("XLEN", "__watch__:k");
  client_.run("GET", "k");
  client_.run("XRANGE", "__watch__:k", "-", "+", "COUNT", "0");
  EXPECT_EQ(client_.text("EXEC"), "[(nil array), 1, \"1\", (nil array)]");
  client_.run("MULTI");
  client_.run("SET", "k", "2");
  client_.run("XLEN", "__watch__:k");
  EXPECT_EQ(client_.text("EXEC"), "[OK, 2]");
}

TEST_P(StreamCommands, ObeyTheConnectionsConsistency) {
  TestClient writer(harness_);
  for (const char* consistency : {"LINEARIZABLE", "LEASE", "EVENTUAL"}) {
    EXPECT_EQ(client_.text("CLIENT", "CONSISTENCY", consistency), "OK");
    for (int i = 0; i < 50; ++i) {
      const std::string before = client_.text("XLEN", "__watch__:k");
      writer.run("SET", "k", "1");
      EXPECT_EQ(std::stoi(client_.text("XLEN", "__watch__:k")), std::stoi(before) + 1);
    }
  }
}

TEST_P(StreamCommands, AreSilentWhenTheClientIs) {
  client_.send("CLIENT", "REPLY", "OFF");
  client_.send("XRANGE", "__watch__:k", "-", "+");
  client_.send("XREAD", "BLOCK", "1", "STREAMS", "__watch__:k", "$");
  client_.send("CLIENT", "REPLY", "ON");
  EXPECT_EQ(client_.receive_text(), "OK");
  EXPECT_EQ(client_.text("PING"), "PONG");
}

TEST_P(StreamCommands, LoseNothingBetweenReads) {
  TestClient writer(harness_);
  constexpr int kWrites = 3000;
  std::thread writes([&] {
    for (int i = 0; i < kWrites; ++i) {
      writer.run("SET", i % 3 == 0 ? "k" : "other", std::to_string(i));
    }
  });
  std::string after = "0";
  int next = 0;
  while (next < kWrites) {
    const resp::Value reply =
        client_.run("XREAD", "COUNT", "7", "BLOCK", "0", "STREAMS", "__watch__:k", after);
    ASSERT_EQ(reply.elements.size(), 1u);
    for (const resp::Value& got : reply.elements[0].elements[1].elements) {
      ASSERT_EQ(got.elements[1].elements[5].text, std::to_string(next));
      after = got.elements[0].text;
      next += 3;
    }
  }
  writes.join();
}

TEST_P(StreamCommands, FindTheirReadersAmongMany) {
  constexpr size_t kReaders = 200;
  std::vector<std::unique_ptr<TestClient>> readers;
  for (size_t i = 0; i < kReaders; ++i) {
    readers.push_back(std::make_unique<TestClient>(harness_));
    readers.back()->send("XREAD", "BLOCK", "0", "STREAMS", fmt::format("__watch__:{}", i), "$");
  }
  ASSERT_TRUE(blocked(kReaders));
  for (size_t i = 0; i < kReaders; i += 2) client_.run("SET", std::to_string(i), "v");
  for (size_t i = 0; i < kReaders; i += 2) {
    EXPECT_EQ(readers[i]->receive().elements[0].elements[0].text, fmt::format("__watch__:{}", i));
  }
  EXPECT_TRUE(blocked(kReaders / 2));
}

const std::string kName = "__watch__:k";

std::vector<std::vector<std::string>> calls_of_both() {
  return {
      {"XRANGE", kName, "-", "+"},
      {"XRANGE", kName, "(1-0", "(3-1"},
      {"XRANGE", kName, "2", "3", "COUNT", "2"},
      {"XRANGE", kName, "9", "+"},
      {"XRANGE", kName, "-", "+", "COUNT", "0"},
      {"XRANGE", kName, "-", "+", "COUNT", "-3"},
      {"XRANGE", kName, "-", "+", "COUNT", "x"},
      {"XRANGE", kName, "-", "+", "COUNT"},
      {"XRANGE", kName, "-", "+", "LIMIT", "1"},
      {"XRANGE", kName, "-", "+", "COUNT", "3", "COUNT", "1"},
      {"XRANGE", kName, "x", "+"},
      {"XRANGE", kName, "-", "(0-0"},
      {"XRANGE", kName, "(18446744073709551615-18446744073709551615", "+"},
      {"XREVRANGE", kName, "+", "-"},
      {"XREVRANGE", kName, "(3", "(1", "COUNT", "1"},
      {"XREVRANGE", kName, "+", "$"},
      {"XREVRANGE", kName, "-", "+"},
      {"XREAD", "STREAMS", kName, "0"},
      {"XREAD", "STREAMS", kName, "$"},
      {"XREAD", "STREAMS", kName, "__watch__:none", kName, "2", "0", "0-0"},
      {"XREAD", "COUNT", "1", "STREAMS", kName, "1"},
      {"XREAD", "COUNT", "0", "STREAMS", kName, "2"},
      {"XREAD", "COUNT", "-1", "STREAMS", kName, "2"},
      {"XREAD", "COUNT", "x", "STREAMS", kName, "2"},
      {"XREAD", "BLOCK", "1", "STREAMS", kName, "$"},
      {"XREAD", "BLOCK", "0", "COUNT", "1", "STREAMS", kName, "1"},
      {"XREAD", "BLOCK", "-1", "STREAMS", kName, "0"},
      {"XREAD", "BLOCK", "1.5", "STREAMS", kName, "0"},
      {"XREAD", "STREAMS", kName, ">"},
      {"XREAD", "STREAMS", kName, "+"},
      {"XREAD", "STREAMS", kName, "(1"},
      {"XREAD", "STREAMS", kName, "1", "2"},
      {"XREAD", "COUNT", "1", kName, "0"},
      {"XREAD", "COUNT", "1", "STREAMS"},
      {"XREAD", "STREAMS", kName},
      {"XLEN", kName},
      {"XLEN", "__watch__:none"},
      {"XLEN"},
      {"XINFO"},
      {"XINFO", "FOO"},
      {"XINFO", "STREAM", kName, "FOO"},
      {"CLIENT", "UNBLOCK", "x"},
      {"CLIENT", "UNBLOCK", "999"},
      {"CLIENT", "UNBLOCK", "999", "error"},
      {"CLIENT", "UNBLOCK", "999", "FOO"},
      {"CLIENT", "UNBLOCK", "999", "ERROR", "x"},
      {"COMMAND", "INFO", "xread", "xrange", "xrevrange", "xlen", "xinfo|stream", "xinfo|help",
       "client|unblock"},
      {"COMMAND", "GETKEYS", "XREAD", "COUNT", "1", "STREAMS", "a", "b", "0", "0"},
      {"COMMAND", "GETKEYS", "XREAD", "COUNT", "STREAMS", "STREAMS", "a", "0"},
      {"COMMAND", "GETKEYS", "XREAD", "STREAMS", "a", "b", "0"},
      {"COMMAND", "GETKEYS", "XREAD", "COUNT", "1", "a"},
      {"COMMAND", "GETKEYSANDFLAGS", "XREAD", "streams", "a", "b", "0", "0"},
      {"COMMAND", "GETKEYS", "XINFO", "STREAM", "a"},
  };
}

// What both say of the same entries, in the same bytes but for the figures that are about Redis'
// own memory.
TEST(StreamShapes, AreThoseOfRedis) {
  if (!RedisProcess::available()) GTEST_SKIP() << "there is no redis-server here";
  RedisProcess redis;
  NodeHarness harness;
  TestClient client(harness);
  client.run("SET", "k", "1");
  redis.ask({"XADD", kName, "1-0", "event", "set", "key", "k", "value", "1"});
  client.run("DEL", "k");
  redis.ask({"XADD", kName, "2-0", "event", "del", "key", "k"});
  client.run("MSET", "k", "3", "k", "4");
  redis.ask({"XADD", kName, "3-0", "event", "set", "key", "k", "value", "3"});
  redis.ask({"XADD", kName, "3-1", "event", "set", "key", "k", "value", "4"});
  for (const char* protocol : {"2", "3"}) {
    redis.ask({"HELLO", protocol});
    client.run("HELLO", protocol);
    for (const std::vector<std::string>& call : calls_of_both()) {
      resp::ReplyParser parser;
      parser.feed(redis.ask(call));
      const resp::Value theirs = **parser.next();
      client.send_args(std::vector<std::string_view>(call.begin(), call.end()));
      const resp::Value ours = client.receive();
      std::string words;
      for (const std::string& word : call) words += word + " ";
      EXPECT_EQ(ours, theirs) << words << "in RESP" << protocol << "\nours " << to_string(ours)
                              << "\ntheirs " << to_string(theirs);
    }
    resp::ReplyParser parser;
    parser.feed(redis.ask({"XINFO", "STREAM", kName}));
    resp::Value theirs = **parser.next();
    for (size_t i : {3, 5}) theirs.elements[i].integer = 0;
    EXPECT_EQ(client.text("XINFO", "STREAM", kName), to_string(theirs));
  }
}

}  // namespace
}  // namespace kvorum::server
