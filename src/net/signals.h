// Signals: brings signals to a loop's thread as ordinary callbacks. Only one loop of a process can
// have them.
#pragma once

#include <functional>
#include <vector>

#include "net/event_loop.h"

namespace kvorum::net {

class Signals {
 public:
  Signals(EventLoop& loop, const std::vector<int>& signals, std::function<void(int)> callback);
  ~Signals() = default;
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  static void raised(int signal, short what, void* self);

  EventLoop& loop_;
  const std::function<void(int)> callback_;
  std::vector<EventPtr> events_;
};

// Writing to a closed socket or pipe is an error like others, not the end of the process.
void ignore_sigpipe();

}  // namespace kvorum::net
