#include "server/latency.h"

#include <gtest/gtest.h>

#include "config/config.h"
#include "server/diagnostics.h"

namespace kvorum::server {
namespace {

TEST(Latency, KeepsTheWorstOfASecond) {
  Latency latency;
  latency.add("command", 100, 20);
  latency.add("command", 100, 50);
  latency.add("command", 100, 30);
  latency.add("command", 101, 10);
  const Latency::Event* event = latency.find("command");
  ASSERT_NE(event, nullptr);
  ASSERT_EQ(event->samples.size(), 2u);
  EXPECT_EQ(event->samples[0].ms, 50u);
  EXPECT_EQ(event->samples[1].ms, 10u);
  EXPECT_EQ(event->worst_ms, 50u);
}

TEST(Latency, ForgetsOldSamplesButNotTheWorst) {
  Latency latency;
  latency.add("wal-sync", 1, 999);
  for (uint64_t i = 0; i < Latency::kSamplesMax; ++i) latency.add("wal-sync", 2 + i, 10);
  const Latency::Event* event = latency.find("wal-sync");
  EXPECT_EQ(event->samples.size(), Latency::kSamplesMax);
  EXPECT_EQ(event->samples.front().unix_s, 2u);
  EXPECT_EQ(event->worst_ms, 999u);
}

TEST(Latency, ResetsOneEventOrAll) {
  Latency latency;
  for (const char* event : {"command", "wal-sync", "checkpoint"}) latency.add(event, 1, 1);
  EXPECT_TRUE(latency.reset("wal-sync"));
  EXPECT_FALSE(latency.reset("wal-sync"));
  EXPECT_EQ(latency.find("wal-sync"), nullptr);
  EXPECT_EQ(latency.reset(), 2u);
  EXPECT_TRUE(latency.events().empty());
}

TEST(Latency, DrawsAColumnForEverySample) {
  Latency latency;
  latency.add("command", 1000, 100);
  latency.add("command", 1060, 200);
  latency.add("command", 1088, 500);
  EXPECT_EQ(Latency::graph("command", *latency.find("command"), 1090),
            "command - high 500 ms, low 100 ms (all time high 500 ms)\n" + std::string(80, '-') +
                "\n"
                "  #\n"
                "  |\n"
                " _|\n"
                "_||\n"
                "\n"
                "132\n"
                "m0s\n"
                " s\n");
}

TEST(Latency, ReportsWhatWasSlow) {
  Latency latency;
  EXPECT_NE(latency.report(0).find("latency-monitor-threshold"), std::string::npos);
  EXPECT_EQ(latency.report(100), "Nothing took 100 ms (latency-monitor-threshold) or longer.\n");
  latency.add("wal-sync", 1, 100);
  latency.add("wal-sync", 2, 300);
  EXPECT_NE(latency.report(100).find("wal-sync: 2 spikes, 200 ms on average, worst 300 ms."),
            std::string::npos);
}

TEST(Diagnostics, JudgesByEachThresholdOfItsOwn) {
  Config config;
  config.slowlog.slower_than_us = 5000;
  config.latency.monitor_threshold_ms = 10;
  Diagnostics diagnostics;
  auto add = [&](std::chrono::milliseconds elapsed) {
    diagnostics.add({kEventCommand, 1000, elapsed, {"GET", "k"}}, config);
  };
  add(std::chrono::milliseconds(4));
  EXPECT_EQ(diagnostics.slow_log().size(), 0u);
  add(std::chrono::milliseconds(7));
  EXPECT_EQ(diagnostics.slow_log().size(), 1u);
  EXPECT_TRUE(diagnostics.latency().events().empty());
  add(std::chrono::milliseconds(10));
  EXPECT_EQ(diagnostics.slow_log().size(), 2u);
  EXPECT_EQ(diagnostics.latency().events().size(), 1u);
  // An event without a command is none of SLOWLOG's.
  diagnostics.add({kEventWalSync, 1000, std::chrono::milliseconds(20)}, config);
  EXPECT_EQ(diagnostics.slow_log().size(), 2u);
  EXPECT_EQ(diagnostics.latency().events().size(), 2u);
}

TEST(Diagnostics, NotesNothingWhileSwitchedOff) {
  NodeState state;
  Config config;
  config.slowlog.slower_than_us = -1;
  publish_slow_thresholds(state, config);
  EXPECT_EQ(state.slow_command_ns.load(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(state.slow_event_ns.load(), std::numeric_limits<int64_t>::max());
  config.latency.monitor_threshold_ms = 3;
  publish_slow_thresholds(state, config);
  EXPECT_EQ(state.slow_command_ns.load(), 3'000'000);
  config.slowlog.slower_than_us = 10;
  publish_slow_thresholds(state, config);
  EXPECT_EQ(state.slow_command_ns.load(), 10'000);
  EXPECT_EQ(state.slow_event_ns.load(), 3'000'000);
  config.slowlog.slower_than_us = std::numeric_limits<int64_t>::max();
  config.latency.monitor_threshold_ms = 0;
  publish_slow_thresholds(state, config);
  EXPECT_EQ(state.slow_command_ns.load(), std::numeric_limits<int64_t>::max());
}

}  // namespace
}  // namespace kvorum::server
