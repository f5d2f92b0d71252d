#include <gtest/gtest.h>

#include <thread>

#include "base/mailbox.h"
#include "net/listener.h"
#include "tests/net/testing.h"

namespace kvorum::net {
namespace {

class ConnectionInput : public ::testing::Test {
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

size_t whole_lines(Connection&, std::string_view input) {
  size_t end = input.rfind('\n');
  return end == std::string_view::npos ? 0 : end + 1;
}

TEST_F(ConnectionInput, ArrivesWholeHoweverItIsSplit) {
  Connection& connection = connect();
  handler.consume = whole_lines;
  const std::string message = "first line\nsecond\n";
  for (size_t split = 1; split < message.size(); ++split) {
    handler.received.clear();
    int before = handler.inputs;
    put(peer, message.substr(0, split));
    test.run_until([&] { return handler.inputs == before + 1; });
    EXPECT_EQ(handler.received.size() + connection.input_bytes(), split);
    put(peer, message.substr(split));
    test.run_until([&] { return handler.received == message; });
    EXPECT_EQ(connection.input_bytes(), 0u);
  }
}

TEST_F(ConnectionInput, ShowsAllThatWasNotConsumedEveryTime) {
  connect();
  std::vector<std::string> seen;
  handler.consume = [&](Connection&, std::string_view input) {
    seen.emplace_back(input);
    return size_t{0};
  };
  for (const char* part : {"a", "b", "c"}) {
    put(peer, part);
    size_t before = seen.size();
    test.run_until([&] { return seen.size() > before; });
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"a", "ab", "abc"}));
}

TEST_F(ConnectionInput, CallsOnceForARequestWhoseSizeIsKnown) {
  Connection& connection = connect();
  const std::string request = pattern(3 << 20);
  handler.consume = [&](Connection& c, std::string_view input) {
    if (input.size() < request.size()) {
      c.want_input(request.size());
      return size_t{0};
    }
    return input.size();
  };
  TestHandler writer;
  Connection& other = test.loop.connections().add(std::move(peer), writer);
  other.out() = request;
  test.run_until([&] { return !handler.received.empty(); });
  EXPECT_TRUE(handler.received == request);
  EXPECT_EQ(handler.inputs, 2);
  EXPECT_EQ(connection.input_bytes(), 0u);
}

TEST_F(ConnectionInput, HoldsASmallRequestUntilItIsAsLongAsWanted) {
  connect();
  handler.consume = [](Connection& c, std::string_view input) {
    if (input.size() >= 5) return input.size();
    c.want_input(5);
    return size_t{0};
  };
  for (const char* part : {"a", "b", "c", "d"}) {
    put(peer, part);
    test.run_turns(2);
  }
  EXPECT_EQ(handler.inputs, 1);
  put(peer, "e");
  test.run_until([&] { return handler.received == "abcde"; });
  EXPECT_EQ(handler.inputs, 2);
}

TEST_F(ConnectionInput, GoesOnWithHeldBytesWhenAskedFromElsewhere) {
  struct Completions : Stage {
    explicit Completions(Waker& waker) : mailbox(100, waker) {}
    bool drain() override {
      std::vector<Connection*> batch;
      if (!mailbox.drain(batch)) return false;
      for (Connection* c : batch) c->process_again();
      return true;
    }
    Mailbox<Connection*> mailbox;
  } completions(test.loop.waker());
  test.loop.host(completions);
  connect();
  // One byte a time, the next after a completion from another thread.
  std::vector<std::thread> threads;
  handler.consume = [&](Connection& c, std::string_view input) {
    if (input.empty()) return size_t{0};
    threads.emplace_back([&completions, &c] { completions.mailbox.post(&c); });
    return size_t{1};
  };
  put(peer, "abcdef");
  test.run_until([&] { return handler.received == "abcdef" && handler.inputs == 7; });
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ConnectionInput, MayAskForItselfWithoutEndAndStillLetOthersRun) {
  Connection& greedy = connect();
  handler.consume = [](Connection& c, std::string_view) {
    c.process_again();
    return size_t{0};
  };
  greedy.process_again();
  TestHandler modest;
  auto [here, there] = socket_pair();
  test.loop.connections().add(std::move(here), modest);
  put(there, "me too");
  test.run_until([&] { return modest.received == "me too"; });
  EXPECT_GT(handler.inputs, 1);
}

TEST_F(ConnectionInput, StaysInTheKernelWhilePaused) {
  Connection& connection = connect();
  connection.pause_reading();
  put(peer, "wait");
  test.run_turns(5);
  EXPECT_EQ(handler.inputs, 0);
  connection.resume_reading();
  test.run_until([&] { return handler.received == "wait"; });
}

TEST_F(ConnectionInput, SlowsThePeerDownWhilePaused) {
  Connection& connection = connect();
  handler.consume = [](Connection& c, std::string_view input) {
    c.pause_reading();
    return input.size();
  };
  TestHandler writer;
  const std::string stream = pattern(8 << 20);
  Connection& other = test.loop.connections().add(std::move(peer), writer);
  other.out() = stream;
  test.run_until([&] { return connection.reading_paused(); });
  test.run_turns(5);
  EXPECT_LE(handler.received.size(), 64u * 1024);
  EXPECT_GT(other.output_bytes(), stream.size() / 2);
  handler.consume = nullptr;
  connection.resume_reading();
  test.run_until([&] { return handler.received.size() == stream.size(); });
  EXPECT_TRUE(handler.received == stream);
}

TEST_F(ConnectionInput, IsOfferedAgainOnResumeThoughThePeerIsSilent) {
  Connection& connection = connect();
  handler.consume = [](Connection& c, std::string_view) {
    c.pause_reading();
    return size_t{0};
  };
  put(peer, "held");
  test.run_until([&] { return handler.inputs == 1; });
  handler.consume = nullptr;
  connection.resume_reading();
  test.run_until([&] { return handler.received == "held"; });
}

TEST_F(ConnectionInput, IsReadInBoundedPortionsSoThatOthersGetTheirTurn) {
  Listener* raw = nullptr;
  std::unique_ptr<Listener> listener;
  Connection* flooded = nullptr;
  auto opened = Listener::open(
      test.loop, *parse_address("127.0.0.1:0"),
      [&](Fd fd) {
        flooded = &test.loop.connections().add(std::move(fd), handler);
        flooded->pause_reading();
      },
      [](const std::string&) {});
  ASSERT_TRUE(opened);
  listener = std::move(*opened);
  raw = listener.get();
  Fd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  auto target = resolve({"127.0.0.1", raw->port(), ""}, true);
  ASSERT_EQ(::connect(client.get(), target->front().get(), target->front().size), 0);
  test.run_until([&] { return flooded != nullptr; });
  // Fill the kernel's buffers before the loop looks.
  const std::string block = pattern(256 * 1024);
  size_t filled = 0;
  ssize_t n = 0;
  while ((n = send(client.get(), block.data(), block.size(), MSG_DONTWAIT)) > 0) {
    filled += static_cast<size_t>(n);
  }
  ASSERT_GT(filled, 600u * 1024) << "the kernel's buffers are too small to show anything";
  size_t before = 0;
  size_t most = 0;
  test.loop.on_turn_end([&] {
    most = std::max(most, handler.received.size() - before);
    before = handler.received.size();
  });
  flooded->resume_reading();
  test.run_until([&] { return handler.received.size() >= filled; });
  EXPECT_GT(most, 0u);
  EXPECT_LE(most, (256u + 64) * 1024);
}

}  // namespace
}  // namespace kvorum::net
