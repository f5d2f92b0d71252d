#include "net/event_loop.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "base/mailbox.h"
#include "tests/net/testing.h"

namespace kvorum::net {
namespace {

using std::chrono::milliseconds;

// Counts what comes through its mailbox, and runs a function for each message.
class CountingStage : public Stage {
 public:
  explicit CountingStage(Waker& waker) : mailbox(1 << 20, waker) {}
  bool drain() override {
    std::vector<int> batch;
    if (!mailbox.drain(batch)) return false;
    for (int message : batch) {
      ++count;
      if (on_message) on_message(message);
    }
    return true;
  }

  Mailbox<int> mailbox;
  int count = 0;
  std::function<void(int)> on_message;
};

TEST(EventLoop, DrainsWhatOtherThreadsPost) {
  constexpr int kThreads = 4;
  constexpr int kEach = 5000;
  TestLoop test;
  CountingStage stage(test.loop.waker());
  test.loop.host(stage);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) stage.mailbox.post(i);
    });
  }
  test.run_until([&] { return stage.count == kThreads * kEach; });
  for (std::thread& thread : threads) thread.join();
}

// Every message meets a loop that sleeps or is about to: a lost wake-up would hang here.
TEST(EventLoop, WakesForEveryPostOfAPingPong) {
  constexpr int kRounds = 20000;
  EventLoop left;
  EventLoop right;
  CountingStage left_stage(left.waker());
  CountingStage right_stage(right.waker());
  left.host(left_stage);
  right.host(right_stage);
  left_stage.on_message = [&](int i) { right_stage.mailbox.post(i); };
  right_stage.on_message = [&](int i) {
    if (i == kRounds) {
      left.stop();
      right.stop();
    } else {
      left_stage.mailbox.post(i + 1);
    }
  };
  left_stage.mailbox.post(1);
  std::thread thread([&] { left.run(); });
  right.run();
  thread.join();
  EXPECT_EQ(left_stage.count, kRounds);
  EXPECT_EQ(right_stage.count, kRounds);
}

TEST(EventLoop, StopsFromAnotherThreadAndRunsAgain) {
  EventLoop loop;
  for (int i = 0; i < 100; ++i) {
    std::thread thread([&] { loop.stop(); });
    loop.run();
    thread.join();
  }
}

TEST(EventLoop, DrainsWhatWasPostedBeforeStop) {
  EventLoop loop;
  CountingStage stage(loop.waker());
  loop.host(stage);
  stage.mailbox.post(1);
  loop.stop();
  loop.run();
  EXPECT_EQ(stage.count, 1);
}

TEST(EventLoop, PostsFromItsOwnCallbacksWakeNothing) {
  TestLoop test;
  CountingStage stage(test.loop.waker());
  test.loop.host(stage);
  int fd = dynamic_cast<EventWaker&>(test.loop.waker()).fd();
  auto wakes = [fd] {
    uint64_t count = 0;
    return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
  };
  TestHandler handler;
  handler.consume = [&](Connection&, std::string_view input) {
    stage.mailbox.post(1);
    return input.size();
  };
  std::array<Fd, 2> pair = socket_pair();
  Fd& there = pair[1];
  test.loop.connections().add(std::move(pair[0]), handler);
  // From a timer first, so that the loop has slept.
  Timer timer(test.loop, [&] {
    stage.mailbox.post(2);
    put(there, "x");
  });
  timer.once(milliseconds(5));
  test.run_until([&] { return stage.count == 2; });
  // The one wake is the stop() of the condition, made by the loop itself: none.
  EXPECT_EQ(wakes(), 0u);
}

