// Network: what nodes say to each other, and the snapshots they send: lost, doubled, delayed,
// overtaken, cut off in one direction or both.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "peer/messages.h"
#include "tests/sim/sim_store.h"
#include "tests/sim/world.h"

namespace kvorum::sim {

class Node;
class Simulation;

class Network {
 public:
  explicit Network(Simulation& simulation);

  void send(Node& from, raft::NodeId to, peer::Message message);
  void send_snapshot(Node& from, raft::NodeId to, raft::Index at_least);

  void cut(raft::NodeId from, raft::NodeId to) { cut_.insert({from, to}); }
  void mend(raft::NodeId from, raft::NodeId to);
  // Everything arrives again.
  void mend_all();
  // Every link is drawn anew: how much it loses, doubles and delays.
  void disturb();
  void recover_from_faults();
  void slow_down(raft::NodeId to, Time by) { slow_[to] = by; }

  const std::map<std::string, Image>& snapshots() const { return snapshots_; }
  uint64_t messages() const { return messages_; }
  uint64_t snapshots_installed() const { return installed_; }

 private:
  struct Transfer;

  bool lost(raft::NodeId from, raft::NodeId to);
  Time delay(raft::NodeId to);
  Time arrival(raft::NodeId from, raft::NodeId to);
  void deliver(raft::NodeId from, raft::NodeId to, const peer::Message& message);
  void transfer(Node& from, raft::NodeId to, const Image& image);
  void end(const std::shared_ptr<Transfer>& transfer, bool delivered);
  void resend_as_new(raft::NodeId to, const peer::ForwardedBatch& batch);

  Simulation& simulation_;
  World& world_;
  std::set<std::pair<raft::NodeId, raft::NodeId>> cut_;
  std::map<raft::NodeId, Time> slow_;
  uint64_t loss_percent_ = 0;
  uint64_t double_percent_ = 0;
  uint64_t overtake_percent_ = 0;
  Time delay_max_ = 0;
  std::map<std::pair<raft::NodeId, raft::NodeId>, Time> last_arrivals_;
  std::map<std::string, Image> snapshots_;
  uint64_t messages_ = 0;
  uint64_t installed_ = 0;
  std::set<std::string> forwarded_;  // with a mutation: what was forwarded before
};

}  // namespace kvorum::sim
