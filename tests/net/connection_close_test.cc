#include <gtest/gtest.h>
#include <netinet/in.h>

#include "net/listener.h"
#include "tests/net/testing.h"

namespace kvorum::net {
namespace {

class ConnectionClose : public ::testing::Test {
 protected:
  Connection& connect() {
    auto [here, there] = socket_pair();
    peer = std::move(there);
    return test.loop.connections().add(std::move(here), handler);
  }
  void run_until_closed() {
    test.run_until([&] { return handler.closed > 0; });
    test.run_turns(2);
    EXPECT_EQ(handler.closed, 1);
    EXPECT_EQ(test.loop.connections().size(), 0u);
  }

  TestLoop test;
  TestHandler handler;
  Fd peer;
};

TEST_F(ConnectionClose, ByThePeerIsToldOnce) {
  connect();
  put(peer, "bye");
  peer.reset();
  run_until_closed();
  EXPECT_EQ(handler.received, "bye");
  EXPECT_EQ(handler.reason, CloseReason::kPeerClosed);
}

TEST_F(ConnectionClose, ByThePeerWhileOutputWaitsIsToldToo) {
  Connection& connection = connect();
  connection.out() = pattern(4 << 20);
  test.run_turns(2);
  ASSERT_GT(connection.output_bytes(), 0u);
  peer.reset();
  run_until_closed();
}

TEST_F(ConnectionClose, InsideOnInputIsToldAfterwards) {
  connect();
  handler.consume = [&](Connection& c, std::string_view input) {
    c.close_now();
    EXPECT_EQ(handler.closed, 0);
    EXPECT_EQ(input, "x");
    EXPECT_TRUE(c.closing());
    c.out() += "nobody reads this";
    c.process_again();
    c.want_drained();
    c.close_when_flushed();
    c.close_now();
    return input.size();
  };
  put(peer, "x");
  run_until_closed();
  EXPECT_EQ(handler.reason, CloseReason::kClosedHere);
  EXPECT_EQ(handler.inputs, 1);
  EXPECT_EQ(handler.drained, 0);
  EXPECT_EQ(take(peer), "");
  EXPECT_TRUE(at_end(peer));
}

TEST_F(ConnectionClose, OfAnotherConnectionThatIsReadyInTheSameTurnIsSafe) {
  std::vector<Fd> peers;
  std::vector<Connection*> connections;
  for (int i = 0; i < 20; ++i) {
    connections.push_back(&connect());
    put(peer, "x");
    peers.push_back(std::move(peer));
  }
  // Whoever comes first closes all.
  handler.consume = [&](Connection&, std::string_view input) {
    for (Connection* c : connections) c->close_now();
    return input.size();
  };
  test.run_until([&] { return test.loop.connections().size() == 0; });
  EXPECT_EQ(handler.inputs, 1);
  EXPECT_EQ(handler.closed, 20);
}

TEST_F(ConnectionClose, InsideOnDrainedAndOnClosedIsSafe) {
  Connection& connection = connect();
  handler.when_drained = [](Connection& c) { c.close_now(); };
  handler.when_closed = [](Connection& c) {
    c.close_now();
    c.out() += "x";
    c.process_again();
    c.want_drained();
    EXPECT_FALSE(c.loop().connections().all().empty());
  };
  connection.want_drained();
  run_until_closed();
  EXPECT_EQ(handler.drained, 1);
}

TEST_F(ConnectionClose, OpensAnotherFromOnClosed) {
  connect();
  Fd second;
  handler.when_closed = [&](Connection&) {
    if (handler.closed > 1) return;
    auto [here, there] = socket_pair();
    second = std::move(there);
    test.loop.connections().add(std::move(here), handler);
    put(second, "again");
  };
  peer.reset();
  test.run_until([&] { return handler.received == "again"; });
  EXPECT_EQ(test.loop.connections().size(), 1u);
}

TEST_F(ConnectionClose, WhenFlushedSendsEverythingFirst) {
  Connection& connection = connect();
  const std::string stream = pattern(4 << 20);
  connection.out() = stream;
  connection.close_when_flushed();
  std::string received;
  test.run_until([&] {
    received += take(peer);
    return handler.closed > 0;
  });
  received += take(peer);
  EXPECT_TRUE(received == stream);
  EXPECT_TRUE(at_end(peer));
  EXPECT_EQ(handler.reason, CloseReason::kClosedHere);
}

TEST_F(ConnectionClose, WhenFlushedReadsNoMoreRequests) {
  connect();
  handler.consume = [](Connection& c, std::string_view) {
    c.out() += "-ERR Protocol error\r\n";
    c.close_when_flushed();
    return size_t{1};
  };
  put(peer, "garbage");
  run_until_closed();
  EXPECT_EQ(handler.inputs, 1);
  EXPECT_EQ(take(peer), "-ERR Protocol error\r\n");
}

// With unread input a TCP close is a reset, which can destroy the reply on its way.
TEST_F(ConnectionClose, EndsAfterTheLastReplyAndDoesNotResetForUnreadInput) {
  auto listener = Listener::open(
      test.loop, *parse_address("127.0.0.1:0"),
      [&](Fd fd) { test.loop.connections().add(std::move(fd), handler).pause_reading(); },
      [](const std::string&) {});
  ASSERT_TRUE(listener);
  Fd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  auto target = resolve({"127.0.0.1", (*listener)->port(), ""}, true);
  ASSERT_EQ(::connect(client.get(), target->front().get(), target->front().size), 0);
  put(client, pattern(30000));
  test.run_until([&] { return test.loop.connections().size() == 1; });
  Connection& connection = *test.loop.connections().all().front();
  connection.out() += "-ERR max number of clients reached\r\n";
  connection.close_when_flushed();
  run_until_closed();
  std::array<char, 100> reply;
  ssize_t n = recv(client.get(), reply.data(), reply.size(), 0);
  ASSERT_GT(n, 0);
  EXPECT_EQ(std::string_view(reply.data(), static_cast<size_t>(n)),
            "-ERR max number of clients reached\r\n");
  // The end, where a reset would be an error.
  EXPECT_EQ(recv(client.get(), reply.data(), reply.size(), 0), 0);
}

TEST_F(ConnectionClose, AfterTheEndOfInputStillSendsTheAnswers) {
  connect();
  Connection* half_open = nullptr;
  handler.input_end = [&](Connection& c) {
    half_open = &c;
    return true;
  };
  put(peer, "SET k v");
  ASSERT_EQ(shutdown(peer.get(), SHUT_WR), 0);
  test.run_until([&] { return half_open != nullptr; });
  test.run_turns(3);
  EXPECT_EQ(handler.closed, 0);
  half_open->out() += "+OK\r\n";
  half_open->close_when_flushed();
  run_until_closed();
  EXPECT_EQ(take(peer), "+OK\r\n");
}

TEST_F(ConnectionClose, ByResetIsNotAFailureOfOurs) {
  auto listener = Listener::open(
      test.loop, *parse_address("127.0.0.1:0"),
      [&](Fd fd) { test.loop.connections().add(std::move(fd), handler); },
      [](const std::string&) {});
  ASSERT_TRUE(listener);
  Fd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  auto target = resolve({"127.0.0.1", (*listener)->port(), ""}, true);
  ASSERT_EQ(::connect(client.get(), target->front().get(), target->front().size), 0);
  test.run_until([&] { return test.loop.connections().size() == 1; });
  linger now{1, 0};
  ASSERT_EQ(setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
  client.reset();
  run_until_closed();
  EXPECT_EQ(handler.reason, CloseReason::kPeerClosed);
}

TEST_F(ConnectionClose, ByReleaseLeavesTheSocketOpenWithWhatWasNotRead) {
  connect();
  Fd released;
  handler.consume = [&](Connection& c, std::string_view input) {
    released = c.release();
    EXPECT_EQ(handler.closed, 0);
    return input.size();
  };
  put(peer, "hello");
  run_until_closed();
  EXPECT_EQ(handler.received, "hello");
  EXPECT_EQ(handler.reason, CloseReason::kClosedHere);
  EXPECT_FALSE(at_end(peer));
  put(peer, "more");
  test.run_turns(3);
  EXPECT_EQ(take(released), "more");
  put(released, "back");
  EXPECT_EQ(take(peer), "back");
}

TEST_F(ConnectionClose, ByTheEndOfTheLoopTellsNobody) {
  TestHandler other;
  auto [here, there] = socket_pair();
  {
    EventLoop loop;
    loop.connections().add(std::move(here), other).out() += "unsent";
  }
  EXPECT_EQ(other.closed, 0);
  EXPECT_TRUE(at_end(there));
}

}  // namespace
}  // namespace kvorum::net