TEST(EventLoop, RunsHooksAfterTheStagesAndBeforeOutputIsSent) {
  TestLoop test;
  std::string order;
  std::array<Fd, 2> pair = socket_pair();
  Fd& there = pair[1];
  TestHandler handler;
  CountingStage stage(test.loop.waker());
  test.loop.host(stage);
  handler.consume = [&](Connection& connection, std::string_view input) {
    order += "input ";
    connection.out() += "early ";
    stage.mailbox.post(1);
    return input.size();
  };
  stage.on_message = [&](int) { order += "stage "; };
  bool hooked = false;
  Connection& connection = test.loop.connections().add(std::move(pair[0]), handler);
  test.loop.on_turn_end([&] {
    if (stage.count == 0 || std::exchange(hooked, true)) return;
    order += take(there).empty() ? "hook" : "too late";
    connection.out() += "late";
  });
  put(there, "x");
  test.run_until([&] { return hooked; });
  EXPECT_EQ(order, "input stage hook");
  EXPECT_EQ(take(there), "early late");
}

// A loop on a thread of its own, with one connection, whose other end is `peer`.
class BorrowedLoop : public ::testing::Test {
 protected:
  BorrowedLoop() {
    auto [here, there] = socket_pair();
    peer = std::move(there);
    connection = &loop.connections().add(std::move(here), handler);
    loop.on_turn_end([this] { ++turns; });
  }
  ~BorrowedLoop() override { finish(); }
  // Before what a test hosts is gone.
  void finish() {
    if (!thread.joinable()) return;
    loop.stop();
    thread.join();
  }
  void run() {
    thread = std::thread([this] { loop.run(); });
  }
  // As soon as the loop sleeps.
  void append(std::string_view text) {
    while (!loop.borrow([&] {
      connection->out() += text;
      return true;
    })) {
      std::this_thread::yield();
    }
  }
  std::string receive(size_t bytes) {
    std::string received;
    while (received.size() < bytes) {
      pollfd entry{peer.get(), POLLIN, 0};
      if (::poll(&entry, 1, 10'000) != 1) break;
      received += take(peer);
    }
    return received;
  }

  EventLoop loop;
  TestHandler handler;
  Fd peer;
  Connection* connection = nullptr;
  std::atomic<int> turns{0};
  std::thread thread;
};

TEST_F(BorrowedLoop, IsNotWokenForWhatTheBorrowerSends) {
  run();
  append("a");
  EXPECT_EQ(receive(1), "a");
  const int before = turns;
  for (int i = 0; i < 100; ++i) append("b");
  EXPECT_EQ(receive(100), std::string(100, 'b'));
  EXPECT_EQ(turns, before);
  EXPECT_EQ(loop.connections().bytes_written(), 101u);
}

TEST_F(BorrowedLoop, SendsItselfWhatTheSocketDoesNotTakeAtOnce) {
  run();
  const std::string stream = pattern(8 << 20);
  append(stream);
  append("more");
  EXPECT_TRUE(receive(stream.size() + 4) == stream + "more");
}

TEST_F(BorrowedLoop, NoticesThatThePeerIsGone) {
  std::atomic<bool> closed{false};
  handler.when_closed = [&](Connection&) { closed = true; };
  handler.input_end = [](Connection&) { return true; };  // only sending shows it
  run();
  peer.reset();
  loop.borrow([&] {
    connection->out() += "x";
    return true;
  });
  for (int i = 0; i < 1000 && !closed; ++i) {
    loop.borrow([&] {
      if (!connection->closing()) connection->out() += "x";
      return true;
    });
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_TRUE(closed);
  EXPECT_EQ(handler.reason, CloseReason::kPeerClosed);
}

TEST_F(BorrowedLoop, IsLentOnlyWhileItSleeps) {
  int done = 0;
  auto work = [&] {
    ++done;
    return true;
  };
  EXPECT_FALSE(loop.borrow(work)) << "it does not run yet";
  CountingStage stage(loop.waker());
  std::atomic<bool> busy{false};
  std::atomic<bool> release{false};
  stage.on_message = [&](int) {
    EXPECT_FALSE(loop.borrow(work)) << "its own thread";
    busy = true;
    while (!release) std::this_thread::yield();
  };
  loop.host(stage);
  run();
  stage.mailbox.post(1);
  while (!busy) std::this_thread::yield();
  EXPECT_FALSE(loop.borrow(work)) << "busy";
  EXPECT_EQ(done, 0);
  release = true;
  append("x");
  EXPECT_EQ(receive(1), "x");
  EXPECT_FALSE(loop.borrow([] { return false; })) << "nothing was done";
  finish();
}

TEST_F(BorrowedLoop, LosesNothingBetweenBorrowersAndItsOwnWork) {
  constexpr int kEach = 20'000;
  CountingStage stage(loop.waker());
  stage.on_message = [&](int) { connection->out() += 'p'; };
  loop.host(stage);
  run();
  auto work = [&] {
    for (int i = 0; i < kEach; ++i) {
      const bool lent = loop.borrow([&] {
        connection->out() += 'b';
        return true;
      });
      if (!lent) stage.mailbox.post(1);
    }
  };
  std::thread first(work);
  std::thread second(work);
  EXPECT_EQ(receive(2 * kEach).size(), size_t{2 * kEach});
  first.join();
  second.join();
  finish();
}

TEST(EventLoop, AnswersSocketsThoughAStageAlwaysHasWork) {
  struct Busy : Stage {
    bool drain() override { return true; }
  } busy;
  TestLoop test;
  test.loop.host(busy);
  TestHandler handler;
  auto [here, there] = socket_pair();
  test.loop.connections().add(std::move(here), handler);
  put(there, "hello");
  test.run_until([&] { return handler.received == "hello"; });
}

TEST(Timer, FiresOnceAndNotEarly) {
  TestLoop test;
  int fired = 0;
  Timer timer(test.loop, [&] { ++fired; });
  Timer later(test.loop, [] {});
  auto start = std::chrono::steady_clock::now();
  timer.once(milliseconds(30));
  later.once(milliseconds(60));
  EXPECT_TRUE(timer.armed());
  test.run_until([&] { return fired > 0; });
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(30 - 5));
  EXPECT_FALSE(timer.armed());
  test.run_until([&] { return !later.armed(); });
  EXPECT_EQ(fired, 1);
}

TEST(Timer, FiresRegularlyUntilCancelled) {
  TestLoop test;
  int fired = 0;
  std::optional<Timer> timer;
  timer.emplace(test.loop, [&] {
    if (++fired == 5) timer->cancel();
  });
  Timer later(test.loop, [] {});
  timer->every(milliseconds(2));
  later.once(milliseconds(40));
  test.run_until([&] { return !later.armed(); });
  EXPECT_EQ(fired, 5);
}

TEST(Timer, MayDestroyItselfInItsCallback) {
  TestLoop test;
  auto alive = std::make_shared<int>(1);
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>(test.loop, [&timer, alive] {
    timer.reset();
    EXPECT_EQ(*alive, 1);
  });
  timer->every(milliseconds(1));
  test.run_until([&] { return timer == nullptr; });
  EXPECT_EQ(alive.use_count(), 1);
}

TEST(Timer, SetAgainInItsCallbackCountsFromThen) {
  TestLoop test;
  std::vector<std::chrono::steady_clock::time_point> times;
  std::optional<Timer> timer;
  timer.emplace(test.loop, [&] {
    // A callback that is slow must not shorten the next wait.
    auto until = std::chrono::steady_clock::now() + milliseconds(30);
    while (std::chrono::steady_clock::now() < until) {
    }
    times.push_back(std::chrono::steady_clock::now());
    if (times.size() < 2) timer->once(milliseconds(40));
  });
  timer->once(milliseconds(1));
  test.run_until([&] { return times.size() == 2; });
  EXPECT_GE(times[1] - times[0], milliseconds(30 + 40 - 5));
}

}  // namespace
}  // namespace kvorum::net
