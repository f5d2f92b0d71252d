#include "tests/raft/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "raft/configuration.h"

namespace kvorum::raft::test {

Simulation::Simulation(SimulationOptions options)
    : options_(options), random_state_(options.seed), nodes_(options.voters + options.spares) {
  // One entry in a message: a leader's old entries arrive before those of its own term.
  core_options_.append_bytes_max = chance(50) ? 1 : 2000;
  leaders_fall_percent_ = chance(50) ? 50 : 0;
  core_options_.inflight_appends_max = 4;
  core_options_.inflight_bytes_max = 6000;
  core_options_.uncommitted_bytes_max = 20'000;
  core_options_.tail_bytes_max = 3000;
  core_options_.catch_up_bytes_max = 9000;
  core_options_.committed_bytes_max = 500;
  delay_max_ = kTick / 2;
  std::vector<uint64_t> voters;
  for (uint64_t id = 1; id <= options.voters; ++id) voters.push_back(id);
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[i];
    node.id = i + 1;
    // A node's clock is up to 5 % fast or slow; lease_ticks allows for that.
    node.tick_length = kTick * 95 / 100 + random(kTick / 10);
    node.disk_delay_max = kTick / 4;
    if (node.id <= options.voters) {
      node.disk.checkpoint.configuration = make_configuration(voters);
    }
    boot(node);
  }
}

SimulationReport Simulation::run() {
  schedule_clients();
  schedule_faults();
  const Time faults_end = options_.fault_ticks * kTick;
  const Time end = faults_end + 400 * kTick;
  bool healed = false;
  while (!events_.empty() && now_ < end) {
    Event event = events_.top();
    events_.pop();
    now_ = event.time;
    if (!healed && now_ >= faults_end) {
      healed = true;
      heal();
    }
    event.act();
    ++report_.events;
  }
  check_recovered_cluster();
  report_.committed = known_committed_.value();
  return report_;
}

uint64_t Simulation::random(uint64_t bound) {
  random_state_ += 0x9e3779b97f4a7c15;
  uint64_t z = random_state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return (z ^ (z >> 31)) % bound;
}

void Simulation::at(Time time, std::function<void()> act) {
  events_.push({time, sequence_++, std::move(act)});
}

// Runs once the node is awake and has caught up with time; never if it crashed meanwhile.
void Simulation::at_node(Time time, Node& node, std::function<void()> act) {
  at(time, [this, &node, incarnation = node.incarnation, act = std::move(act)]() mutable {
    if (!node.core || node.incarnation != incarnation) return;
    if (node.paused_until > now_) return at_node(node.paused_until, node, std::move(act));
    catch_up(node);
    act();
    if (node.core && node.incarnation == incarnation) drain(node);
  });
}

void Simulation::boot(Node& node) {
  ++node.incarnation;
  CoreOptions options = core_options_;
  options.id = NodeId(node.id);
  options.random_seed = random(UINT64_MAX);
  node.core.emplace(options, node.disk.recover());
  node.log.clear();
  for (const EntryPtr& entry : node.disk.entries) node.log[entry->id.index] = entry->id;
  node.applied = node.disk.checkpoint.last;
  node.applied_stamp = node.disk.checkpoint.stamp;
  node.applied_configuration = node.disk.checkpoint.configuration;
  node.last_role = Role::kFollower;
  node.paused_until = 0;
  node.next_tick = now_ + 1 + random(node.tick_length);
  schedule_tick(node);
  drain(node);
}

void Simulation::crash(Node& node) {
  if (!node.core) return;
  ++report_.crashes;
  // Some writes may have reached the disk without the node having been told.
  size_t reached = random(node.writes.size() + 1);
  for (size_t i = 0; i < reached; ++i) node.disk.write(node.writes[i]);
  node.writes.clear();
  node.unapplied.clear();
  node.core.reset();
  ++node.incarnation;
  std::erase_if(reads_, [&](const auto& read) { return read.second.node == node.id; });
}

void Simulation::schedule_tick(Node& node) {
  at_node(node.next_tick, node, [this, &node] { schedule_tick(node); });
}

