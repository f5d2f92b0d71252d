// Random simulations for KVORUM_SIM_SECONDS (10) of real time. A failure names its seed;
// KVORUM_SIM_SEED=<seed> runs exactly that one again.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/raft/simulation.h"

namespace kvorum::raft::test {
namespace {

// A CHECK that fails aborts the process; the seed must be known then, too.
char g_seed_line[64];
void print_seed(int) {
  ssize_t ignored = write(STDERR_FILENO, g_seed_line, std::strlen(g_seed_line));
  (void)ignored;
}

uint64_t number_from(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

SimulationOptions options_of(uint64_t seed) {
  SimulationOptions options;
  options.seed = seed;
  options.voters = seed % 4 == 3 ? 5 : seed % 8 == 2 ? 1 : 3;
  options.membership_changes = seed % 2 == 0;
  options.spares = options.membership_changes ? 2 : 0;
  return options;
}

void add(SimulationReport& sum, const SimulationReport& one) {
  sum.events += one.events;
  sum.committed += one.committed;
  sum.elections += one.elections;
  sum.crashes += one.crashes;
  sum.reads_granted += one.reads_granted;
  sum.lease_reads_granted += one.lease_reads_granted;
  sum.snapshots += one.snapshots;
  sum.configurations += one.configurations;
}

TEST(Chaos, KeepsEveryPromiseOfRaft) {
  const uint64_t seconds = number_from("KVORUM_SIM_SECONDS", 10);
  const bool one_seed = std::getenv("KVORUM_SIM_SEED") != nullptr;
  const auto start = std::chrono::steady_clock::now();
  uint64_t seed = number_from(
      "KVORUM_SIM_SEED",
      static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()) %
          1'000'000'000);
  std::signal(SIGABRT, print_seed);
  SimulationReport sum;
  uint64_t runs = 0;
  do {
    std::snprintf(g_seed_line, sizeof(g_seed_line), "\nKVORUM_SIM_SEED=%llu\n",
                  static_cast<unsigned long long>(seed));
    try {
      add(sum, Simulation(options_of(seed)).run());
    } catch (const Violation& violation) {
      FAIL() << violation.what() << "\nrun again with " << g_seed_line;
    }
    ++seed;
    ++runs;
  } while (!one_seed && std::chrono::steady_clock::now() - start < std::chrono::seconds(seconds));
  std::signal(SIGABRT, SIG_DFL);
  std::printf(
      "%llu runs: %llu events, %llu committed, %llu elections, %llu crashes, %llu reads, "
      "%llu lease reads, %llu snapshots, %llu configurations\n",
      static_cast<unsigned long long>(runs), static_cast<unsigned long long>(sum.events),
      static_cast<unsigned long long>(sum.committed),
      static_cast<unsigned long long>(sum.elections), static_cast<unsigned long long>(sum.crashes),
      static_cast<unsigned long long>(sum.reads_granted),
      static_cast<unsigned long long>(sum.lease_reads_granted),
      static_cast<unsigned long long>(sum.snapshots),
      static_cast<unsigned long long>(sum.configurations));
  EXPECT_GT(sum.committed, 0u);
  EXPECT_GT(sum.reads_granted, 0u);
}

TEST(Chaos, IsTheSameForTheSameSeed) {
  SimulationReport first = Simulation(options_of(4)).run();
  SimulationReport second = Simulation(options_of(4)).run();
  EXPECT_EQ(first.events, second.events);
  EXPECT_EQ(first.committed, second.committed);
  EXPECT_EQ(first.elections, second.elections);
}

}  // namespace
}  // namespace kvorum::raft::test
