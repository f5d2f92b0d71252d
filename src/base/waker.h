// Waker: how a mailbox tells the host of its stage that there is work. Stage: what a host runs.
// EventWaker wakes a thread through an eventfd, and costs nothing while that thread is awake. While
// it sleeps another thread may borrow what belongs to it, instead of waking it for a moment's work.
// InlineWaker has no thread: whoever posts runs the stage, one runner at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

namespace kvorum {

class Waker {
 public:
  virtual ~Waker() = default;
  virtual void wake() = 0;
};

// A stage takes its input from mailboxes and posts its output to others.
class Stage {
 public:
  virtual ~Stage() = default;
  // Handles what is in the mailboxes now. False if there was nothing to do.
  virtual bool drain() = 0;
};

// The consumer's side: awake from construction; `prepare_sleep`, then look into every mailbox once
// more, then wait on `fd`, then `woken`. A post between the look and the wait makes `fd` readable.
class EventWaker final : public Waker {
 public:
  EventWaker();
  ~EventWaker() override;
  EventWaker(const EventWaker&) = delete;
  EventWaker& operator=(const EventWaker&) = delete;

  void wake() override;
  int fd() const { return fd_; }
  void prepare_sleep() { state_.store(State::kDozing); }
  // There was work after all. Waits while it is borrowed.
  void cancel_sleep();
  // Marks the consumer awake, as cancel_sleep() does, and empties the eventfd.
  void woken();
  // Blocks until `fd` is readable, then `woken`. For threads with no event loop.
  void wait();

  // Between the last look and the wait: from now on the consumer touches nothing until it is woken,
  // and may be borrowed.
  void lend();
  // Any thread's guess: the consumer waits, and may be borrowed.
  bool lent() const { return state_.load(std::memory_order_relaxed) == State::kAsleep; }
  // Any other thread. True: until `give_back` the consumer's things are the caller's, and the
  // consumer does not get past its wait. False: it may not be borrowed, or somebody else has it.
  [[nodiscard]] bool borrow();
  void give_back();

 private:
  enum class State : uint8_t {
    kAwake,
    kDozing,    // looks once more, or waits
    kAsleep,    // waits
    kBorrowed,  // somebody else works in its place
    kWanted,    // that too, and it was woken meanwhile
  };

  void signal();

  int fd_;
  std::atomic<State> state_{State::kAwake};
};

// Runs its stage on the posting thread. While one thread runs it, others only leave their message
// behind: the runner looks again before it lets go. Posts made by the stage itself must go to other
// hosts or to its own mailboxes; they never run it recursively.
class InlineWaker final : public Waker {
 public:
  void attach(Stage& stage) { stage_ = &stage; }
  void wake() override;

 private:
  Stage* stage_ = nullptr;
  // The number of wakes not yet served; the thread that raises it from zero is the runner.
  std::atomic<unsigned> pending_{0};
};

}  // namespace kvorum
