#include "net/listener.h"

#include <event2/event.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"
#include "net/port_owner.h"

namespace kvorum::net {

namespace {

// So that a flood of new connections does not starve the others.
constexpr int kAcceptsPerTurn = 128;

std::string by(const std::string& owner) {
  return owner.empty() ? "" : " by " + owner;
}

// Makes way for a unix socket: removes one that nobody listens on any more.
Status remove_stale(const SocketAddress& address, const std::string& path) {
  struct stat file {};
  if (lstat(path.c_str(), &file) != 0) return ok();
  if (!S_ISSOCK(file.st_mode)) return fail("{} exists and is not a socket", path);
  Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe.valid()) return fail("can't make a unix socket: {}", errno_text(errno));
  if (connect(probe.get(), address.get(), address.size) == 0) {
    ucred owner{};
    socklen_t size = sizeof(owner);
    bool known = getsockopt(probe.get(), SOL_SOCKET, SO_PEERCRED, &owner, &size) == 0;
    return fail("unix socket {} is in use{}", path, by(known ? process_text(owner.pid) : ""));
  }
  if (errno == EAGAIN) return fail("unix socket {} is in use", path);
  if (errno != ECONNREFUSED) {
    return fail("can't tell whether unix socket {} is in use: {}", path, errno_text(errno));
  }
  if (unlink(path.c_str()) != 0) {
    return fail("can't remove the old unix socket {}: {}", path, errno_text(errno));
  }
  return ok();
}

Result<Fd> bind_unix(const SocketAddress& address, const std::string& path, mode_t mode) {
  Status free = remove_stale(address, path);
  if (!free) return tl::unexpected(free.error());
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail("can't make a unix socket: {}", errno_text(errno));
  // Before it is bound, so that it is never there with wider permissions; afterwards again, as the
  // umask has had its say.
  if (mode != 0) (void)fchmod(fd.get(), mode);
  if (bind(fd.get(), address.get(), address.size) != 0) {
    return fail("can't make unix socket {}: {}", path, errno_text(errno));
  }
  if (mode != 0 && chmod(path.c_str(), mode) != 0) {
    return fail("can't set the permissions of unix socket {}: {}", path, errno_text(errno));
  }
  return fd;
}

Result<Fd> bind_tcp(const SocketAddress& address, const Address& asked) {
  Fd fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail("can't listen on {}: {}", asked.text(), errno_text(errno));
  int on = 1;
  (void)setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (address.family() == AF_INET6) {
    (void)setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  if (bind(fd.get(), address.get(), address.size) == 0) return fd;
  if (errno == EADDRINUSE) {
    return fail("port {} on {} is in use{}", asked.port, asked.host, by(port_owner(address)));
  }
  return fail("can't listen on {}: {}", asked.text(), errno_text(errno));
}

Result<Fd> bind_and_listen(const SocketAddress& address, const Address& asked,
                           const ListenOptions& options) {
  Result<Fd> fd = asked.is_unix() ? bind_unix(address, asked.path, options.unix_mode)
                                  : bind_tcp(address, asked);
  // SO_REUSEADDR lets two bind the same port; the second to listen fails.
  if (fd && listen(fd->get(), options.backlog) != 0) {
    if (errno == EADDRINUSE) {
      return fail("port {} on {} is in use{}", asked.port, asked.host, by(port_owner(address)));
    }
    return fail("can't listen on {}: {}", asked.text(), errno_text(errno));
  }
  return fd;
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::open(EventLoop& loop, const Address& address,
                                                 OnAccept on_accept, OnError on_error,
                                                 const ListenOptions& options) {
  Result<std::vector<SocketAddress>> candidates = resolve(address, false);
  if (!candidates) return tl::unexpected(candidates.error());
  Result<Fd> fd = fail("host '{}' has no address", address.host);
  for (const SocketAddress& candidate : *candidates) {
    fd = bind_and_listen(candidate, address, options);
    if (fd) break;
  }
  if (!fd) return tl::unexpected(fd.error());
  return std::unique_ptr<Listener>(new Listener(
      loop, std::move(*fd), address.path, std::move(on_accept), std::move(on_error), options));
}

Listener::Listener(EventLoop& loop, Fd fd, std::string path, OnAccept on_accept, OnError on_error,
                   const ListenOptions& options)
    : loop_(loop),
      fd_(std::move(fd)),
      path_(std::move(path)),
      on_accept_(std::move(on_accept)),
      on_error_(std::move(on_error)),
      backoff_(options.accept_backoff),
      event_(event_new(loop.base(), fd_.get(), EV_READ | EV_PERSIST, acceptable, this)),
      timer_(loop, [this] { accept_again(); }) {
  struct stat file {};
  if (!path_.empty() && lstat(path_.c_str(), &file) == 0) {
    device_ = file.st_dev;
    inode_ = file.st_ino;
  }
  CHECK(event_ != nullptr);
  accept_again();
}

Listener::~Listener() {
  struct stat file {};
  if (path_.empty() || lstat(path_.c_str(), &file) != 0) return;
  if (file.st_dev == device_ && file.st_ino == inode_) (void)unlink(path_.c_str());
}

std::string Listener::text() const {
  return path_.empty() ? local_text(fd_.get()) : path_;
}

void Listener::accept_again() {
  if (event_add(event_.get(), nullptr) != 0) back_off(errno);
}

void Listener::acceptable(int, short, void* self) {
  Listener* listener = static_cast<Listener*>(self);
  listener->loop_.enter_callback();
  for (int i = 0; i < kAcceptsPerTurn && listener->accept_one(); ++i) {
  }
}

bool Listener::accept_one() {
  Fd fd(accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd.valid()) {
    on_accept_(std::move(fd));
    return true;
  }
  switch (errno) {
    case EAGAIN:
      return false;
    // The connection died while it waited: accept(2) lists what Linux passes on from it.
    case EINTR:
    case ECONNABORTED:
    case EPERM:
    case EPROTO:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENOPROTOOPT:
    case ENONET:
    case EOPNOTSUPP:
    case ETIMEDOUT:
      return true;
    default:
      back_off(errno);
      return false;
  }
}

// The waiting connection keeps the socket readable: without a pause the loop would spin.
void Listener::back_off(int error) {
  event_del(event_.get());
  timer_.once(backoff_);
  on_error_(fmt::format("can't accept connections on {}: {}", text(), errno_text(error)));
}

}  // namespace kvorum::net