void Simulation::catch_up(Node& node) {
  while (node.next_tick <= now_) {
    node.next_tick += node.tick_length;
    node.core->tick();
  }
}

void Simulation::drain(Node& node) {
  check_node(node);
  for (int turn = 0; node.core->has_ready(); ++turn) {
    if (turn > 1000) violated(fmt::format("node {} always has more to do", node.id));
    Ready ready = node.core->take_ready();
    for (const EntryPtr& entry : ready.committed) check_committed(node, entry);
    if (ready.persist) {
      check_write(node, *ready.persist);
      node.writes.push_back(std::move(*ready.persist));
      if (node.writes.size() == 1) schedule_disk(node);
    }
    for (Envelope& envelope : ready.messages) send(std::move(envelope));
    if (!ready.committed.empty() && node.unapplied.empty()) {
      at_node(now_ + random(kTick / 4), node, [this, &node] { apply_some(node); });
    }
    std::move(ready.committed.begin(), ready.committed.end(), std::back_inserter(node.unapplied));
    for (const ReadGrant& grant : ready.reads) check_read(node, grant);
    for (uint64_t context : ready.lost_reads) {
      if (reads_.erase(context) != 1) violated("a read was lost that nobody asked for");
    }
    for (NodeId peer : ready.snapshot_peers) send_snapshot(node, peer);
    check_node(node);
  }
}

void Simulation::send(Envelope envelope) {
  Node& from = nodes_[envelope.from.value() - 1];
  uint64_t durable = from.disk.checkpoint.last.index.value() + from.disk.entries.size();
  if (const auto* reply = std::get_if<VoteReply>(&envelope.message)) {
    bool promise = reply->granted && !reply->pre_vote;
    if (promise &&
        (from.disk.hard_state.vote != envelope.to || from.disk.hard_state.term != envelope.term)) {
      violated(fmt::format("node {} promised a vote that is not durable", from.id));
    }
  } else if (const auto* append = std::get_if<AppendReply>(&envelope.message)) {
    if (append->match.value() > durable) {
      violated(fmt::format("node {} acknowledged what is not durable", from.id));
    }
  }
  if (chance(loss_percent_)) return;
  if (cut_.contains({envelope.from.value(), envelope.to.value()})) return;
  int copies = chance(duplicate_percent_) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    auto slow = slow_to_.find(envelope.to.value());
    Time delay = random(delay_max_) + (slow == slow_to_.end() ? 0 : slow->second);
    at(now_ + 1 + delay, [this, envelope] {
      Node& to = nodes_[envelope.to.value() - 1];
      if (to.core) at_node(now_, to, [&to, envelope] { to.core->step(envelope); });
    });
  }
}

void Simulation::schedule_disk(Node& node) {
  at_node(now_ + 1 + random(node.disk_delay_max), node, [this, &node] { finish_write(node); });
}

void Simulation::finish_write(Node& node) {
  if (node.writes.empty()) return;
  size_t count = 1 + random(node.writes.size());
  for (size_t i = 0; i < count; ++i) node.disk.write(node.writes[i]);
  WriteToken token = node.writes[count - 1].token;
  node.writes.erase(node.writes.begin(), node.writes.begin() + static_cast<ptrdiff_t>(count));
  node.core->persisted(token);
  if (chance(5)) node.core->persisted(token);
  if (!node.writes.empty()) schedule_disk(node);
}

void Simulation::apply_some(Node& node) {
  if (node.unapplied.empty()) return;
  size_t count = 1 + random(node.unapplied.size());
  for (size_t i = 0; i < count; ++i) {
    const Entry& entry = *node.unapplied[i];
    if (entry.id.index != node.applied.index.next()) {
      violated(fmt::format("node {} was given {} after {}", node.id, entry.id.index,
                           node.applied.index));
    }
    node.applied = entry.id;
    node.applied_stamp = entry.stamp;
    if (entry.kind == EntryKind::kConfiguration &&
        !decode(entry.data, node.applied_configuration)) {
      violated("a configuration entry can't be decoded");
    }
    if (proposed_.contains({node.id, entry.id})) acknowledged_.insert(entry.id);
  }
  node.unapplied.erase(node.unapplied.begin(),
                       node.unapplied.begin() + static_cast<ptrdiff_t>(count));
  node.core->applied(node.applied.index);
  if (!node.unapplied.empty()) {
    at_node(now_ + random(kTick / 4), node, [this, &node] { apply_some(node); });
  }
  if (chance(5)) take_checkpoint(node);
}

