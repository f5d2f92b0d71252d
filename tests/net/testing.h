// What the tests of src/net share: a loop that stops when a condition holds, and both ends of a
// socket, one as a Connection and one as a plain descriptor or a Connection too.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/connection_set.h"
#include "net/event_loop.h"
#include "net/fd.h"
#include "net/timer.h"
#include "tests/base/temp_folder.h"

namespace kvorum::net {

class TestLoop {
 public:
  TestLoop() {
    loop.on_turn_end([this] {
      if (done_ && done_()) loop.stop();
    });
  }
  // Turns until `done` holds at the end of a turn. False, and a failed test, if it does not in
  // time.
  bool run_until(std::function<bool()> done) {
    done_ = std::move(done);
    bool in_time = true;
    Timer guard(loop, [&] {
      in_time = false;
      loop.stop();
    });
    guard.once(std::chrono::seconds(10));
    // Conditions on what the other end of a socket sees come true without an event here.
    Timer look(loop, [] {});
    look.every(std::chrono::milliseconds(1));
    loop.run();
    done_ = nullptr;
    EXPECT_TRUE(in_time) << "the loop waited in vain";
    return in_time;
  }
  // Some turns in which sockets are looked at, for showing that nothing happens.
  void run_turns(int turns) {
    int left = turns;
    Timer next(loop, [&] { --left; });
    next.every(std::chrono::milliseconds(0));
    run_until([&] { return left <= 0; });
  }

  EventLoop loop;

 private:
  std::function<bool()> done_;
};

// Consumes what its `consume` says, and remembers the rest.
class TestHandler : public ConnectionHandler {
 public:
  size_t on_input(Connection& connection, std::string_view input) override {
    ++inputs;
    size_t used = consume ? consume(connection, input) : input.size();
    received.append(input.substr(0, used));
    return used;
  }
  bool on_input_end(Connection& connection) override {
    ended = true;
    return input_end ? input_end(connection) : false;
  }
  void on_drained(Connection& connection) override {
    ++drained;
    if (when_drained) when_drained(connection);
  }
  void on_closed(Connection& connection, CloseReason why) override {
    ++closed;
    reason = why;
    if (when_closed) when_closed(connection);
  }

  std::function<size_t(Connection&, std::string_view)> consume;
  std::function<bool(Connection&)> input_end;
  std::function<void(Connection&)> when_drained;
  std::function<void(Connection&)> when_closed;
  std::string received;
  int inputs = 0;
  int drained = 0;
  int closed = 0;
  bool ended = false;
  CloseReason reason{};
};

inline std::array<Fd, 2> socket_pair() {
  int fds[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
  return {Fd(fds[0]), Fd(fds[1])};
}

inline void put(const Fd& fd, std::string_view bytes) {
  ASSERT_EQ(send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
}

// What can be read now without waiting.
inline std::string take(const Fd& fd) {
  std::string result;
  std::array<char, 65536> buffer;
  ssize_t n = 0;
  while ((n = recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT)) > 0) {
    result.append(buffer.data(), static_cast<size_t>(n));
  }
  return result;
}

inline bool at_end(const Fd& fd) {
  char byte = 0;
  return recv(fd.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

// Bytes that show when a piece is missing, doubled or moved.
inline std::string pattern(size_t size) {
  std::string result(size, '\0');
  uint32_t state = 1;
  for (char& c : result) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return result;
}

}  // namespace kvorum::net
