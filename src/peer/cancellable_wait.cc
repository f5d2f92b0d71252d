#include "peer/cancellable_wait.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "net/address.h"

namespace kvorum::peer {

namespace {

using Addresses = Result<std::vector<net::SocketAddress>>;

// Shared with a thread that may hang as long as DNS does.
struct Lookup {
  net::Fd done{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  Addresses addresses;
};

Addresses look_up(CancellableWait& wait, const net::Address& address, Monotonic until) {
  if (Addresses numeric = net::resolve(address, true)) return numeric;
  const auto lookup = std::make_shared<Lookup>();
  CHECK(lookup->done.valid(), "eventfd: {}", net::errno_text(errno));
  std::thread([lookup, address] {
    lookup->addresses = net::resolve(address, false);
    (void)eventfd_write(lookup->done.get(), 1);
  }).detach();
  while (wait.now() < until && !wait.cancelled()) {
    wait.poll(lookup->done.get(), POLLIN, until);
    eventfd_t count = 0;
    if (eventfd_read(lookup->done.get(), &count) == 0) return lookup->addresses;
  }
  return fail("the name {} was not looked up in time", address.host);
}

Result<net::Fd> connect_to(CancellableWait& wait, const net::SocketAddress& target,
                           Monotonic until) {
  net::Fd fd(socket(target.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail("{}", net::errno_text(errno));
  if (::connect(fd.get(), target.get(), target.size) != 0) {
    if (errno != EINPROGRESS) return fail("{}", net::errno_text(errno));
    while (wait.poll(fd.get(), POLLOUT, until) == 0) {
      if (wait.cancelled() || wait.now() >= until) return fail("timed out");
    }
    int error = 0;
    socklen_t size = sizeof(error);
    (void)getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return fail("{}", net::errno_text(error));
  }
  if (net::is_connected_to_itself(fd.get())) return fail("{}", net::errno_text(ECONNREFUSED));
  return fd;
}

}  // namespace

short CancellableWait::poll(int fd, short events, Monotonic until) {
  // Rounded up, so that the time has come afterwards; again and again, so that it fits an int.
  constexpr std::chrono::milliseconds kOnceMax{60'000};
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now());
  const auto time = std::clamp(left, std::chrono::milliseconds(0), kOnceMax);
  std::array<pollfd, 2> entries{pollfd{fd, events, 0}, pollfd{waker_.fd(), POLLIN, 0}};
  waker_.prepare_sleep();
  const auto ms = cancelled() ? 0 : static_cast<int>(time.count());
  (void)::poll(entries.data(), entries.size(), ms);
  waker_.woken();
  return entries[0].revents;
}

bool CancellableWait::sleep(Monotonic until) {
  while (now() < until && !cancelled()) poll(-1, 0, until);
  return !cancelled();
}

Result<net::Fd> connect(CancellableWait& wait, const std::string& address, Monotonic until) {
  const auto parsed = net::parse_address(address);
  if (!parsed) return tl::unexpected(parsed.error());
  const Addresses targets = look_up(wait, *parsed, until);
  if (!targets) return tl::unexpected(targets.error());
  std::string why = "no address";
  for (const net::SocketAddress& target : *targets) {
    auto fd = connect_to(wait, target, until);
    if (fd) return fd;
    why = fd.error().message;
  }
  return fail("can't connect to {}: {}", address, why);
}

}  // namespace kvorum::peer
