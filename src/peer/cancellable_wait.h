// CancellableWait: the waits of one thread for a socket or for time, which any other thread can end
// for good; and connecting as such a wait.
#pragma once

#include <atomic>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/waker.h"
#include "net/fd.h"

namespace kvorum::peer {

class CancellableWait {
 public:
  // Any thread.
  void cancel() {
    cancelled_.store(true);
    waker_.wake();
  }
  bool cancelled() const { return cancelled_.load(); }

  Monotonic now() const { return clock_.monotonic(); }
  // Until `fd` is ready, the time has come or somebody cancels: what it is ready for.
  short poll(int fd, short events, Monotonic until);
  // False when it was cancelled before.
  bool sleep(Monotonic until);

 private:
  const SystemClock clock_{};
  EventWaker waker_;
  std::atomic<bool> cancelled_{false};
};

// A connection to `address`, tried at all addresses that its host name has.
Result<net::Fd> connect(CancellableWait& wait, const std::string& address, Monotonic until);

}  // namespace kvorum::peer
