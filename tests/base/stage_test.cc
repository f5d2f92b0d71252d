// Mailboxes, wakers and stage threads, alone and together. Run under the thread sanitizer.
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/mailbox.h"
#include "base/stage_thread.h"
#include "base/waker.h"

namespace kvorum {
namespace {

class CountingWaker final : public Waker {
 public:
  void wake() override { ++wakes; }
  int wakes = 0;
};

bool readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return poll(&entry, 1, 0) == 1;
}

TEST(Mailbox, DrainsInPostingOrderAsOneBatch) {
  CountingWaker waker;
  Mailbox<std::string> mailbox(1000, waker);
  std::vector<std::string> batch = {"left over"};
  EXPECT_FALSE(mailbox.drain(batch));
  EXPECT_TRUE(batch.empty());
  mailbox.post("a");
  EXPECT_TRUE(mailbox.try_post("b", 1));
  mailbox.post("c");
  EXPECT_EQ(waker.wakes, 3);
  EXPECT_FALSE(mailbox.empty());
  EXPECT_TRUE(mailbox.drain(batch));
  EXPECT_EQ(batch, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(mailbox.empty());
  EXPECT_EQ(mailbox.bytes(), 0U);
}

TEST(Mailbox, RefusesRequestsBeyondItsBoundAndLeavesThemUntouched) {
  CountingWaker waker;
  Mailbox<std::string> mailbox(10, waker);
  EXPECT_TRUE(mailbox.try_post("first", 6));
  std::string second = "second";
  EXPECT_FALSE(mailbox.try_post(std::move(second), 5));
  EXPECT_EQ(second, "second");  // NOLINT(bugprone-use-after-move): what is promised
  EXPECT_EQ(waker.wakes, 1);
  EXPECT_TRUE(mailbox.try_post(std::move(second), 4));
  EXPECT_EQ(mailbox.bytes(), 10U);
}

TEST(Mailbox, TakesCompletionsBeyondItsBound) {
  CountingWaker waker;
  Mailbox<int> mailbox(10, waker);
  mailbox.post(1, 8);
  mailbox.post(2, 8);
  EXPECT_EQ(mailbox.bytes(), 16U);
}

TEST(Mailbox, TakesAnOversizedRequestWhenEmpty) {
  CountingWaker waker;
  Mailbox<int> mailbox(10, waker);
  EXPECT_TRUE(mailbox.try_post(1, 100));
  EXPECT_FALSE(mailbox.try_post(2, 0));
}

TEST(EventWaker, CostsNothingWhileItsThreadIsAwake) {
  EventWaker waker;
  waker.wake();
  EXPECT_FALSE(readable(waker.fd()));
  waker.prepare_sleep();
  EXPECT_FALSE(readable(waker.fd()));
  waker.wake();
  EXPECT_TRUE(readable(waker.fd()));
  waker.woken();
  EXPECT_FALSE(readable(waker.fd()));
}

TEST(EventWaker, IsAwakeAgainAfterACancelledSleep) {
  EventWaker waker;
  waker.prepare_sleep();
  waker.cancel_sleep();
  waker.wake();
  EXPECT_FALSE(readable(waker.fd()));
}

// Takes numbers and adds them up.
class Adder final : public Stage {
 public:
  explicit Adder(Waker& waker) : mailbox(1 << 20, waker) {}

  bool drain() override {
    bool alone = !running_.exchange(true);
    overlapped_ = overlapped_ || !alone;
    bool worked = mailbox.drain(batch_);
    for (int number : batch_) sum_ += number;
    running_.store(false);
    return worked;
  }
  // Only when nothing runs it any more.
  long sum() const { return sum_; }
  bool overlapped() const { return overlapped_; }

  Mailbox<int> mailbox;

 private:
  std::vector<int> batch_;
  long sum_ = 0;
  bool overlapped_ = false;
  std::atomic<bool> running_{false};
};

constexpr int kProducers = 4;
constexpr int kPosts = 5000;

void post_from_many_threads(Mailbox<int>& mailbox) {
  std::vector<std::thread> producers;
  for (int p = 0; p < kProducers; ++p) {
    producers.emplace_back([&mailbox] {
      for (int i = 1; i <= kPosts; ++i) mailbox.post(i);
    });
  }
  for (std::thread& producer : producers) producer.join();
}

constexpr long kSum = long{kProducers} * kPosts * (kPosts + 1) / 2;

TEST(EventWaker, IsBorrowedOnlyWhileItSleeps) {
  EventWaker waker;
  EXPECT_FALSE(waker.borrow()) << "awake";
  waker.prepare_sleep();
  EXPECT_FALSE(waker.borrow()) << "it still looks";
  waker.lend();
  EXPECT_TRUE(waker.borrow());
  EXPECT_FALSE(waker.borrow()) << "by two";
  waker.give_back();
  EXPECT_FALSE(readable(waker.fd())) << "nobody wanted it";
  EXPECT_TRUE(waker.borrow());
  waker.wake();
  waker.wake();
  EXPECT_FALSE(readable(waker.fd())) << "not yet";
  waker.give_back();
  EXPECT_TRUE(readable(waker.fd()));
  EXPECT_FALSE(waker.borrow()) << "woken";
  waker.woken();
}

TEST(EventWaker, IsNotLentWhenSomebodyWokeItJustBefore) {
  EventWaker waker;
  waker.prepare_sleep();
  waker.wake();
  waker.lend();
  EXPECT_FALSE(waker.borrow());
  EXPECT_TRUE(readable(waker.fd()));
}

// A consumer that wakes by itself while others borrow it: no two of them at once, no wake is lost.
TEST(EventWaker, WaitsForWhoHasBorrowedIt) {
  constexpr int kRounds = 20'000;
  EventWaker waker;
  int shared = 0;  // guarded by nothing else
  std::atomic<bool> done{false};
  std::atomic<int> borrowed{0};
  auto borrow = [&] {
    while (!done) {
      if (!waker.borrow()) continue;
      ++shared;
      ++borrowed;
      waker.give_back();
    }
  };
  std::thread first(borrow);
  std::thread second(borrow);
  int own = 0;
  for (int round = 0; round < kRounds || borrowed == 0; ++round) {
    waker.prepare_sleep();
    ++shared;  // the last look
    waker.lend();
    if (round % 2 == 0) std::this_thread::yield();
    waker.cancel_sleep();
    ++shared;
    own += 2;
  }
  done = true;
  first.join();
  second.join();
  EXPECT_EQ(shared, own + borrowed);
}

TEST(InlineWaker, RunsTheStageOnThePostingThread) {
  InlineWaker waker;
  Adder adder(waker);
  waker.attach(adder);
  adder.mailbox.post(7);
  EXPECT_EQ(adder.sum(), 7);
}

TEST(InlineWaker, RunsTheStageOnOneThreadAtATime) {
  InlineWaker waker;
  Adder adder(waker);
  waker.attach(adder);
  post_from_many_threads(adder.mailbox);
  EXPECT_EQ(adder.sum(), kSum);
  EXPECT_FALSE(adder.overlapped());
}

// Counts down through its own mailbox.
class Countdown final : public Stage {
 public:
  explicit Countdown(Waker& waker) : mailbox(1 << 20, waker) {}
  bool drain() override {
    std::vector<int> batch;
    if (!mailbox.drain(batch)) return false;
    ++depth_;
    depth_max = std::max(depth_max, depth_);
    for (int number : batch) {
      ++handled;
      if (number > 0) mailbox.post(number - 1);
    }
    --depth_;
    return true;
  }
  Mailbox<int> mailbox;
  int handled = 0;
  int depth_max = 0;

 private:
  int depth_ = 0;
};

TEST(InlineWaker, DoesNotRecurseWhenAStagePostsToItself) {
  InlineWaker waker;
  Countdown countdown(waker);
  waker.attach(countdown);
  countdown.mailbox.post(1000);
  EXPECT_EQ(countdown.handled, 1001);
  EXPECT_EQ(countdown.depth_max, 1);
}

TEST(StageThread, HandlesEveryPostOfManyThreads) {
  StageThread thread("adder");
  Adder adder(thread.waker());
  thread.host(adder);
  thread.start();
  post_from_many_threads(adder.mailbox);
  thread.stop();
  EXPECT_EQ(adder.sum(), kSum);
}

// Passes numbers to a partner until they reach zero, so that each thread sleeps while the other
// works.
class Rally final : public Stage {
 public:
  explicit Rally(Waker& waker) : mailbox(1 << 20, waker) {}
  bool drain() override {
    bool worked = mailbox.drain(batch_);
    for (int number : batch_) {
      if (number == 0) {
        done.store(true);
        done.notify_all();
      } else {
        partner->mailbox.post(number - 1);
      }
    }
    return worked;
  }
  Mailbox<int> mailbox;
  Rally* partner = nullptr;
  std::atomic<bool> done{false};

 private:
  std::vector<int> batch_;
};

TEST(StageThread, NeverSleepsThroughAPost) {
  StageThread left_thread("left");
  StageThread right_thread("right");
  Rally left(left_thread.waker());
  Rally right(right_thread.waker());
  left.partner = &right;
  right.partner = &left;
  left_thread.host(left);
  right_thread.host(right);
  left_thread.start();
  right_thread.start();
  left.mailbox.post(2000);
  left.done.wait(false);
  left_thread.stop();
  right_thread.stop();
  EXPECT_TRUE(left.mailbox.empty());
  EXPECT_TRUE(right.mailbox.empty());
}

TEST(StageThread, DrainsWhatWasPostedBeforeItStops) {
  StageThread thread("adder");
  Adder adder(thread.waker());
  thread.host(adder);
  adder.mailbox.post(1);
  thread.start();
  adder.mailbox.post(2);
  thread.stop();
  thread.stop();
  EXPECT_EQ(adder.sum(), 3);
}

TEST(StageThread, RunsSeveralStages) {
  StageThread thread("two");
  Adder first(thread.waker());
  Adder second(thread.waker());
  thread.host(first);
  thread.host(second);
  thread.start();
  first.mailbox.post(1);
  second.mailbox.post(2);
  thread.stop();
  EXPECT_EQ(first.sum(), 1);
  EXPECT_EQ(second.sum(), 2);
}

}  // namespace
}  // namespace kvorum