void Simulation::take_checkpoint(Node& node) {
  SnapshotMeta meta{node.applied, node.applied_stamp, node.applied_configuration};
  if (meta.last.index <= node.disk.checkpoint.last.index) return;
  node.disk.take_checkpoint(meta);
  node.core->checkpointed(meta);
}

void Simulation::send_snapshot(Node& leader, NodeId to) {
  ++report_.snapshots;
  take_checkpoint(leader);
  SnapshotMeta meta = leader.disk.checkpoint;
  if (meta.last.index < leader.core->status().first.prev()) {
    violated("a checkpoint does not reach the log in memory");
  }
  Node& target = nodes_[to.value() - 1];
  auto delivered = std::make_shared<bool>(false);
  Time arrival = now_ + 1 + random(3 * kTick);
  bool lost = cut_.contains({leader.id, target.id}) || !target.core || chance(10);
  if (!lost) {
    deliver_snapshot(target, meta, arrival, [delivered] { *delivered = true; });
  }
  at_node(arrival + 3 * kTick, leader, [&leader, to, meta, delivered] {
    leader.core->snapshot_sent(to, meta.last, *delivered);
  });
}

void Simulation::deliver_snapshot(Node& node, const SnapshotMeta& meta, Time arrival,
                                  std::function<void()> done) {
  at_node(arrival, node, [this, &node, meta, done] {
    if (!node.core->begin_restore(meta.last)) return done();
    bool fails = chance(10);
    at_node(now_ + random(2 * kTick), node, [&node, meta, done, fails] {
      if (fails) return node.core->cancel_restore();
      for (const PersistRequest& write : node.writes) node.disk.write(write);
      if (!node.writes.empty()) node.core->persisted(node.writes.back().token);
      node.writes.clear();
      node.unapplied.clear();
      node.disk.install(meta);
      node.log.clear();
      node.applied = meta.last;
      node.applied_stamp = meta.stamp;
      node.applied_configuration = meta.configuration;
      node.core->restore(meta);
      done();
    });
  });
}

void Simulation::schedule_clients() {
  for (int i = 0; i < 2; ++i) {
    Node& writer = any_node();
    Node& reader = any_node();
    if (writer.core) at_node(now_, writer, [this, &writer] { propose(writer); });
    if (reader.core) at_node(now_, reader, [this, &reader] { read(reader); });
  }
  // Whoever believes to lead is asked, old leaders too.
  for (Node& node : nodes_) {
    if (!node.core || node.core->role() != Role::kLeader) continue;
    at_node(now_ + random(kTick), node, [this, &node] { propose(node); });
    at_node(now_ + random(kTick), node, [this, &node] { read(node); });
  }
  // The last ticks are quiet, so that everybody can catch up.
  if (now_ < (options_.fault_ticks + 250) * kTick) {
    at(now_ + kTick, [this] { schedule_clients(); });
  }
}

void Simulation::propose(Node& node) {
  if (now_ < quiet_until_) return;
  std::string data = fmt::format("{}/{}/{}", node.id, sequence_, std::string(random(300), 'x'));
  UnixMillis stamp = 1000 + now_ / 100 + random(50) - 25;
  if (auto id = node.core->propose(std::move(data), stamp)) proposed_.insert({node.id, *id});
}

void Simulation::read(Node& node) {
  uint64_t context = ++next_read_;
  bool lease = chance(60);
  reads_[context] = {node.id, known_committed_, lease};
  node.core->read_index(context, lease);
}

Simulation::Node* Simulation::leader() {
  Node* found = nullptr;
  for (Node& node : nodes_) {
    if (!node.core || node.core->role() != Role::kLeader) continue;
    if (found == nullptr || node.core->term() > found->core->term()) found = &node;
  }
  return found;
}

}  // namespace kvorum::raft::test
