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
  return *view_;
}

UnixMillis LocalReader::now() const {
  UnixMillis stamp = state_.applied_stamp.load(std::memory_order_relaxed);
  if (state_.lease_until_ns.load(std::memory_order_relaxed) == 0) return stamp;
  return std::max(stamp, clock_.wall_ms());
}

void LocalReader::finish_turn() {
  if (view_ == nullptr) return;
  reader_->end();
  view_ = nullptr;
}

}  // namespace kvorum::server
