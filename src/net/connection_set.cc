#include "net/connection_set.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/check.h"

namespace kvorum::net {

namespace {

void set_option(int fd, int level, int name, int value) {
  // Fails on unix sockets, or when the peer is already gone: the next read will tell.
  (void)setsockopt(fd, level, name, &value, sizeof(value));
}

void apply(int fd, const ConnectionOptions& options) {
  if (options.no_delay) set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.keepalive_s <= 0) return;
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, options.keepalive_s);
  // A dead peer is found after three probes, twice the idle time at most.
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, std::max(1, options.keepalive_s / 3));
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

}  // namespace

ConnectionSet::~ConnectionSet() = default;

Connection& ConnectionSet::add(Fd fd, ConnectionHandler& handler,
                               const ConnectionOptions& options) {
  CHECK(loop_.in_loop_thread());
  apply(fd.get(), options);
  std::unique_ptr<Connection> connection(new Connection(*this, std::move(fd), handler));
  connection->slot_ = connections_.size();
  connections_.push_back(std::move(connection));
  return *connections_.back();
}

bool ConnectionSet::attend() {
  if (attention_.empty()) return false;
  // Handlers may ask again while they are called: that is for the next round.
  attending_.swap(attention_);
  for (Connection* connection : attending_) {
    connection->attend();
    if (connection->gone_) dead_.push_back(connection);
  }
  attending_.clear();
  return true;
}

void ConnectionSet::flush() {
  for (Connection* connection : dirty_) {
    connection->dirty_ = false;
    connection->flush();
  }
  dirty_.clear();
  for (Connection* connection : dead_) {
    size_t slot = connection->slot_;
    std::swap(connections_[slot], connections_.back());
    connections_[slot]->slot_ = slot;
    connections_.pop_back();
  }
  dead_.clear();
}

bool ConnectionSet::flush_borrowed() {
  std::erase_if(dirty_, [](Connection* connection) {
    if (!connection->flush_borrowed()) return false;
    connection->dirty_ = false;
    return true;
  });
  return dirty_.empty();
}

std::string ConnectionSet::take_spare() {
  if (spares_.empty()) {
    std::string fresh;
    fresh.reserve(kSpareBytesMin);
    return fresh;
  }
  std::string spare = pop_spare();
  spares_unused_ = std::min(spares_unused_, spares_.size());
  return spare;
}

std::string ConnectionSet::pop_spare() {
  std::string spare = std::move(spares_.back());
  spares_.pop_back();
  spares_bytes_ -= spare.capacity();
  return spare;
}

void ConnectionSet::trim() {
  for (; spares_unused_ > 0; --spares_unused_) pop_spare();
  spares_unused_ = spares_.size();
}

void ConnectionSet::give_spare(std::string spare) {
  if (spare.capacity() < kSpareBytesMin || spare.capacity() > kSpareBytesMax) return;
  if (spares_bytes_ + spare.capacity() > kSparesBytesMax) return;
  spare.clear();
  spares_bytes_ += spare.capacity();
  spares_.push_back(std::move(spare));
}

}  // namespace kvorum::net
