// Simulation: a cluster of simulated nodes, its clients, and what goes wrong, all from one seed:
// first safety while there are faults, then liveness when they have ended.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "command/table.h"
#include "raft/core.h"
#include "server/raft_stage.h"
#include "tests/sim/clients.h"
#include "tests/sim/faults.h"
#include "tests/sim/judge.h"
#include "tests/sim/mutation.h"
#include "tests/sim/network.h"
#include "tests/sim/node.h"
#include "tests/sim/watchers.h"
#include "tests/sim/world.h"

namespace kvorum::sim {

struct SimulationOptions {
  uint64_t seed = 0;
  Mutation mutation = Mutation::kNone;
  bool trace = false;
  bool liveness = true;  // false: only what must never happen is checked
};

struct SimulationReport {
  uint64_t events = 0;
  uint64_t messages = 0;
  uint64_t acknowledged = 0;  // batches of writes
  uint64_t errors = 0;
  uint64_t reads = 0;
  uint64_t elections = 0;
  uint64_t crashes = 0;
  uint64_t snapshots = 0;
  uint64_t nodes = 0;

  void add(const SimulationReport& other);
};

class Simulation {
 public:
  explicit Simulation(const SimulationOptions& options);
  ~Simulation();
  // Throws Violation.
  SimulationReport run();

  // For its parts.
  World& world() { return world_; }
  Judge& judge() { return judge_; }
  Network& network() { return *network_; }
  Clients& clients() { return *clients_; }
  Mutation mutation() const { return options_.mutation; }
  const command::CommandTable& table() const { return table_; }
  const std::map<std::string, Image>& snapshots() const { return network_->snapshots(); }
  const raft::CoreOptions& core_options() const { return core_options_; }
  const server::RaftStageOptions& stage_options() const { return stage_options_; }
  uint64_t segment_bytes() const { return segment_bytes_; }
  // How many microseconds of a node's clock pass in a second, within the bound of drift.
  uint64_t draw_clock_rate();
  bool faulty() const { return faulty_; }
  void note_crash() { ++crashes_; }

  Node* find(raft::NodeId id);
  std::vector<Node*> running_nodes();
  Node* any_running_node();
  // The one of the highest term; null when nobody leads.
  Node* leader();
  // What the leader goes by; empty without one.
  raft::Configuration configuration();
  // A new node, with an empty store and log. Null when there are enough.
  Node* add_node();

 private:
  SimulationReport run_phases();
  void describe();
  void choose_options();
  void first_nodes();
  void schedule_clients(Node& node);
  void schedule_checkpoints(Node& node);
  void end_faults();
  bool members_stand_together();
  void check_recovered();
  SimulationReport report();

  const SimulationOptions options_;
  World world_;
  Judge judge_;
  command::CommandTable table_;
  raft::CoreOptions core_options_;
  server::RaftStageOptions stage_options_;
  uint64_t segment_bytes_ = 0;
  bool faulty_ = true;
  bool loaded_ = true;
  uint64_t crashes_ = 0;
  std::unique_ptr<Watchers> watchers_;  // outlive the nodes that tell them
  std::vector<std::unique_ptr<Node>> nodes_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<Clients> clients_;
  std::unique_ptr<Faults> faults_;
};

}  // namespace kvorum::sim
