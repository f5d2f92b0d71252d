// Listener: accepts on one TCP address or unix socket, on its loop's thread, and hands each
// accepted socket on; what becomes of it, and on which loop, is the callback's affair. It may not
// outlive the loop, nor be destroyed by its own callbacks.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/address.h"
#include "net/event_loop.h"
#include "net/fd.h"
#include "net/timer.h"

namespace kvorum::net {

struct ListenOptions {
  int backlog = 511;
  // Permissions of a unix socket; 0 leaves them to the umask.
  mode_t unix_mode = 0;
  // The pause after running out of descriptors or memory.
  std::chrono::milliseconds accept_backoff{100};
};

class Listener {
 public:
  // The socket is non-blocking and close-on-exec.
  using OnAccept = std::function<void(Fd)>;
  using OnError = std::function<void(const std::string&)>;

  // A host name with several addresses takes the first that can be bound. Looking a name up blocks.
  static Result<std::unique_ptr<Listener>> open(EventLoop& loop, const Address& address,
                                                OnAccept on_accept, OnError on_error,
                                                const ListenOptions& options = {});
  // Removes the unix socket from the file system, unless another has taken its place.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // The bound port, also where 0 was asked for; 0 for a unix socket.
  uint16_t port() const { return local_port(fd_.get()); }
  // As bound: `ip:port`, `[v6]:port`, or the path.
  std::string text() const;

 private:
  Listener(EventLoop& loop, Fd fd, std::string path, OnAccept on_accept, OnError on_error,
           const ListenOptions& options);

  static void acceptable(int fd, short what, void* self);
  // False if no more should be accepted in this turn.
  bool accept_one();
  void back_off(int error);
  void accept_again();

  EventLoop& loop_;
  Fd fd_;
  const std::string path_;
  // Of the socket file we made.
  dev_t device_ = 0;
  ino_t inode_ = 0;
  const OnAccept on_accept_;
  const OnError on_error_;
  const std::chrono::milliseconds backoff_;
  EventPtr event_;
  Timer timer_;
};

}  // namespace kvorum::net
