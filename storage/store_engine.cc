#include "storage/store_engine.h"

namespace kvorum::storage {

void StoreEngine::shut() {
  uint32_t now = gate_.fetch_or(kShut, std::memory_order_acquire) | kShut;
  while (now != kShut) {
    gate_.wait(now, std::memory_order_relaxed);
    now = gate_.load(std::memory_order_acquire);
  }
}

void StoreEngine::stop() {
  connection_->forget_sessions();
  connection_.reset();
}

void StoreEngine::start(std::unique_ptr<WtConnection> connection) {
  connection_ = std::move(connection);
  ++generation_;
}

void StoreEngine::open() {
  gate_.fetch_and(~kShut, std::memory_order_release);
  gate_.notify_all();
}

}  // namespace kvorum::storage
