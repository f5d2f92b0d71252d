// Timer: calls back once or regularly on its loop's thread. Accurate to the kernel's coarse clock
// (4 ms); a regular timer that was held up skips what it missed, so who must know how much time has
// passed asks a Clock. The callback may set, cancel or destroy the timer.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>

#include "net/event_loop.h"

namespace kvorum::net {

class Timer {
 public:
  Timer(EventLoop& loop, std::function<void()> callback);
  ~Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Each replaces what was set before.
  void once(std::chrono::milliseconds delay) { set(delay, false); }
  // A period under a millisecond is taken as one.
  void every(std::chrono::milliseconds period) {
    set(std::max(period, std::chrono::milliseconds(1)), true);
  }
  void cancel();
  bool armed() const;

 private:
  void set(std::chrono::milliseconds delay, bool again);
  static void fired(int fd, short what, void* self);

  EventLoop& loop_;
  // Shared with a running callback, which may destroy the timer.
  std::shared_ptr<std::function<void()>> callback_;
  EventPtr event_;
};

}  // namespace kvorum::net
