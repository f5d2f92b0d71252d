// Raft's promises (paper, figure 3; dissertation 6.4), checked on every event of a simulation.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "tests/raft/simulation.h"

namespace kvorum::raft::test {

void Simulation::violated(const std::string& what) {
  throw Violation(fmt::format("seed {}, time {}: {}", options_.seed, now_, what));
}

void Simulation::check_node(Node& node) {
  node.core->check_invariants();
  known_committed_ = std::max(known_committed_, node.core->commit_index());
  Role role = node.core->role();
  if (role == Role::kLeader && node.last_role != Role::kLeader) check_became_leader(node);
  node.last_role = role;
}

// Election safety and leader completeness.
void Simulation::check_became_leader(Node& node) {
  ++report_.elections;
  let_leader_fall(node);
  auto [it, first] = leaders_.emplace(node.core->term(), node.id);
  if (!first && it->second != node.id) {
    violated(fmt::format("nodes {} and {} both lead term {}", it->second, node.id, it->first));
  }
  for (auto committed = committed_.upper_bound(node.applied.index); committed != committed_.end();
       ++committed) {
    // A leader of an older term may hear of its election late; it can't do harm any more.
    if (committed->second.term_at_most >= node.core->term()) continue;
    auto held = node.log.find(committed->first);
    if (held == node.log.end() || held->second != committed->second.id) {
      violated(fmt::format("leader {} of term {} lacks committed entry {}", node.id,
                           node.core->term(), committed->first));
    }
  }
}

// Log matching: an id stands for one entry, with one entry before it, on every node.
void Simulation::check_write(Node& node, const PersistRequest& request) {
  if (request.entries.empty()) return;
  Index first = request.entries.front()->id.index;
  if (first <= node.applied.index) violated("an applied entry is overwritten");
  node.log.erase(node.log.lower_bound(first), node.log.end());
  for (const EntryPtr& entry : request.entries) {
    Index index = entry->id.index;
    EntryId previous = node.disk.checkpoint.last;
    if (auto held = node.log.find(index.prev()); held != node.log.end()) {
      previous = held->second;
    } else if (previous.index != index.prev()) {
      violated(fmt::format("node {} writes {} with a gap before it", node.id, index));
    }
    auto [it, fresh] = written_.emplace(entry->id, Written{previous, entry});
    const Written& written = it->second;
    if (written.previous != previous || written.entry->data != entry->data ||
        written.entry->stamp != entry->stamp) {
      violated(fmt::format("two entries are called {}:{}", entry->id.term, index));
    }
    if (auto before = written_.find(previous);
        before != written_.end() && before->second.entry->stamp > entry->stamp) {
      violated(fmt::format("time goes back at {}", index));
    }
    node.log[index] = entry->id;
  }
}

// State machine safety; and nothing is applied that a crash could take away.
void Simulation::check_committed(Node& node, const EntryPtr& entry) {
  auto [it, first] = committed_.emplace(entry->id.index, Committed{entry->id, node.core->term()});
  it->second.term_at_most = std::min(it->second.term_at_most, node.core->term());
  if (!first && it->second.id != entry->id) {
    violated(fmt::format("node {} applies another entry at {}", node.id, entry->id.index));
  }
  uint64_t durable = node.disk.checkpoint.last.index.value() + node.disk.entries.size();
  if (entry->id.index.value() > durable) {
    violated(fmt::format("node {} applies {} before it is durable", node.id, entry->id.index));
  }
}

// A read sees everything that was committed anywhere when it was asked.
void Simulation::check_read(Node& node, const ReadGrant& grant) {
  auto it = reads_.find(grant.context);
  if (it == reads_.end() || it->second.node != node.id) {
    violated("a read was granted that nobody asked for");
  }
  if (grant.index < it->second.known) {
    violated(fmt::format("node {} reads at {} although {} was committed before{}", node.id,
                         grant.index, it->second.known, it->second.lease ? " (lease)" : ""));
  }
  ++(it->second.lease ? report_.lease_reads_granted : report_.reads_granted);
  reads_.erase(it);
}

}  // namespace kvorum::raft::test
