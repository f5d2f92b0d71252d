// sim_run: simulations until the time is over or a promise is broken.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <string_view>

#include "tests/sim/campaign.h"

namespace {

using namespace kvorum::sim;

constexpr std::string_view kUsage =
    "usage: sim_run [--seconds N] [--seed S] [--mutation NAME] [--trace]\n"
    "  --seconds   of new seeds, drawn from the clock (20)\n"
    "  --seed      this one alone, which runs as it did the first time\n"
    "  --mutation  with a deliberate bug (mutation.h)\n"
    "  --trace     what happens, on standard error\n";

struct Arguments {
  SimulationOptions options;
  uint64_t seconds = 20;
  bool one_seed = false;
  bool usable = true;
};

Arguments parse(int count, char** values) {
  Arguments arguments;
  for (int i = 1; i < count; ++i) {
    const std::string_view name = values[i];
    if (name == "--trace") {
      arguments.options.trace = true;
      continue;
    }
    if (i + 1 == count) {
      arguments.usable = false;
      break;
    }
    const char* value = values[++i];
    if (name == "--seconds") {
      arguments.seconds = std::strtoull(value, nullptr, 10);
    } else if (name == "--seed") {
      arguments.options.seed = std::strtoull(value, nullptr, 10);
      arguments.one_seed = true;
    } else if (name == "--mutation") {
      for (const MutationName& known : kMutations) {
        if (known.name == value) arguments.options.mutation = known.mutation;
      }
      arguments.usable &= arguments.options.mutation != Mutation::kNone;
    } else {
      arguments.usable = false;
    }
  }
  return arguments;
}

}  // namespace

int main(int count, char** values) {
  using Clock = std::chrono::steady_clock;
  Arguments arguments = parse(count, values);
  if (!arguments.usable) {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  if (!arguments.one_seed) arguments.options.seed = new_seed();
  const auto begin = Clock::now();
  SimulationReport sum;
  uint64_t runs = 0;
  do {
    if (auto failure = failure_of(arguments.options, sum)) {
      fmt::print("{}\n", *failure);
      return 1;
    }
    ++runs;
    ++arguments.options.seed;
  } while (!arguments.one_seed && Clock::now() - begin < std::chrono::seconds(arguments.seconds));
  const std::chrono::duration<double> elapsed = Clock::now() - begin;
  fmt::print("{}\n", describe(sum, runs, elapsed.count()));
  return 0;
}
