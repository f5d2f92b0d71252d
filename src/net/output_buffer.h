// OutputBuffer: the bytes a connection still has to send: a tail that is appended to, behind an
// optional queue of pieces, some of them shared with other connections. Idle it owns no memory.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace kvorum::net {

using SharedBytes = std::shared_ptr<const std::string>;

class OutputBuffer {
 public:
  // Where replies are appended; nothing else may be done with it than appending, and, until
  // something else is called here, taking back what was appended since.
  std::string& tail() { return tail_; }
  void push(SharedBytes bytes);

  size_t size() const { return queued_ + tail_.size() - sent_; }
  bool empty() const { return size() == 0; }

  // Describes the first bytes to send; returns the number of pieces filled in.
  size_t gather(std::span<iovec> pieces) const;
  // Drops what was sent.
  void consume(size_t size);
  void clear();
  // Empty buffers swap their tail's memory with a pool.
  std::string take_tail() { return std::exchange(tail_, {}); }
  void give_tail(std::string tail) { tail_ = std::move(tail); }

 private:
  struct Piece {
    std::string_view view() const { return shared ? std::string_view(*shared) : own; }
    std::string own;
    SharedBytes shared;
  };

  std::string tail_;
  // Made when it is first needed: a deque is large even when empty.
  std::unique_ptr<std::deque<Piece>> queue_;
  // Bytes in `queue_`, sent ones of the first piece included.
  size_t queued_ = 0;
  // Bytes already sent of the first piece, or of the tail when there is no piece.
  size_t sent_ = 0;
};

}  // namespace kvorum::net
