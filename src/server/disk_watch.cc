#include "server/disk_watch.h"

#include <optional>

#include "base/disk.h"
#include "server/logger.h"

namespace kvorum::server {

namespace {

constexpr uint64_t kLookAfterBytes = 2 << 20;
// What is logged once more than doubles when it reaches the store: pages are written whole.
constexpr uint64_t kStoreFactor = 3;

}  // namespace

void DiskWatch::look(uint64_t bytes_min) {
  bytes_min_.store(bytes_min, std::memory_order_relaxed);
  written_.store(0, std::memory_order_relaxed);
  judge(bytes_min);
}

void DiskWatch::wrote(uint64_t bytes) {
  const uint64_t written = written_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  unjudged_ += bytes;
  if (unjudged_ < kLookAfterBytes) return;
  unjudged_ = 0;
  judge(bytes_min_.load(std::memory_order_relaxed) + kStoreFactor * written);
}

void DiskWatch::judge(uint64_t bytes_min) {
  const std::optional<uint64_t> free = free_disk_bytes(folder_);
  if (!free) return;
  const bool low = *free < bytes_min;
  if (low == state_.disk_low.exchange(low)) return;
  if (low) log_error("the disk of {} is full: writes are refused", folder_);
  if (!low) log_info("the disk of {} has room again: writes go on", folder_);
}

}  // namespace kvorum::server
