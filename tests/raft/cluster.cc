#include "tests/raft/cluster.h"

#include <algorithm>
#include <utility>

namespace kvorum::raft::test {

Cluster::Cluster(const std::vector<uint64_t>& voters, const std::vector<uint64_t>& learners) {
  Configuration configuration = make_configuration(voters, learners);
  for (const Member& member : configuration.members) add_node(member.id.value(), configuration);
}

void Cluster::add_node(uint64_t id, Configuration configuration) {
  TestNode& node = nodes_[id];
  node.options = defaults;
  node.options.id = NodeId(id);
  node.disk.checkpoint.configuration = std::move(configuration);
  start(id);
}

void Cluster::start(uint64_t id) {
  TestNode& node = nodes_.at(id);
  node.options.random_seed = ++starts_;
  node.writes.clear();
  node.applied.clear();
  node.applied_last = node.disk.checkpoint.last;
  node.applied_configuration = node.disk.checkpoint.configuration;
  node.reads.clear();
  node.lost_reads.clear();
  node.snapshot_peers.clear();
  node.core = std::make_unique<Core>(node.options, node.disk.recover());
  run(id);
}

void Cluster::restart(uint64_t id) {
  node(id).core.reset();
  start(id);
}

void Cluster::run(uint64_t id) {
  TestNode& node = nodes_.at(id);
  while (node.core->has_ready()) {
    Ready ready = node.core->take_ready();
    if (observer) observer(id, ready);
    take_results(node, ready);
    node.core->check_invariants();
  }
}

void Cluster::take_results(TestNode& node, Ready& ready) {
  if (ready.persist) node.writes.push_back(std::move(*ready.persist));
  std::move(ready.messages.begin(), ready.messages.end(), std::back_inserter(network_));
  for (const EntryPtr& entry : ready.committed) {
    EXPECT_EQ(entry->id.index, node.applied_last.index.next());
    node.applied_last = entry->id;
    if (entry->kind == EntryKind::kConfiguration) {
      EXPECT_TRUE(decode(entry->data, node.applied_configuration));
    }
    node.applied.push_back(entry);
  }
  std::move(ready.reads.begin(), ready.reads.end(), std::back_inserter(node.reads));
  std::move(ready.lost_reads.begin(), ready.lost_reads.end(), std::back_inserter(node.lost_reads));
  std::move(ready.snapshot_peers.begin(), ready.snapshot_peers.end(),
            std::back_inserter(node.snapshot_peers));
  if (!ready.committed.empty() && !node.apply_held) node.core->applied(node.applied_last.index);
  if (node.disk_held) return;
  while (!node.writes.empty()) {
    node.disk.write(node.writes.front());
    node.core->persisted(node.writes.front().token);
    node.writes.pop_front();
  }
}

void Cluster::finish_writes(uint64_t id, size_t count) {
  TestNode& node = nodes_.at(id);
  for (; count > 0 && !node.writes.empty(); --count) {
    node.disk.write(node.writes.front());
    node.core->persisted(node.writes.front().token);
    node.writes.pop_front();
  }
  run(id);
}

void Cluster::release_disk(uint64_t id) {
  node(id).disk_held = false;
  finish_writes(id);
}

void Cluster::tick(uint64_t id, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    core(id).tick();
    run(id);
  }
}

void Cluster::tick_all(uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    for (uint64_t id : ids()) {
      if (node(id).core) tick(id);
    }
    deliver_all();
  }
}

void Cluster::deliver_all() {
  while (deliver_one([](const Envelope&) { return true; })) {
  }
}

bool Cluster::deliver_one(const std::function<bool(const Envelope&)>& wanted) {
  auto it = std::find_if(network_.begin(), network_.end(), wanted);
  if (it == network_.end()) return false;
  Envelope envelope = std::move(*it);
  network_.erase(it);
  uint64_t to = envelope.to.value();
  if (cut_.contains({envelope.from.value(), to}) || !nodes_.contains(to) || !nodes_.at(to).core) {
    return true;
  }
  core(to).step(std::move(envelope));
  run(to);
  return true;
}

void Cluster::step(uint64_t from, uint64_t to, Term term, Message message) {
  core(to).step({NodeId(from), NodeId(to), term, std::move(message)});
  run(to);
}

void Cluster::isolate(uint64_t id) {
  for (uint64_t other : ids()) {
    cut(id, other);
    cut(other, id);
  }
}

void Cluster::elect(uint64_t id) {
  // Long enough that nobody defends a leader of the past, and that one has given up.
  for (uint64_t other : ids()) {
    if (other == id || !node(other).core || core(other).term() == Term{}) continue;
    tick(other, node(other).options.election_timeout_ticks);
    // Who stands itself goes before others for so long.
    if (core(other).role() != Role::kPreCandidate) continue;
    tick(other, node(other).options.heartbeat_interval_ticks);
  }
  drop_all();
  for (int i = 0; i < 100 && core(id).role() != Role::kLeader; ++i) {
    tick(id);
    deliver_all();
  }
  ASSERT_EQ(core(id).role(), Role::kLeader);
  deliver_all();
}

EntryId Cluster::propose(uint64_t id, std::string data, UnixMillis stamp) {
  auto proposed = core(id).propose(std::move(data), stamp);
  EXPECT_TRUE(proposed.has_value());
  run(id);
  return proposed.value_or(EntryId{});
}

std::string Cluster::applied_text(uint64_t id) {
  std::string text;
  for (const EntryPtr& entry : node(id).applied) {
    if (entry->kind == EntryKind::kCommands) text += entry->data;
  }
  return text;
}

std::vector<uint64_t> Cluster::ids() const {
  std::vector<uint64_t> ids;
  for (const auto& [id, node] : nodes_) ids.push_back(id);
  return ids;
}

EntryPtr make_entry(uint64_t term, uint64_t index, std::string data, EntryKind kind) {
  auto entry = std::make_shared<Entry>();
  entry->id = id_of(term, index);
  entry->kind = kind;
  entry->data = std::move(data);
  return entry;
}

std::vector<EntryPtr> make_entries(const std::vector<uint64_t>& terms, uint64_t first) {
  std::vector<EntryPtr> entries;
  for (uint64_t term : terms) entries.push_back(make_entry(term, first++));
  return entries;
}

}  // namespace kvorum::raft::test
