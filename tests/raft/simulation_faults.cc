// What goes wrong in a simulation, and how it ends.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "raft/configuration.h"
#include "tests/raft/simulation.h"

namespace kvorum::raft::test {

void Simulation::schedule_faults() {
  if (now_ >= options_.fault_ticks * kTick) return;
  disturb();
  at(now_ + random(10 * kTick), [this] { schedule_faults(); });
}

// Not any more once faults have ended.
void Simulation::fault_at(Time time, std::function<void()> act) {
  at(time, [this, act = std::move(act)] {
    if (now_ < options_.fault_ticks * kTick) act();
  });
}

void Simulation::disturb() {
  switch (random(6)) {
    case 0:
      return disturb_network();
    case 1:
      return disturb_links();
    case 2:
      return disturb_node(any_node());
    case 3:
      return change_membership();
    case 4:
      return chance(50) ? transfer_leadership() : chance(50) ? lose_leader_slowly() : lose_bridge();
    default:
      cut_.clear();
      slow_to_.clear();
  }
}

void Simulation::disturb_network() {
  loss_percent_ = chance(50) ? random(30) : 0;
  duplicate_percent_ = chance(50) ? random(20) : 0;
  delay_max_ = chance(50) ? kTick * (1 + random(8)) : kTick / 4;
}

void Simulation::disturb_links() {
  if (chance(30)) return isolate(any_node());
  if (chance(50)) {
    // Two nodes that others still connect.
    Node& a = any_node();
    Node& b = any_node();
    cut_.insert({a.id, b.id});
    cut_.insert({b.id, a.id});
    return;
  }
  // Two camps.
  uint64_t border = 1 + random(nodes_.size());
  for (const Node& a : nodes_) {
    for (const Node& b : nodes_) {
      if ((a.id <= border) != (b.id <= border)) cut_.insert({a.id, b.id});
    }
  }
}

void Simulation::disturb_node(Node& node) {
  switch (random(4)) {
    case 0:
      node.paused_until = now_ + random(30 * kTick);
      return;
    case 1:
      node.disk_delay_max = chance(50) ? kTick * (1 + random(20)) : kTick / 4;
      return;
    default:
      crash_and_boot(node);
  }
}

void Simulation::crash_and_boot(Node& node) {
  crash(node);
  at(now_ + random(chance(50) ? kTick : 20 * kTick), [this, &node] {
    if (!node.core) boot(node);
  });
}

// What a new leader inherited is the most delicate: Raft paper, figure 8.
void Simulation::let_leader_fall(Node& node) {
  if (now_ >= options_.fault_ticks * kTick || !chance(leaders_fall_percent_)) return;
  if (chance(50)) at(now_ + random(2 * kTick), [this] { change_membership(); });
  bool crashes = chance(50);
  fault_at(now_ + random(3 * kTick), [this, &node, crashes] {
    if (crashes) return crash_and_boot(node);
    for (const Node& other : nodes_) cut_.insert({node.id, other.id});
  });
  at(now_ + 10 * kTick + random(30 * kTick), [this, &node] {
    for (const Node& other : nodes_) cut_.erase({node.id, other.id});
  });
}

void Simulation::transfer_leadership() {
  Node* from = leader();
  NodeId to(random(nodes_.size() + 1));
  if (from == nullptr) return;
  at_node(now_, *from, [from, to] { (void)from->core->transfer_leadership(to); });
}

void Simulation::isolate(Node& node) {
  uint64_t direction = random(3);
  for (const Node& other : nodes_) {
    if (direction != 0) cut_.insert({node.id, other.id});
    if (direction != 1) cut_.insert({other.id, node.id});
  }
}

// It hears old news for a while, then nothing: what it still believes must be bounded by when the
// news was sent.
void Simulation::lose_leader_slowly() {
  Node* node = leader();
  if (node == nullptr) return;
  slow_to_[node->id] = random(9 * kTick);
  fault_at(now_ + random(20 * kTick), [this, node] {
    for (const Node& other : nodes_) cut_.insert({node->id, other.id});
  });
}

// A candidate reaches the leader's followers but not the leader; then they restart, and the leader
// is gone: what they promised it must outlive the restart.
void Simulation::lose_bridge() {
  Node* node = leader();
  Node& candidate = any_node();
  if (node == nullptr) return;
  quiet_until_ = now_ + 40 * kTick;
  fault_at(now_ + 2 * kTick, [this, node, &candidate] {
    cut_.insert({node->id, candidate.id});
    cut_.insert({candidate.id, node->id});
  });
  fault_at(now_ + (12 + random(15)) * kTick, [this, node, &candidate] {
    for (Node& other : nodes_) {
      cut_.insert({node->id, other.id});
      if (&other == node || &other == &candidate) continue;
      crash(other);
      if (!other.core) boot(other);
    }
  });
}

void Simulation::change_membership() {
  Node* node = leader();
  if (node == nullptr || !options_.membership_changes) return;
  Configuration current = node->core->status().configuration;
  std::vector<uint64_t> voters;
  std::vector<uint64_t> learners;
  // Each node stays, comes, goes, or changes its part; a newcomer begins as a learner.
  for (const Node& other : nodes_) {
    NodeId id(other.id);
    bool voter = is_voter(current, id);
    bool learner = contains(current.learners, id);
    bool changes = chance(25);
    if (voter != changes || (voter && learner)) {
      if (voter || learner) voters.push_back(other.id);
    } else if (voter ? chance(50) : learner || changes) {
      learners.push_back(other.id);
    } else if (!voter && !learner && chance(30)) {
      learners.push_back(other.id);
    }
  }
  at_node(now_, *node, [this, node, target = make_configuration(voters, learners)] {
    if (node->core->propose_configuration(target, 0)) ++report_.configurations;
  });
}

void Simulation::heal() {
  quiet_until_ = 0;
  cut_.clear();
  slow_to_.clear();
  loss_percent_ = duplicate_percent_ = 0;
  delay_max_ = kTick / 2;
  for (Node& node : nodes_) {
    node.disk_delay_max = kTick / 4;
    node.paused_until = std::min(node.paused_until, now_);
    if (!node.core) boot(node);
  }
}

void Simulation::check_recovered_cluster() {
  Node* node = leader();
  if (node == nullptr || !node->core->leader_ready()) violated("no leader after all faults ended");
  CoreStatus status = node->core->status();
  if (is_joint(status.configuration)) violated("a joint configuration was never left");
  for (const Node& other : nodes_) {
    if (!is_member(status.configuration, NodeId(other.id))) continue;
    if (other.applied != status.last) {
      violated(fmt::format("node {} stands at {}, the leader {} at {}", other.id,
                           other.applied.index, node->id, status.last.index));
    }
  }
  if (!committed_.empty() && status.last.index < committed_.rbegin()->first) {
    violated("committed entries are gone");
  }
  for (EntryId id : acknowledged_) {
    if (committed_.at(id.index).id != id) violated("an acknowledged entry is gone");
  }
  // Nodes outside the cluster give up after an election timeout; the quiet time is longer.
  if (!reads_.empty()) violated("a read was never answered");
}

}  // namespace kvorum::raft::test
