// SharedHost: who runs the stages, and that nothing posted is ever left lying. Run under the thread
// sanitizer.
#include "base/shared_host.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/mailbox.h"

namespace kvorum {
namespace {

// Counts what it is given and remembers who ran it.
class Counter final : public Stage {
 public:
  explicit Counter(Waker& waker) : mailbox_(1 << 20, waker) {}
  void post(int value) { mailbox_.post(value); }
  bool drain() override {
    if (!mailbox_.drain(inbox_)) return false;
    EXPECT_FALSE(running_.exchange(true)) << "two threads at once";
    runner = std::this_thread::get_id();
    for (int value : inbox_) {
      if (next != nullptr) next->post(value);
      sum += value;
    }
    running_ = false;
    sum.notify_all();
    return true;
  }
  void await(int wanted) {
    for (int now = sum; now != wanted; now = sum) sum.wait(now);
  }

  std::atomic<int> sum{0};
  std::atomic<std::thread::id> runner{};
  Counter* next = nullptr;

 private:
  Mailbox<int> mailbox_;
  std::vector<int> inbox_;
  std::atomic<bool> running_{false};
};

// A host with one stage, started; its helper has introduced itself if it is this thread.
struct SharedHostTest : testing::Test {
  void start(bool may_help, bool introduce = true) {
    host.host(counter);
    helper = &host.helper(
        {helper_waker, [may_help] { return may_help; }, [this] { return awaited.load(); }});
    if (introduce) {
      EXPECT_FALSE(helper->drain());
    }
    host.start();
  }

  void TearDown() override { host.stop(); }

  SharedHost host{"test"};
  Counter counter{host};
  EventWaker helper_waker;
  std::atomic<bool> awaited{false};
  Stage* helper = nullptr;
};

TEST_F(SharedHostTest, RunsWhatOthersPostOnItsThread) {
  start(true, false);
  std::thread other([&] { EXPECT_FALSE(helper->drain()); });
  other.join();
  counter.post(1);
  counter.await(1);
  EXPECT_NE(counter.runner.load(), std::this_thread::get_id());
}

TEST_F(SharedHostTest, WakesAHelperThatWaitsForWhatOthersPost) {
  start(true);
  helper_waker.prepare_sleep();
  awaited = true;
  std::thread([&] { counter.post(1); }).join();
  helper_waker.wait();  // for ever, if nobody wakes it
  EXPECT_TRUE(helper->drain());
  EXPECT_EQ(counter.sum, 1);
  EXPECT_EQ(counter.runner.load(), std::this_thread::get_id());
}

TEST_F(SharedHostTest, GivesLongWorkToItsThreadThoughTheHelperWaits) {
  start(false);
  awaited = true;
  std::thread([&] { counter.post(1); }).join();
  counter.await(1);
  EXPECT_NE(counter.runner.load(), std::this_thread::get_id());
}

TEST(SharedHost, LetsItsHelperRunShortWorkOfItsOwn) {
  SharedHost host("test");
  Counter second(host);
  Counter first(host);
  first.next = &second;
  host.host(first);
  host.host(second);
  EventWaker waker;
  Stage& helper = host.helper({waker, [] { return true; }, [] { return false; }});
  EXPECT_FALSE(helper.drain());  // it introduces itself
  host.start();
  first.post(5);
  EXPECT_EQ(first.sum, 0);
  EXPECT_TRUE(helper.drain());
  EXPECT_EQ(first.sum, 5);
  EXPECT_EQ(second.sum, 5);  // given by one stage to the other in the same round
  EXPECT_EQ(second.runner.load(), std::this_thread::get_id());
  EXPECT_FALSE(helper.drain());
  host.stop();
}

TEST_F(SharedHostTest, GivesLongWorkToItsThread) {
  start(false);
  counter.post(2);
  counter.await(2);
  EXPECT_NE(counter.runner.load(), std::this_thread::get_id());
}

TEST_F(SharedHostTest, FinishesAtItsEndWhatTheHelperStillOwed) {
  start(true);
  counter.post(3);
  host.stop();
  EXPECT_EQ(counter.sum, 3);
}

TEST(SharedHost, LosesNothingWhileAllPostAtOnce) {
  constexpr int kPosts = 20'000;
  SharedHost host("test");
  Counter second(host);
  Counter first(host);
  first.next = &second;
  host.host(first);
  host.host(second);
  std::atomic<int> asked{0};
  EventWaker waker;
  Stage& helper =
      host.helper({waker, [&] { return ++asked % 3 != 0; }, [&] { return asked.load() % 2 == 0; }});
  EXPECT_FALSE(helper.drain());
  host.start();
  std::vector<std::thread> others;
  for (int thread = 0; thread < 2; ++thread) {
    others.emplace_back([&] {
      for (int i = 0; i < kPosts; ++i) first.post(1);
    });
  }
  for (int i = 0; i < kPosts; ++i) {
    first.post(1);
    helper.drain();
  }
  for (std::thread& other : others) other.join();
  // What was left to it before the others ended.
  while (helper.drain()) {
  }
  second.await(3 * kPosts);
  EXPECT_EQ(first.sum, 3 * kPosts);
  host.stop();
}

}  // namespace
}  // namespace kvorum
