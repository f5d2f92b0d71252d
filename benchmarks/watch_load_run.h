// WatchLoad: one measurement of watches. Writers make changes, at a given rate or as fast as they
// are delivered; all watchers read them; the time from sending a write to reading its event counts.
// A write is under way until it is acknowledged and all its watchers have read it, and only so many
// are at a time: so what is delivered is bounded by the server, and no backlog hides it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "benchmarks/latency_histogram.h"
#include "benchmarks/watch_load_check.h"
#include "benchmarks/watch_load_target.h"

namespace kvorum::benchmarks {

enum class Watched : uint8_t {
  kKeys,      // each watcher a key of its own
  kPrefix,    // all watchers the same prefix
  kPrefixes,  // each watcher a prefix of its own
};

struct WatchLoadOptions {
  WatchTargetOptions target;
  bool etcd = false;
  Watched watched = Watched::kKeys;
  double rate = 0;      // writes a second; 0: as fast as they are delivered
  size_t pipeline = 1;  // without a rate: writes under way by writer
  size_t value_bytes = 64;
  double seconds = 1;
  double warm_up_seconds = 0.3;
  uint64_t seed = 1;
};

class WatchLoad : private WatchListener {
 public:
  explicit WatchLoad(const WatchLoadOptions& options);

  // Every watcher watches when it returns.
  void subscribe();
  // Prints `begin` and `end` on lines of their own when what counts begins and ends.
  nlohmann::json measure();

 private:
  struct Counters {
    uint64_t written = 0;
    uint64_t delivered = 0;
    double cpu_seconds = 0;
    Clock::time_point at;
  };

  Counters counters() const;
  nlohmann::json result(const Counters& begin, const Counters& end);
  std::string name_of_watched(size_t watcher) const;
  // Sends what is due, if so many may be under way.
  void send_due(Clock::time_point now);
  void write(Clock::time_point now);
  void run(double seconds);
  // Waits for what is under way, until nothing comes any more.
  void finish();
  size_t under_way() const { return left_.size() - free_slots_.size(); }
  void one_done(uint32_t slot);

  void on_watching(size_t watcher) override;
  void on_change(size_t watcher, ChangeId id, std::string_view value,
                 Clock::time_point at) override;
  void on_told_lost(size_t watcher) override;
  void on_written(uint32_t tag) override;

  const WatchLoadOptions options_;
  const bool common_;  // all watchers are given every change
  const std::unique_ptr<WatchTarget> target_;
  DeliveryCheck check_;
  size_t watching_ = 0;

  uint64_t random_;
  size_t next_writer_ = 0;
  Clock::time_point next_due_;
  std::vector<uint32_t> left_;  // by slot: deliveries and the acknowledgement that are to come
  std::vector<uint32_t> free_slots_;
  std::string key_;
  std::string value_;

  uint64_t sent_ = 0;
  uint64_t written_ = 0;
  uint64_t told_lost_ = 0;
  bool counting_ = false;
  LatencyHistogram latencies_;          // of what was read while counting
  std::chrono::nanoseconds latest_{0};  // how far sending was behind the rate
};

}  // namespace kvorum::benchmarks
