#include "tests/sim/campaign.h"

namespace kvorum::sim {

std::optional<std::string> failure_of(const SimulationOptions& options, SimulationReport& sum) {
  try {
    sum.add(Simulation(options).run());
  } catch (const Violation& violation) {
    return fmt::format("{}\nagain with: sim_run --trace --seed {}", violation.what(), options.seed);
  }
  return std::nullopt;
}

uint64_t new_seed() {
  return static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()) %
         1'000'000'000'000;
}

std::string describe(const SimulationReport& sum, uint64_t runs, double seconds) {
  return fmt::format(
      "{} runs in {:.1f} s, {:.1f} million messages a minute: {} messages, {} events, {} nodes, {} "
      "elections, {} crashes, {} snapshots, {} batches acknowledged, {} not, {} reads",
      runs, seconds, static_cast<double>(sum.messages) * 60 / seconds / 1e6, sum.messages,
      sum.events, sum.nodes, sum.elections, sum.crashes, sum.snapshots, sum.acknowledged,
      sum.errors, sum.reads);
}

}  // namespace kvorum::sim
