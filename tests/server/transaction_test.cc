// MULTI, EXEC, WATCH, and the order of replies, over a socket.

#include "node_harness.h"

namespace kvorum::server {
namespace {

TEST(Transaction, AppliesAllOfItsCommandsInOneEntry) {
  NodeHarness harness;
  TestClient client(harness);
  EXPECT_EQ(client.text("MULTI"), "OK");
  EXPECT_EQ(client.text("SET", "a", "1"), "QUEUED");
  EXPECT_EQ(client.text("INCR", "a"), "QUEUED");
  EXPECT_EQ(client.text("GET", "a"), "QUEUED");
  EXPECT_EQ(client.text("EXEC"), "[OK, 2, \"2\"]");
}

TEST(Transaction, PutsRepliesOfLocalCommandsInTheirPlaces) {
  for (uint32_t io_threads : {1u, 3u}) {
    NodeHarness harness(io_threads);
    TestClient client(harness);
    client.run("MULTI");
    client.run("PING");
    client.run("INCR", "n");
    client.run("PUBLISH", "ch", "m");
    client.run("GET", "n");
    EXPECT_EQ(client.text("EXEC"), "[PONG, 1, 0, \"1\"]");
    client.run("MULTI");
    client.run("GET", "n");
    client.run("ECHO", "between");
    client.run("GET", "absent");
    EXPECT_EQ(client.text("EXEC"), "[\"1\", \"between\", (nil)]");
  }
}

TEST(Transaction, IsAbortedByAMistakeWhileQueuing) {
  NodeHarness harness;
  TestClient client(harness);
  client.run("MULTI");
  EXPECT_TRUE(client.run("SET", "only-a-key").is_error());
  EXPECT_EQ(client.text("SET", "a", "1"), "QUEUED");
  EXPECT_EQ(client.text("EXEC"),
            "(error) EXECABORT Transaction discarded because of previous errors.");
  EXPECT_EQ(client.text("GET", "a"), "(nil)");
}

TEST(Transaction, GoesOnAfterACommandThatFailsWhenItRuns) {
  NodeHarness harness;
  TestClient client(harness);
  client.run("SET", "text", "abc");
  client.run("MULTI");
  client.run("INCR", "text");
  client.run("SET", "b", "2");
  resp::Value reply = client.run("EXEC");
  ASSERT_EQ(reply.elements.size(), 2u);
  EXPECT_TRUE(reply.elements[0].is_error());
  EXPECT_EQ(client.text("GET", "b"), "\"2\"");
}

TEST(Transaction, IsRefusedWhereRedisRefusesIt) {
  NodeHarness harness;
  TestClient client(harness);
  EXPECT_EQ(client.text("EXEC"), "(error) ERR EXEC without MULTI");
  EXPECT_EQ(client.text("DISCARD"), "(error) ERR DISCARD without MULTI");
  client.run("MULTI");
  EXPECT_EQ(client.text("MULTI"), "(error) ERR MULTI calls can not be nested");
  EXPECT_EQ(client.text("WATCH", "a"), "(error) ERR WATCH inside MULTI is not allowed");
  EXPECT_EQ(client.text("DISCARD"), "OK");
}

TEST(Watch, StopsATransactionWhoseKeyChanged) {
  NodeHarness harness;
  TestClient client(harness);
  TestClient other(harness);
  client.run("SET", "a", "1");
  EXPECT_EQ(client.text("WATCH", "a"), "OK");
  other.run("SET", "a", "1");
  client.run("MULTI");
  client.run("SET", "b", "2");
  EXPECT_EQ(client.run("EXEC").type, resp::Value::Type::kNullArray);
  EXPECT_EQ(client.text("GET", "b"), "(nil)");
}

TEST(Watch, StopsATransactionThatOnlyReads) {
  NodeHarness harness;
  TestClient client(harness);
  TestClient other(harness);
  client.run("WATCH", "a");
  other.run("SET", "a", "1");
  client.run("MULTI");
  client.run("GET", "a");
  EXPECT_EQ(client.run("EXEC").type, resp::Value::Type::kNullArray);
}

TEST(Watch, StopsATransactionWhoseKeyExpired) {
  NodeHarness harness;
  TestClient client(harness);
  // A busy machine may take longer to WATCH.
  for (int ms = 30; client.text("EXISTS", "a") == "0"; ms *= 2) {
    client.run("UNWATCH");
    client.run("SET", "a", "1", "PX", std::to_string(ms));
    client.run("WATCH", "a");
  }
  ASSERT_TRUE(eventually([&] { return client.text("EXISTS", "a") == "0"; }));
  client.run("MULTI");
  client.run("SET", "a", "2");
  EXPECT_EQ(client.run("EXEC").type, resp::Value::Type::kNullArray);
}

TEST(Watch, IsForgottenByUnwatchExecAndDiscard) {
  NodeHarness harness;
  TestClient client(harness);
  TestClient other(harness);
  for (const char* forget : {"UNWATCH", "EXEC", "DISCARD"}) {
    client.run("WATCH", "a");
    if (std::string_view(forget) != "UNWATCH") client.run("MULTI");
    client.run(forget);
    other.run("INCR", "a");
    client.run("MULTI");
    client.run("SET", "b", forget);
    EXPECT_EQ(client.text("EXEC"), "[OK]") << forget;
  }
}

TEST(Pipeline, AnswersInTheOrderOfRequestsWhateverTheyAre) {
  NodeHarness harness;
  TestClient client(harness);
  for (int i = 0; i < 200; ++i) {
    std::string value = std::to_string(i);
    client.send("SET", "k", value);
    client.send("GET", "k");
    client.send("SET", "k", "behind the read");
    client.send("NOSUCH");
    client.send("INCR", "n");
    client.send("INCR", "n");
    client.send("SET", "k", value, "EX", "0");
  }
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(client.receive_text(), "OK");
    EXPECT_EQ(client.receive_text(), "\"" + std::to_string(i) + "\"");
    EXPECT_EQ(client.receive_text(), "OK");
    EXPECT_TRUE(client.receive().is_error());
    EXPECT_EQ(client.receive_text(), std::to_string(2 * i + 1));
    EXPECT_EQ(client.receive_text(), std::to_string(2 * i + 2));
    EXPECT_TRUE(client.receive().is_error());
  }
}

TEST(Pipeline, IsAnsweredWholeWhenTheClientSendsNoMore) {
  NodeHarness harness;
  TestClient client(harness);
  for (int i = 0; i < 50; ++i) client.send("INCR", "n");
  client.end_output();
  for (int i = 1; i <= 50; ++i) EXPECT_EQ(client.receive_text(), std::to_string(i));
  EXPECT_TRUE(client.closed_by_server());
}

TEST(Protocol, ErrorsEndThatConnectionAlone) {
  NodeHarness harness;
  TestClient good(harness);
  TestClient bad(harness);
  bad.send("INCR", "n");
  bad.send_bytes("*1\r\n!oops\r\n");
  EXPECT_EQ(bad.receive_text(), "1");
  EXPECT_EQ(bad.receive_text(), "(error) ERR Protocol error: expected '$', got '!'");
  EXPECT_TRUE(bad.closed_by_server());
  EXPECT_EQ(good.text("PING"), "PONG");
}

TEST(Protocol, HttpEndsTheConnection) {
  NodeHarness harness;
  TestClient client(harness);
  client.send_bytes("POST / HTTP/1.1\r\nHost: x\r\n\r\nSET a 1\r\n");
  EXPECT_TRUE(client.closed_by_server());
  TestClient other(harness);
  EXPECT_EQ(other.text("GET", "a"), "(nil)");
}

TEST(Consistency, LinearizableReadsSeeTheirOwnAndOthersWrites) {
  NodeHarness harness(2);
  TestClient writer(harness);
  TestClient reader(harness);
  ASSERT_EQ(reader.text("CLIENT", "CONSISTENCY", "LINEARIZABLE"), "OK");
  for (int i = 0; i < 100; ++i) {
    std::string value = std::to_string(i);
    ASSERT_EQ(writer.text("SET", "k", value), "OK");
    ASSERT_EQ(reader.text("GET", "k"), "\"" + value + "\"");
  }
  for (int i = 0; i < 50; ++i) reader.send("GET", "k");
  for (int i = 0; i < 50; ++i) EXPECT_EQ(reader.receive_text(), "\"99\"");
}

TEST(Consistency, LeaseReadsSeeWhatAnotherLoopAcknowledged) {
  NodeHarness harness(3);
  TestClient first(harness);
  TestClient second(harness);
  for (int i = 0; i < 300; ++i) {
    std::string value = std::to_string(i);
    ASSERT_EQ(first.text("SET", "k", value), "OK");
    ASSERT_EQ(second.text("GET", "k"), "\"" + value + "\"");
  }
}

}  // namespace
}  // namespace kvorum::server
