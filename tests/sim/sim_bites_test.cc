// Deliberate bugs, one at a time: each is found within so many seeds. The same seeds without one
// find nothing (sim_test), so it is the bug that is found.
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/sim/campaign.h"

namespace kvorum::sim {
namespace {

constexpr uint64_t kSeedsMax = 1000;

class Bites : public testing::TestWithParam<MutationName> {};

TEST_P(Bites, WithinABoundedNumberOfSeeds) {
  SimulationOptions options;
  options.mutation = GetParam().mutation;
  options.liveness = false;  // a request that is only slow proves nothing
  SimulationReport sum;
  for (options.seed = 1; options.seed <= kSeedsMax; ++options.seed) {
    if (const std::optional<std::string> failure = failure_of(options, sum)) {
      fmt::print("{} after {} seeds: {}\n", GetParam().name, options.seed, *failure);
      return;
    }
  }
  FAIL() << GetParam().name << " was not found in " << kSeedsMax << " seeds";
}

INSTANTIATE_TEST_SUITE_P(Simulation, Bites, testing::ValuesIn(kMutations),
                         [](const testing::TestParamInfo<MutationName>& info) {
                           return std::string(info.param.name);
                         });

}  // namespace
}  // namespace kvorum::sim
