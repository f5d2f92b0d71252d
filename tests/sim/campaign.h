// Campaign: one simulation after the other, and what the tests and the program do with the outcome.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "tests/sim/simulation.h"

namespace kvorum::sim {

// What went wrong with this seed; nothing when all was well, then `sum` grows by its report.
std::optional<std::string> failure_of(const SimulationOptions& options, SimulationReport& sum);

// A seed that was not used before.
uint64_t new_seed();

// One line on what was simulated in `seconds`.
std::string describe(const SimulationReport& sum, uint64_t runs, double seconds);

}  // namespace kvorum::sim
