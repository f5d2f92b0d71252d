// EventLoop: a thread's epoll, through libevent, and the host of the stages placed on that thread.
// Everything here and on the loop's connections, timers and listeners belongs to the thread that
// runs the loop; other threads may only call stop(), post to mailboxes with the loop's waker, and
// borrow the loop while it sleeps.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/waker.h"

struct event;
struct event_base;

namespace kvorum::net {

class ConnectionSet;
class Resolver;

struct FreeEvent {
  void operator()(event* e) const;
};
using EventPtr = std::unique_ptr<event, FreeEvent>;

class EventLoop {
 public:
  EventLoop();
  // Closes what connections are left without telling their handlers.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  Waker& waker() { return waker_; }
  // Any thread's guess: the loop waits for events.
  bool asleep() const { return waker_.lent(); }
  // Any thread. When the loop waits for events, `work` is done by the caller instead of waking the
  // loop for it, and what it appended to connections is sent. `work` may do what is allowed on the
  // loop's thread, except what needs libevent: nothing is made, closed or timed. False when the
  // loop is busy, or `work` did nothing and says so: post it.
  template <class Work>
  bool borrow(Work&& work) {
    if (!waker_.borrow()) return false;
    const bool worked = work();
    if (worked) flush_borrowed();
    waker_.give_back();
    return worked;
  }
  ConnectionSet& connections() { return *connections_; }

  // Before run(). The stage outlives the loop's run.
  void host(Stage& stage) { stages_.push_back(&stage); }
  // Before run(). `hook` is called in every turn after the stages are drained and before output is
  // flushed: the place to post what the turn has gathered. Hooks run in the order they came.
  void on_turn_end(std::function<void()> hook) { hooks_.push_back(std::move(hook)); }

  // A hook's: the next turn only looks at the sockets and does not wait for them.
  void look_again() { look_again_ = true; }

  // Turns until stop(); what was posted before stop() is drained and flushed once more.
  void run();
  // Any thread, also before run().
  void stop();

  // Also while the loop does not run.
  bool in_loop_thread() const {
    std::thread::id runner = thread_.load();
    return runner == std::thread::id() || runner == std::this_thread::get_id();
  }
  // A clock nobody can set, read once a turn.
  Monotonic now() const { return now_; }

  // For this module.
  event_base* base() { return base_.get(); }
  // Made when the first host name is looked up.
  Resolver& resolver();
  // Every callback from libevent calls this first: the wait is over, posts cost nothing again.
  void enter_callback() {
    if (polling_) end_poll();
  }

 private:
  struct FreeBase {
    void operator()(event_base* base) const;
  };

  bool drain_stages();
  bool work();
  bool finish_turn();
  void poll(bool block);
  void end_poll();
  void flush_borrowed();

  // Order: events are freed before their base.
  std::unique_ptr<event_base, FreeBase> base_;
  EventWaker waker_;
  EventPtr waker_event_;
  std::unique_ptr<Resolver> resolver_;
  SystemClock clock_;
  Monotonic now_;
  std::unique_ptr<ConnectionSet> connections_;
  std::vector<Stage*> stages_;
  std::vector<std::function<void()>> hooks_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::thread::id> thread_{};
  // Inside epoll, no callback yet.
  bool polling_ = false;
  bool look_again_ = false;
};

}  // namespace kvorum::net
