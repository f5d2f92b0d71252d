// Clock: the two times a node reads. Logic takes a Clock, never the system's, so tests and the
// simulator own time.
#pragma once

#include <chrono>
#include <cstdint>

namespace kvorum {

// Milliseconds since the Unix epoch: deadlines, entry stamps. Never negative.
using UnixMillis = uint64_t;

// A clock nobody can set, counting through suspension: leases, timeouts.
using Monotonic = std::chrono::nanoseconds;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Monotonic monotonic() const = 0;
  virtual UnixMillis wall_ms() const = 0;
  // Microseconds since the Unix epoch, for TIME and timings shown to people.
  virtual uint64_t wall_us() const = 0;
};

// CLOCK_BOOTTIME and CLOCK_REALTIME.
class SystemClock final : public Clock {
 public:
  Monotonic monotonic() const override;
  UnixMillis wall_ms() const override;
  uint64_t wall_us() const override;
};

// A clock that moves when told to.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(UnixMillis wall_ms = 1'700'000'000'000) : wall_ms_(wall_ms) {}
  Monotonic monotonic() const override { return monotonic_; }
  UnixMillis wall_ms() const override { return wall_ms_; }
  uint64_t wall_us() const override { return wall_ms_ * 1000; }

  void advance_ms(uint64_t ms) {
    monotonic_ += std::chrono::milliseconds(ms);
    wall_ms_ += ms;
  }
  // Only the wall clock jumps, in either direction.
  void set_wall_ms(UnixMillis wall_ms) { wall_ms_ = wall_ms; }

 private:
  Monotonic monotonic_{0};
  UnixMillis wall_ms_;
};

}  // namespace kvorum
