#include "tests/sim/simulation.h"

#include <algorithm>

namespace kvorum::sim {

using raft::NodeId;

namespace {

constexpr Time kFaultTime = 8 * kSecond;
constexpr Time kSettleTime = 2500 * kMillisecond;
constexpr Time kCalmTime = 1000 * kMillisecond;
constexpr Time kAnswerTime = 4 * kSecond;
constexpr size_t kNodesMax = 9;

raft::Member member(NodeId id) {
  return {id, fmt::format("n{}:1", id), fmt::format("n{}:2", id)};
}

}  // namespace

void SimulationReport::add(const SimulationReport& other) {
  events += other.events;
  messages += other.messages;
  acknowledged += other.acknowledged;
  errors += other.errors;
  reads += other.reads;
  elections += other.elections;
  crashes += other.crashes;
  snapshots += other.snapshots;
  nodes += other.nodes;
}

Simulation::Simulation(const SimulationOptions& options)
    : options_(options), world_(options.seed, options.trace), judge_(world_) {
  table_.add(command::string_commands());
  table_.add(command::key_commands());
  choose_options();
  network_ = std::make_unique<Network>(*this);
  clients_ = std::make_unique<Clients>(*this);
  faults_ = std::make_unique<Faults>(*this);
  watchers_ = std::make_unique<Watchers>(*this);
}

Simulation::~Simulation() = default;

void Simulation::choose_options() {
  core_options_.election_timeout_ticks = 10;
  core_options_.heartbeat_interval_ticks = 2;
  core_options_.lease_ticks = 8;
  core_options_.append_bytes_max = world_.one_in(4) ? 1 : 2000;
  core_options_.inflight_appends_max = 4;
  core_options_.inflight_bytes_max = 6000;
  core_options_.uncommitted_bytes_max = 100'000;
  core_options_.tail_bytes_max = world_.chance(50) ? 2000 : 20'000;
  core_options_.catch_up_bytes_max = world_.chance(50) ? 2000 : 200'000;
  core_options_.committed_bytes_max = 500;
  stage_options_.tick = std::chrono::milliseconds(10);
  stage_options_.request_timeout = std::chrono::milliseconds(1500);
  stage_options_.resend = std::chrono::milliseconds(300);
  stage_options_.change_timeout = std::chrono::milliseconds(2000);
  stage_options_.expire_batch_max = 3;
  stage_options_.history_bytes_max = world_.one_in(4) ? 0 : world_.chance(50) ? 2000 : 1 << 20;
  stage_options_.history_age_max_ms = world_.one_in(4) ? 500 : 0;
  segment_bytes_ = world_.chance(50) ? 2000 : 20'000;
}

// Far enough apart to be at the limit of what the lease allows for.
uint64_t Simulation::draw_clock_rate() {
  constexpr uint64_t kDrift = 50'000;
  return 1'000'000 - kDrift + world_.random(2 * kDrift + 1);
}

void Simulation::first_nodes() {
  const uint64_t voters = world_.one_in(4) ? 1 : world_.one_in(4) ? 5 : 3;
  raft::Configuration configuration;
  for (uint64_t id = 1; id <= voters; ++id) {
    configuration.voters.emplace_back(id);
    configuration.members.push_back(member(NodeId(id)));
  }
  for (uint64_t id = 1; id <= voters; ++id) {
    nodes_.push_back(std::make_unique<Node>(*this, NodeId(id), configuration));
  }
  for (auto& node : nodes_) {
    node->start();
    schedule_clients(*node);
    schedule_checkpoints(*node);
  }
}

Node* Simulation::add_node() {
  if (nodes_.size() >= kNodesMax) return nullptr;
  const NodeId id(nodes_.size() + 1);
  nodes_.push_back(std::make_unique<Node>(*this, id, raft::Configuration()));
  Node& node = *nodes_.back();
  world_.trace("n{} comes", id);
  node.start();
  schedule_clients(node);
  schedule_checkpoints(node);
  return &node;
}

Node* Simulation::find(NodeId id) {
  if (id.value() == 0 || id.value() > nodes_.size()) return nullptr;
  return nodes_[id.value() - 1].get();
}

std::vector<Node*> Simulation::running_nodes() {
  std::vector<Node*> running;
  for (auto& node : nodes_) {
    if (node->running()) running.push_back(node.get());
  }
  return running;
}

Node* Simulation::any_running_node() {
  std::vector<Node*> running = running_nodes();
  return running.empty() ? nullptr : running[world_.random(running.size())];
}

Node* Simulation::leader() {
  Node* found = nullptr;
  for (Node* node : running_nodes()) {
    if (!node->state().leader.load()) continue;
    if (found == nullptr || node->state().term.load() > found->state().term.load()) found = node;
  }
  return found;
}

raft::Configuration Simulation::configuration() {
  Node* node = leader();
  return node == nullptr ? raft::Configuration() : node->configuration();
}

void Simulation::schedule_clients(Node& node) {
  world_.after(world_.random(40 * kMillisecond), [this, &node] {
    if (!loaded_ || node.gone()) return;
    if (node.running()) node.when_awake(0, [this, &node] { clients_->ask(node); });
    schedule_clients(node);
  });
}

void Simulation::schedule_checkpoints(Node& node) {
  world_.after(world_.random(600 * kMillisecond), [this, &node] {
    if (node.gone()) return;
    if (node.running()) node.when_awake(0, [&node] { node.checkpoint({}); });
    schedule_checkpoints(node);
  });
}

SimulationReport Simulation::run() {
  try {
    return run_phases();
  } catch (const Violation&) {
    describe();
    throw;
  }
}

// For whoever reads a trace: where every node stood at the end of it.
void Simulation::describe() {
  for (const auto& node : nodes_) {
    if (!node->running()) {
      world_.trace("n{} does not run", node->id());
      continue;
    }
    const server::NodeState& state = node->state();
    world_.trace("n{}: term {}, leader n{}, commit {}, applied {}, checkpoint {}, store {}{}{}",
                 node->id(), state.term.load(), state.leader_id.load(), state.commit_index.load(),
                 state.applied_index.load(), state.checkpoint_index.load(),
                 node->store().applied_state().applied.index,
                 state.log_blocked.load() ? ", log blocked" : "", node->paused() ? ", paused" : "");
    for (const storage::Proposer& own : node->store().applied_state().proposers) {
      world_.trace("  n{}: session {}, sequence {}", own.node, own.session, own.sequence);
    }
  }
}

SimulationReport Simulation::run_phases() {
  first_nodes();
  world_.run_until(300 * kMillisecond);
  faults_->schedule();
  watchers_->start();
  world_.run_until(kFaultTime);
  end_faults();
  world_.run_until(world_.now() + kSettleTime);
  if (options_.liveness && leader() == nullptr) {
    world_.violated("no leader {} ms after all faults ended", kSettleTime / kMillisecond);
  }
  if (options_.liveness) clients_->expect_success();
  world_.run_until(world_.now() + kCalmTime);
  loaded_ = false;
  world_.run_until(world_.now() + kAnswerTime);
  // A key may be due just now.
  for (int i = 0; i < 20 && !(members_stand_together() && watchers_->know_everything()); ++i) {
    world_.run_until(world_.now() + 50 * kMillisecond);
  }
  check_recovered();
  return report();
}

void Simulation::end_faults() {
  world_.trace("all faults end");
  faulty_ = false;
  network_->recover_from_faults();
  for (auto& node : nodes_) {
    node->recover_from_faults();
    node->start();
  }
}

bool Simulation::members_stand_together() {
  Node* chief = leader();
  if (chief == nullptr) return false;
  for (const raft::Member& member : chief->configuration().members) {
    Node* node = find(member.id);
    if (!node->running()) continue;
    if (node->store().applied_state().applied != chief->store().applied_state().applied) {
      return false;
    }
  }
  return true;
}

void Simulation::check_recovered() {
  Node* chief = leader();
  if (!options_.liveness) {
    if (chief != nullptr) clients_->check_final_state(*chief);
    return;
  }
  if (chief == nullptr) world_.violated("there is no leader in the end");
  if (std::string open = clients_->unanswered(); !open.empty()) {
    world_.violated("not answered: {}", open);
  }
  for (const auto& [id, peer_address, client_address] : chief->configuration().members) {
    Node* node = find(id);
    if (!node->running()) world_.violated("member n{} does not run", id);
    if (node->changes_open() > 0) world_.violated("n{} never ended a change", id);
    const storage::AppliedState state = node->store().applied_state();
    if (state.applied != chief->store().applied_state().applied) {
      world_.violated("n{} stands at {}, n{}, which leads, at {}", id, state.applied.index,
                      chief->id(), chief->store().applied_state().applied.index);
    }
    if (node->store().hash() != chief->store().hash()) {
      world_.violated("n{} and n{} differ in the end", id, chief->id());
    }
    clients_->check_final_state(*node);
  }
  watchers_->check_final_state();
}

SimulationReport Simulation::report() {
  SimulationReport report;
  report.events = world_.events_run();
  report.messages = network_->messages();
  report.acknowledged = clients_->acknowledged();
  report.errors = clients_->errors();
  report.reads = clients_->reads_served();
  report.elections = judge_.elections();
  report.crashes = crashes_;
  report.snapshots = network_->snapshots_installed();
  report.nodes = nodes_.size();
  return report;
}

}  // namespace kvorum::sim
