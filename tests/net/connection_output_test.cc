#include <gtest/gtest.h>

#include "tests/net/testing.h"

namespace kvorum::net {
namespace {

class ConnectionOutput : public ::testing::Test {
 protected:
  Connection& connect() {
    auto [here, there] = socket_pair();
    peer = std::move(there);
    return test.loop.connections().add(std::move(here), handler);
  }

  TestLoop test;
  TestHandler handler;
  Fd peer;
};

TEST_F(ConnectionOutput, EchoesMegabytesBothWaysAtOnce) {
  handler.consume = [](Connection& c, std::string_view input) {
    c.out().append(input);
    return input.size();
  };
  connect();
  TestHandler client;
  const std::string stream = pattern(16 << 20);
  Connection& other = test.loop.connections().add(std::move(peer), client);
  other.out() = stream;
  test.run_until([&] { return client.received.size() == stream.size(); });
  EXPECT_TRUE(client.received == stream);
  EXPECT_EQ(other.output_bytes(), 0u);
  EXPECT_EQ(test.loop.connections().bytes_read(), 2 * stream.size());
  EXPECT_EQ(test.loop.connections().bytes_written(), 2 * stream.size());
}

TEST_F(ConnectionOutput, IsCountedWhileTheReaderIsSlow) {
  Connection& connection = connect();
  const std::string stream = pattern(4 << 20);
  connection.out() = stream;
  EXPECT_EQ(connection.output_bytes(), stream.size());
  test.run_turns(3);
  size_t waiting = connection.output_bytes();
  EXPECT_GT(waiting, stream.size() / 2);
  EXPECT_LT(waiting, stream.size());
  connection.out() += "more";
  EXPECT_EQ(connection.output_bytes(), waiting + 4);
  std::string received;
  test.run_until([&] {
    received += take(peer);
    return received.size() == stream.size() + 4;
  });
  EXPECT_TRUE(received == stream + "more");
}

TEST_F(ConnectionOutput, TellsOnceWhenItIsDrained) {
  Connection& connection = connect();
  connection.out() = pattern(1 << 20);
  connection.want_drained();
  test.run_turns(3);
  EXPECT_EQ(handler.drained, 0);
  test.run_until([&] {
    take(peer);
    return handler.drained > 0;
  });
  EXPECT_EQ(connection.output_bytes(), 0u);
  test.run_turns(3);
  EXPECT_EQ(handler.drained, 1);
}

TEST_F(ConnectionOutput, FeedsAReaderAtItsOwnPace) {
  Connection& connection = connect();
  int fed = 0;
  handler.when_drained = [&](Connection& c) {
    if (fed++ == 100) return;
    c.out() += pattern(100000);
    c.want_drained();
  };
  connection.want_drained();
  size_t received = 0;
  test.run_until([&] {
    received += take(peer).size();
    return received == 100 * 100000;
  });
  EXPECT_EQ(fed, 101);
}

TEST_F(ConnectionOutput, SharesOneEventWithManyReaders) {
  auto event = std::make_shared<const std::string>(pattern(100000));
  std::vector<Fd> peers;
  for (int i = 0; i < 50; ++i) {
    Connection& connection = connect();
    peers.push_back(std::move(peer));
    connection.out() += "before ";
    connection.send_shared(event);
    connection.out() += " after";
  }
  EXPECT_EQ(event.use_count(), 51);
  std::vector<std::string> received(peers.size());
  test.run_until([&] {
    size_t done = 0;
    for (size_t i = 0; i < peers.size(); ++i) {
      received[i] += take(peers[i]);
      if (received[i].size() == event->size() + 13) ++done;
    }
    return done == peers.size();
  });
  for (const std::string& one : received) EXPECT_TRUE(one == "before " + *event + " after");
  test.run_turns(1);
  EXPECT_EQ(event.use_count(), 1);
}

TEST_F(ConnectionOutput, SendsMorePiecesThanOneCallTakes) {
  Connection& connection = connect();
  std::string expected;
  for (int i = 0; i < 500; ++i) {
    auto piece = std::make_shared<const std::string>(pattern(300 + static_cast<size_t>(i)));
    connection.send_shared(piece);
    expected += *piece;
  }
  std::string received;
  test.run_until([&] {
    received += take(peer);
    return received.size() >= expected.size();
  });
  EXPECT_TRUE(received == expected);
}

TEST_F(ConnectionOutput, OfATurnTravelsInOnePacket) {
  int fds[2];
  // A socket that keeps the borders of writes shows how many there were.
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
  Fd there(fds[1]);
  handler.consume = [](Connection& c, std::string_view input) {
    for (char byte : input) c.out() += byte;
    c.send_shared(std::make_shared<const std::string>(1000, 's'));
    c.out() += "end";
    return input.size();
  };
  test.loop.connections().add(Fd(fds[0]), handler);
  put(there, "abc");
  test.run_until([&] { return handler.inputs > 0; });
  std::array<char, 4096> buffer;
  EXPECT_EQ(recv(there.get(), buffer.data(), buffer.size(), 0), 3 + 1000 + 3);
}

}  // namespace
}  // namespace kvorum::net
