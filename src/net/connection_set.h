// ConnectionSet: the connections of one loop, what they share, and who of them needs something at
// the end of the turn. Connections are destroyed only here, after their on_closed, at the end of a
// flush, when no list and no caller refers to them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "net/connection.h"

namespace kvorum::net {

struct ConnectionOptions {
  // TCP_NODELAY; ignored for unix sockets.
  bool no_delay = true;
  // Seconds of silence before the kernel probes a TCP peer; 0 for never.
  int keepalive_s = 300;
};

class ConnectionSet {
 public:
  explicit ConnectionSet(EventLoop& loop) : loop_(loop), scratch_(new char[kScratchBytes]) {}
  ~ConnectionSet();
  ConnectionSet(const ConnectionSet&) = delete;
  ConnectionSet& operator=(const ConnectionSet&) = delete;

  // Takes a connected stream socket. On the loop's thread, or before it runs.
  Connection& add(Fd fd, ConnectionHandler& handler, const ConnectionOptions& options = {});
  // Also those whose on_closed is still to come.
  size_t size() const { return connections_.size(); }
  const std::vector<std::unique_ptr<Connection>>& all() const { return connections_; }

  // Any thread.
  uint64_t bytes_read() const { return bytes_read_.load(std::memory_order_relaxed); }
  uint64_t bytes_written() const { return bytes_written_.load(std::memory_order_relaxed); }

  // Frees the memory for replies that no turn since the last call has needed.
  void trim();

  // The loop's: calls the handlers of connections that asked for it. False if there were none.
  bool attend();
  // The loop's: sends what was appended in this turn, then destroys what is closed.
  void flush();
  // A borrower's (see EventLoop::borrow): sends what was appended. False: something is left that
  // the loop has to see to.
  bool flush_borrowed();

 private:
  friend class Connection;

  static constexpr size_t kScratchBytes = size_t{64} * 1024;
  static constexpr size_t kSpareBytesMin = 1024;
  static constexpr size_t kSpareBytesMax = size_t{64} * 1024;
  // Of all: a thousand connections may have something to send at the end of one turn.
  static constexpr size_t kSparesBytesMax = size_t{8} << 20;

  std::span<char> scratch() { return {scratch_.get(), kScratchBytes}; }
  std::string take_spare();
  std::string pop_spare();
  void give_spare(std::string spare);
  static void count(std::atomic<uint64_t>& counter, size_t bytes) {
    counter.store(counter.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  }

  EventLoop& loop_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> dirty_;
  std::vector<Connection*> attention_;
  std::vector<Connection*> attending_;
  std::vector<Connection*> dead_;
  // Where sockets are read into, before what is left over moves to the connection.
  std::unique_ptr<char[]> scratch_;
  // Memory for replies, lent to connections that have some to send.
  std::vector<std::string> spares_;
  size_t spares_bytes_ = 0;
  size_t spares_unused_ = 0;  // the fewest there were since the last trim()
  std::atomic<uint64_t> bytes_read_{0};
  std::atomic<uint64_t> bytes_written_{0};
};

}  // namespace kvorum::net
