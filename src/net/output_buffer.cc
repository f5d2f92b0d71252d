#include "net/output_buffer.h"

#include <algorithm>

#include "base/check.h"

namespace kvorum::net {

namespace {
// Smaller shared pieces are copied: cheaper than a reference count, a queue node and an iovec.
constexpr size_t kCopyBelow = 256;
// A tail that a slow reader takes bit by bit is moved down when this much of it was sent.
constexpr size_t kCompactAbove = size_t{64} * 1024;

iovec piece_of(std::string_view bytes, size_t skip) {
  return {const_cast<char*>(bytes.data() + skip), bytes.size() - skip};
}
}  // namespace

void OutputBuffer::push(SharedBytes bytes) {
  if (bytes->size() < kCopyBelow) {
    tail_.append(*bytes);
    return;
  }
  if (!queue_) queue_ = std::make_unique<std::deque<Piece>>();
  if (!tail_.empty()) {
    queued_ += tail_.size();
    queue_->push_back({std::move(tail_), nullptr});
    tail_.clear();
  }
  queued_ += bytes->size();
  queue_->push_back({{}, std::move(bytes)});
}

size_t OutputBuffer::gather(std::span<iovec> pieces) const {
  size_t count = 0;
  size_t skip = sent_;
  if (queue_) {
    for (const Piece& piece : *queue_) {
      if (count == pieces.size()) return count;
      pieces[count++] = piece_of(piece.view(), std::exchange(skip, 0));
    }
  }
  if (count < pieces.size() && tail_.size() > skip) pieces[count++] = piece_of(tail_, skip);
  return count;
}

void OutputBuffer::consume(size_t size) {
  CHECK(size <= this->size());
  sent_ += size;
  while (queue_) {
    size_t first = queue_->front().view().size();
    if (sent_ < first) return;
    sent_ -= first;
    queued_ -= first;
    queue_->pop_front();
    if (queue_->empty()) queue_.reset();
  }
  if (sent_ == tail_.size()) {
    tail_.clear();
    sent_ = 0;
  } else if (sent_ > kCompactAbove && sent_ > tail_.size() / 2) {
    tail_.erase(0, sent_);
    sent_ = 0;
  }
}

void OutputBuffer::clear() {
  tail_ = std::string();
  queue_.reset();
  queued_ = sent_ = 0;
}

}  // namespace kvorum::net
