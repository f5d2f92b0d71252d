#include "base/clock.h"

#include <gtest/gtest.h>

#include <chrono>

namespace kvorum {
namespace {

TEST(SystemClock, NeverGoesBack) {
  SystemClock clock;
  Monotonic before = clock.monotonic();
  for (int i = 0; i < 1000; ++i) {
    Monotonic now = clock.monotonic();
    ASSERT_GE(now, before);
    before = now;
  }
}

TEST(SystemClock, TellsTheTimeOfDay) {
  using std::chrono::system_clock;
  auto unix_ms = [] {
    return static_cast<UnixMillis>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                       system_clock::now().time_since_epoch())
                                       .count());
  };
  SystemClock clock;
  const UnixMillis before = unix_ms();
  const UnixMillis now = clock.wall_ms();
  const uint64_t now_us = clock.wall_us();
  const UnixMillis after = unix_ms();
  EXPECT_LE(before, now);
  EXPECT_LE(now, after);
  EXPECT_LE(now, now_us / 1000);
  EXPECT_LE(now_us / 1000, after);
}

TEST(ManualClock, MovesOnlyWhenTold) {
  ManualClock clock(5000);
  EXPECT_EQ(clock.monotonic(), Monotonic(0));
  clock.advance_ms(250);
  EXPECT_EQ(clock.monotonic(), std::chrono::milliseconds(250));
  EXPECT_EQ(clock.wall_ms(), 5250U);
  EXPECT_EQ(clock.wall_us(), 5'250'000U);
}

TEST(ManualClock, SetsTheWallClockWithoutTheMonotonicOne) {
  ManualClock clock(5000);
  clock.advance_ms(100);
  clock.set_wall_ms(10);
  EXPECT_EQ(clock.wall_ms(), 10U);
  EXPECT_EQ(clock.monotonic(), std::chrono::milliseconds(100));
}

}  // namespace
}  // namespace kvorum
