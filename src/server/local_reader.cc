#include "server/local_reader.h"

#include <algorithm>

namespace kvorum::server {

storage::View& LocalReader::view() {
  uint64_t applied = state_.applied_index.load();
  if (view_ != nullptr && view_index_ == applied) return *view_;
  finish_turn();
  // Asked before the view is taken, which so can't lack any of it.
  view_revision_ = state_.revision.load(std::memory_order_acquire);
  view_ = &reader_->begin();
  view_index_ = applied;
  taken_ = clock_.monotonic();
  taken_wall_us_ = clock_.wall_us();
  return *view_;
}

UnixMillis LocalReader::now(Monotonic at) const {
  UnixMillis stamp = state_.applied_stamp.load(std::memory_order_relaxed);
  if (state_.lease_until_ns.load(std::memory_order_relaxed) == 0) return stamp;
  const int64_t since_us = (std::max(at, taken_) - taken_).count() / 1000;
  return std::max(stamp, (taken_wall_us_ + static_cast<uint64_t>(since_us)) / 1000);
}

void LocalReader::finish_turn() {
  if (view_ == nullptr) return;
  reader_->end();
  view_ = nullptr;
}

}  // namespace kvorum::server
