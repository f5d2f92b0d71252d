#include "base/clock.h"

#include <ctime>

namespace kvorum {

namespace {

timespec read_clock(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return now;
}

}  // namespace

Monotonic SystemClock::monotonic() const {
  timespec now = read_clock(CLOCK_BOOTTIME);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

uint64_t SystemClock::wall_us() const {
  timespec now = read_clock(CLOCK_REALTIME);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

UnixMillis SystemClock::wall_ms() const {
  return wall_us() / 1000;
}

}  // namespace kvorum
