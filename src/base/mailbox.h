// Mailbox<T>: the only way one stage hands work to another. Many producers, one consumer, drained
// as a batch, bounded in bytes. Posting wakes the consumer's host through a Waker; where a stage
// runs is decided by the Waker its mailbox was given, nowhere else. Holds the only mutex there is.
#pragma once

#include <cstddef>
#include <limits>
#include <mutex>
#include <utility>
#include <vector>

#include "base/waker.h"

namespace kvorum {

// The bound of a mailbox that never refuses, since what is posted to it is bounded elsewhere.
inline constexpr size_t kUnboundedMailbox = std::numeric_limits<size_t>::max();

template <class T>
class Mailbox {
 public:
  // `bytes_max` bounds what try_post lets in; `waker` outlives the mailbox.
  Mailbox(size_t bytes_max, Waker& waker) : bytes_max_(bytes_max), waker_(waker) {}
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // For requests: false, with `message` untouched, when `bytes` more would pass the bound. An empty
  // mailbox takes a message of any size.
  [[nodiscard]] bool try_post(T&& message, size_t bytes) {
    {
      std::lock_guard lock(mutex_);
      if (!messages_.empty() && bytes_ + bytes > bytes_max_) return false;
      push(std::move(message), bytes);
    }
    waker_.wake();
    return true;
  }

  // For completions, which are never refused: outstanding requests bound them.
  void post(T message, size_t bytes = sizeof(T)) {
    {
      std::lock_guard lock(mutex_);
      push(std::move(message), bytes);
    }
    waker_.wake();
  }

  // Moves everything into `batch` (emptied first), in posting order. False if there was nothing.
  bool drain(std::vector<T>& batch) {
    batch.clear();
    std::lock_guard lock(mutex_);
    batch.swap(messages_);
    bytes_ = 0;
    return !batch.empty();
  }

  bool empty() const {
    std::lock_guard lock(mutex_);
    return messages_.empty();
  }
  size_t bytes() const {
    std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  void push(T&& message, size_t bytes) {
    messages_.push_back(std::move(message));
    bytes_ += bytes;
  }

  const size_t bytes_max_;
  Waker& waker_;
  mutable std::mutex mutex_;
  std::vector<T> messages_;
  size_t bytes_ = 0;
};

}  // namespace kvorum
