// Simulation: cores on a simulated network, disk and clock, all drawn from one seed, with faults
// and the checks of Raft's promises after every event. Throws Violation at the first broken one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/raft/disk.h"

namespace kvorum::raft::test {

struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct SimulationOptions {
  uint64_t seed = 0;
  uint64_t voters = 3;
  uint64_t spares = 2;  // nodes that membership changes may bring in
  bool membership_changes = true;
  uint64_t fault_ticks = 400;  // how long faults go on, in ticks
};

struct SimulationReport {
  uint64_t events = 0;
  uint64_t committed = 0;
  uint64_t elections = 0;
  uint64_t crashes = 0;
  uint64_t reads_granted = 0;
  uint64_t lease_reads_granted = 0;
  uint64_t snapshots = 0;
  uint64_t configurations = 0;
};

class Simulation {
 public:
  explicit Simulation(SimulationOptions options);
  SimulationReport run();

 private:
  using Time = uint64_t;
  static constexpr Time kTick = 1000;

  struct PendingRead {
    uint64_t node;
    Index known;  // committed somewhere when it was asked
    bool lease;
  };
  struct Node {
    uint64_t id = 0;
    std::optional<Core> core;  // nothing while crashed
    uint64_t incarnation = 0;
    Disk disk;
    std::vector<PersistRequest> writes;  // handed out, not yet durable
    std::vector<EntryPtr> unapplied;
    std::map<Index, EntryId> log;  // as handed out, durable or not
    EntryId applied;
    UnixMillis applied_stamp = 0;
    Configuration applied_configuration;
    Time tick_length = kTick;
    Time next_tick = 0;
    Time paused_until = 0;
    Time disk_delay_max = 0;
    Role last_role = Role::kFollower;
  };
  struct Event {
    Time time;
    uint64_t sequence;
    std::function<void()> act;
    bool operator>(const Event& other) const {
      return std::pair(time, sequence) > std::pair(other.time, other.sequence);
    }
  };

  // Chance.
  uint64_t random(uint64_t bound);
  bool chance(uint64_t percent) { return random(100) < percent; }
  Node& any_node() { return nodes_[random(nodes_.size())]; }

  void at(Time time, std::function<void()> act);
  void at_node(Time time, Node& node, std::function<void()> act);
  void boot(Node& node);
  void crash(Node& node);
  void schedule_tick(Node& node);
  void catch_up(Node& node);
  void drain(Node& node);
  void send(Envelope envelope);
  void schedule_disk(Node& node);
  void finish_write(Node& node);
  void apply_some(Node& node);
  void take_checkpoint(Node& node);
  void send_snapshot(Node& leader, NodeId to);
  void deliver_snapshot(Node& node, const SnapshotMeta& meta, Time arrival,
                        std::function<void()> done);

  void schedule_clients();
  void schedule_faults();
  void propose(Node& node);
  void read(Node& node);
  void change_membership();
  void fault_at(Time time, std::function<void()> act);
  void disturb();
  void disturb_network();
  void disturb_links();
  void disturb_node(Node& node);
  void crash_and_boot(Node& node);
  void transfer_leadership();
  void isolate(Node& node);
  void lose_leader_slowly();
  void lose_bridge();
  void let_leader_fall(Node& node);
  void heal();
  void check_recovered_cluster();

  // Checks.
  [[noreturn]] void violated(const std::string& what);
  void check_node(Node& node);
  void check_write(Node& node, const PersistRequest& request);
  void check_became_leader(Node& node);
  void check_committed(Node& node, const EntryPtr& entry);
  void check_read(Node& node, const ReadGrant& grant);
  Node* leader();

  SimulationOptions options_;
  SimulationReport report_;
  uint64_t random_state_;
  Time now_ = 0;
  uint64_t sequence_ = 0;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::vector<Node> nodes_;
  std::set<std::pair<uint64_t, uint64_t>> cut_;  // directed links
  std::map<uint64_t, Time> slow_to_;             // added to what is sent to these nodes
  uint64_t loss_percent_ = 0;
  uint64_t duplicate_percent_ = 0;
  uint64_t leaders_fall_percent_ = 0;  // soon after they were elected
  Time delay_max_ = 0;
  Time quiet_until_ = 0;  // nothing is proposed
  CoreOptions core_options_;

  std::map<Term, uint64_t> leaders_;
  struct Written {
    EntryId previous;
    EntryPtr entry;
  };
  std::map<EntryId, Written> written_;  // every entry ever handed out to be written
  struct Committed {
    EntryId id;
    Term term_at_most;  // it was committed in this term or an earlier one
  };
  std::map<Index, Committed> committed_;             // every entry ever handed out to be applied
  std::set<EntryId> acknowledged_;                   // applied by the node that proposed it
  std::set<std::pair<uint64_t, EntryId>> proposed_;  // by node
  Index known_committed_;                            // the highest commit index ever seen
  std::map<uint64_t, PendingRead> reads_;
  uint64_t next_read_ = 0;
};

}  // namespace kvorum::raft::test
