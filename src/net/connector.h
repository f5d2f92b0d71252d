// Connector: one outgoing connection at a time: looks the name up, connects, each without blocking,
// all within one timeout. Hands over a socket for ConnectionSet::add. It may be destroyed or used
// again by its callback.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/address.h"
#include "net/event_loop.h"
#include "net/fd.h"
#include "net/timer.h"

namespace kvorum::net {

class Connector {
 public:
  using Done = std::function<void(Result<Fd>)>;

  explicit Connector(EventLoop& loop);
  ~Connector() { cancel(); }
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  // `done` is called by the loop, once, later; not at all after cancel(). Replaces an attempt that
  // is under way.
  void connect(const Address& address, std::chrono::milliseconds timeout, Done done);
  void cancel();
  bool connecting() const { return done_ != nullptr; }

 private:
  static void writable(int fd, short what, void* self);
  void resolved(const Result<std::vector<SocketAddress>>& addresses);
  void try_next();
  void connected();
  void finish(Result<Fd> result);

  EventLoop& loop_;
  Address address_;
  Done done_;
  std::vector<SocketAddress> candidates_;
  size_t next_ = 0;
  uint64_t lookup_ = 0;
  std::string why_;
  Fd fd_;
  EventPtr event_;
  Timer timeout_;
  // Results that are known at once are still reported by the loop.
  Timer start_;
};

}  // namespace kvorum::net
