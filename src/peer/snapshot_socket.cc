#include "peer/snapshot_socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace kvorum::peer {

namespace {

constexpr size_t kReceiveBytes = size_t{256} << 10;
// A machine that is gone is noticed, whether something is on its way to it or not. Less hasty than
// a link: a receiver's disk may be slow.
constexpr int kSilenceMs = 15'000;
constexpr int kSnapshotKeepaliveSeconds = 5;
constexpr int kSnapshotKeepaliveProbes = 3;

// Of no effect on sockets that are not TCP's.
void set_option(int fd, int level, int option, int value) {
  (void)setsockopt(fd, level, option, &value, sizeof(value));
}

}  // namespace

SnapshotSocket::SnapshotSocket(net::Fd socket, std::string already_read, FrameLimits limits)
    : fd_(std::move(socket)), input_(std::move(already_read)), reader_(limits) {
  const int flags = fcntl(fd_.get(), F_GETFL);
  (void)fcntl(fd_.get(), F_SETFL, flags | O_NONBLOCK);
  set_option(fd_.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd_.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, kSilenceMs);
  set_option(fd_.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd_.get(), IPPROTO_TCP, TCP_KEEPIDLE, kSnapshotKeepaliveSeconds);
  set_option(fd_.get(), IPPROTO_TCP, TCP_KEEPINTVL, kSnapshotKeepaliveSeconds);
  set_option(fd_.get(), IPPROTO_TCP, TCP_KEEPCNT, kSnapshotKeepaliveProbes);
}

Result<bool> SnapshotSocket::receive() {
  const size_t before = input_.size();
  input_.resize(before + kReceiveBytes);
  const ssize_t n = recv(fd_.get(), input_.data() + before, kReceiveBytes, 0);
  const int error = errno;
  input_.resize(before + static_cast<size_t>(std::max<ssize_t>(n, 0)));
  if (n > 0) return true;
  if (n == 0) return fail("the connection was closed");
  if (error == EAGAIN || error == EINTR) return false;
  return fail("the connection broke: {}", net::errno_text(error));
}

Result<std::optional<Frame>> SnapshotSocket::next() {
  auto frame = reader_.next(input_);
  if (frame && *frame) input_.erase(0, reader_.frame_bytes());
  return frame;
}

Status SnapshotSocket::send() {
  while (unsent()) {
    const ssize_t n =
        ::send(fd_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return ok();
    if (n < 0) return fail("the connection broke: {}", net::errno_text(errno));
    sent_ += static_cast<size_t>(n);
  }
  out_.clear();
  sent_ = 0;
  return ok();
}

void SnapshotSocket::finish() {
  (void)shutdown(fd_.get(), SHUT_WR);
}

}  // namespace kvorum::peer
