// Waker: how a mailbox tells the host of its stage that there is work. Stage: what a host runs.
// EventWaker wakes a thread through an eventfd, and costs nothing while that thread is awake.
// InlineWaker has no thread: whoever posts runs the stage, one runner at a time.
#pragma once

#include <atomic>
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
  void prepare_sleep() { awake_.store(false); }
  // There was work after all.
  void cancel_sleep() { awake_.store(true); }
  // Marks the consumer awake and empties the eventfd.
  void woken();
  // Blocks until `fd` is readable, then `woken`. For threads with no event loop.
  void wait();

 private:
  int fd_;
  std::atomic<bool> awake_{true};
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
