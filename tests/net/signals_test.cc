#include "net/signals.h"

#include <gtest/gtest.h>

#include <csignal>
#include <thread>

#include "tests/net/testing.h"

namespace kvorum::net {
namespace {

TEST(Signals, ArriveOnTheLoopWhicheverThreadTheyHit) {
  TestLoop test;
  std::vector<int> seen;
  std::thread::id seen_on;
  Signals signals(test.loop, {SIGHUP, SIGTERM}, [&](int signal) {
    seen.push_back(signal);
    seen_on = std::this_thread::get_id();
  });
  std::thread other([] { std::raise(SIGHUP); });
  test.run_until([&] { return seen.size() == 1; });
  other.join();
  std::raise(SIGTERM);
  test.run_until([&] { return seen.size() == 2; });
  EXPECT_EQ(seen, (std::vector<int>{SIGHUP, SIGTERM}));
  EXPECT_EQ(seen_on, std::this_thread::get_id());
}

TEST(Signals, SigpipeIsAnErrorOfTheWrite) {
  ignore_sigpipe();
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  close(fds[0]);
  EXPECT_EQ(write(fds[1], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  close(fds[1]);
}

}  // namespace
}  // namespace kvorum::net
