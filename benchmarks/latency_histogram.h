// LatencyHistogram: how often what latency was seen, in buckets of about 1.6 % of it, so that
// counting millions allocates nothing. Used by one thread.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace kvorum::benchmarks {

class LatencyHistogram {
 public:
  void add(std::chrono::nanoseconds latency) {
    const auto ns = static_cast<uint64_t>(std::max<int64_t>(latency.count(), 0));
    ++counts_[bucket_of(ns)];
    ++count_;
    max_ns_ = std::max(max_ns_, ns);
  }

  uint64_t count() const { return count_; }
  double max_ms() const { return static_cast<double>(max_ns_) / 1e6; }

  // In milliseconds; the smallest that `part` of all do not exceed. 0 when there are none.
  double percentile_ms(double part) const {
    const auto wanted = static_cast<uint64_t>(part * static_cast<double>(count_));
    uint64_t seen = 0;
    for (size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > wanted) return static_cast<double>(std::min(lowest_of(i), max_ns_)) / 1e6;
    }
    return max_ms();
  }

 private:
  static constexpr unsigned kStepBits = 6;  // each power of two is divided into 64 buckets
  static constexpr size_t kSteps = size_t{1} << kStepBits;

  static size_t bucket_of(uint64_t ns) {
    if (ns < kSteps) return ns;
    const auto shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - kStepBits;
    return (shift + 1) * kSteps + ((ns >> shift) & (kSteps - 1));
  }

  static uint64_t lowest_of(size_t bucket) {
    if (bucket < kSteps) return bucket;
    return (kSteps + bucket % kSteps) << (bucket / kSteps - 1);
  }

  std::array<uint64_t, (64 - kStepBits + 1) * kSteps> counts_{};
  uint64_t count_ = 0;
  uint64_t max_ns_ = 0;
};

}  // namespace kvorum::benchmarks
