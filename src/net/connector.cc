#include "net/connector.h"

#include <event2/event.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/check.h"
#include "net/resolver.h"

namespace kvorum::net {

Connector::Connector(EventLoop& loop)
    : loop_(loop),
      timeout_(loop, [this] { finish(fail("can't connect to {}: timed out", address_.text())); }),
      start_(loop, [this] { resolved(resolve(address_, true)); }) {}

void Connector::connect(const Address& address, std::chrono::milliseconds timeout, Done done) {
  cancel();
  address_ = address;
  done_ = std::move(done);
  timeout_.once(timeout);
  if (resolve(address, true)) {
    start_.once(std::chrono::milliseconds(0));
    return;
  }
  lookup_ = loop_.resolver().lookup(address, [this](const Resolver::Addresses& addresses) {
    lookup_ = 0;
    resolved(addresses);
  });
}

void Connector::cancel() {
  if (lookup_ != 0) loop_.resolver().cancel(std::exchange(lookup_, 0));
  start_.cancel();
  timeout_.cancel();
  event_.reset();
  fd_.reset();
  done_ = nullptr;
}

void Connector::resolved(const Result<std::vector<SocketAddress>>& addresses) {
  if (!addresses) return finish(tl::unexpected(addresses.error()));
  candidates_ = *addresses;
  next_ = 0;
  why_ = "no address";
  try_next();
}

void Connector::try_next() {
  while (next_ < candidates_.size()) {
    const SocketAddress& target = candidates_[next_++];
    event_.reset();
    fd_ = Fd(socket(target.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (fd_.valid() && ::connect(fd_.get(), target.get(), target.size) == 0) return connected();
    if (fd_.valid() && errno == EINPROGRESS) {
      event_.reset(event_new(loop_.base(), fd_.get(), EV_WRITE, &Connector::writable, this));
      CHECK(event_ != nullptr);
      if (event_add(event_.get(), nullptr) == 0) return;
    }
    why_ = errno_text(errno);
  }
  finish(fail("can't connect to {}: {}", address_.text(), why_));
}

void Connector::writable(int, short, void* self) {
  Connector* connector = static_cast<Connector*>(self);
  connector->loop_.enter_callback();
  int error = 0;
  socklen_t size = sizeof(error);
  (void)getsockopt(connector->fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == 0) return connector->connected();
  connector->why_ = errno_text(error);
  connector->try_next();
}

void Connector::connected() {
  if (is_connected_to_itself(fd_.get())) {
    why_ = errno_text(ECONNREFUSED);
    return try_next();
  }
  event_.reset();
  finish(std::move(fd_));
}

void Connector::finish(Result<Fd> result) {
  Done done = std::move(done_);
  cancel();
  // May destroy this.
  done(std::move(result));
}

}  // namespace kvorum::net
