// New seeds for KVORUM_SIM_SECONDS (5) of real time, and every seed that failed once.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/sim/campaign.h"

namespace kvorum::sim {
namespace {

using Clock = std::chrono::steady_clock;

TEST(Simulation, KeepsEveryPromise) {
  const char* value = std::getenv("KVORUM_SIM_SECONDS");
  const std::chrono::seconds time(value == nullptr ? 5 : std::strtoul(value, nullptr, 10));
  const auto begin = Clock::now();
  SimulationOptions options;
  options.seed = new_seed();
  SimulationReport sum;
  uint64_t runs = 0;
  for (; Clock::now() - begin < time; ++runs, ++options.seed) {
    const std::optional<std::string> failure = failure_of(options, sum);
    ASSERT_FALSE(failure) << *failure;
  }
  const std::chrono::duration<double> elapsed = Clock::now() - begin;
  fmt::print("{}\n", describe(sum, runs, elapsed.count()));
  EXPECT_GT(sum.acknowledged, 0U);
  EXPECT_GT(sum.reads, 0U);
  EXPECT_GT(sum.crashes, 0U);
}

TEST(Simulation, PassesEverySeedThatFailedOnce) {
  std::ifstream file(SIM_SEEDS);
  ASSERT_TRUE(file.is_open());
  SimulationReport sum;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    SimulationOptions options;
    options.seed = std::stoull(line);
    const std::optional<std::string> failure = failure_of(options, sum);
    EXPECT_FALSE(failure) << *failure;
  }
}

TEST(Simulation, IsTheSameForTheSameSeed) {
  for (uint64_t seed : {uint64_t{3}, uint64_t{4}}) {
    SimulationOptions options;
    options.seed = seed;
    SimulationReport first;
    SimulationReport second;
    EXPECT_EQ(failure_of(options, first), failure_of(options, second));
    EXPECT_EQ(first.events, second.events);
    EXPECT_EQ(first.messages, second.messages);
    EXPECT_EQ(first.reads, second.reads);
  }
}

}  // namespace
}  // namespace kvorum::sim
