// WatchTarget: the server whose watches benchmarks/watch_load measures, over connections of its
// own: watchers, which each watch one key or one prefix, and writers, which may have any number of
// writes under way. Used by one thread. A lost connection or a refused request ends the program.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace kvorum::benchmarks {

using Clock = std::chrono::steady_clock;

struct WatchTargetOptions {
  std::string endpoint;  // "127.0.0.1:6379"
  size_t watchers = 1;
  size_t writers = 1;
};

// Where a change stands in the order of all: kvorum's event id, or etcd's revision and 0.
struct ChangeId {
  uint64_t revision = 0;
  uint64_t change = 0;
  auto operator<=>(const ChangeId&) const = default;
};

// Hears what came, from within WatchTarget::wait. It may not call the target there.
class WatchListener {
 public:
  virtual ~WatchListener() = default;
  // The watcher will see all changes from now on.
  virtual void on_watching(size_t watcher) = 0;
  // The watcher read a change, at that time. The value is valid until this returns.
  virtual void on_change(size_t watcher, ChangeId id, std::string_view value,
                         Clock::time_point at) = 0;
  // The watcher was told that it missed changes.
  virtual void on_told_lost(size_t watcher) = 0;
  // The write that put() was given this tag for is done.
  virtual void on_written(uint32_t tag) = 0;
};

class WatchTarget {
 public:
  virtual ~WatchTarget() = default;
  WatchTarget(const WatchTarget&) = delete;
  WatchTarget& operator=(const WatchTarget&) = delete;

  // One key or, with `prefix`, all that begin so.
  virtual void watch(size_t watcher, std::string_view key, bool prefix) = 0;
  // Is sent with the next flush().
  virtual void put(size_t writer, std::string_view key, std::string_view value, uint32_t tag) = 0;
  virtual void flush() = 0;
  // Waits until something came, for so long at most, and tells the listener.
  virtual void wait(std::chrono::nanoseconds longest) = 0;
  // Whether writes of one writer are executed in the order in which they were sent.
  virtual bool keeps_order() const = 0;

 protected:
  WatchTarget() = default;
};

// Connected when they return.
std::unique_ptr<WatchTarget> connect_redis(const WatchTargetOptions& options,
                                           WatchListener& listener);
// False when the program was built without nghttp2; then the next returns null.
bool speaks_etcd();
std::unique_ptr<WatchTarget> connect_etcd(const WatchTargetOptions& options,
                                          WatchListener& listener);

}  // namespace kvorum::benchmarks
