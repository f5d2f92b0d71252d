// Resolver: host names to addresses for one loop, without blocking it: the system's resolver runs
// on a thread of its own for each name in question, so names mean here what they mean everywhere
// else on the machine. Such a thread is never waited for; it can hang as long as DNS does.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/mailbox.h"
#include "net/address.h"
#include "net/event_loop.h"

namespace kvorum::net {

class Resolver {
 public:
  using Addresses = Result<std::vector<SocketAddress>>;
  using Done = std::function<void(const Addresses&)>;

  explicit Resolver(EventLoop& loop);
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // `done` is called by the loop, later. The result names the request for cancel().
  uint64_t lookup(const Address& address, Done done);
  void cancel(uint64_t id) { waiting_.erase(id); }

 private:
  struct Answer {
    std::string name;
    Addresses addresses;
  };
  // Shared with the threads, which may outlive the loop.
  struct Answers {
    EventWaker waker;
    Mailbox<Answer> mailbox{SIZE_MAX, waker};
  };
  struct Waiting {
    std::string name;
    Done done;
  };

  static void answered(int fd, short what, void* self);
  bool deliver();

  EventLoop& loop_;
  std::shared_ptr<Answers> answers_;
  EventPtr event_;
  // By request. Names being looked up have one thread, however many wait for them.
  std::map<uint64_t, Waiting> waiting_;
  std::set<std::string> running_;
  uint64_t last_id_ = 0;
};

}  // namespace kvorum::net
