// Disk: what survives a crash of a test node: hard state, log, checkpoint.
#pragma once

#include <algorithm>
#include <vector>

#include "raft/core.h"

namespace kvorum::raft::test {

struct Disk {
  HardState hard_state;
  SnapshotMeta checkpoint;
  std::vector<EntryPtr> entries;  // all after the checkpoint

  void write(const PersistRequest& request) {
    if (request.hard_state) hard_state = *request.hard_state;
    for (const EntryPtr& entry : request.entries) {
      if (entry->id.index <= checkpoint.last.index) continue;
      entries.resize(entry->id.index - checkpoint.last.index - 1);
      entries.push_back(entry);
    }
  }
  // The log is cut behind it.
  void take_checkpoint(const SnapshotMeta& meta) {
    uint64_t covered = meta.last.index - checkpoint.last.index;
    if (covered >= entries.size()) {
      entries.clear();
    } else {
      entries.erase(entries.begin(), entries.begin() + static_cast<ptrdiff_t>(covered));
    }
    checkpoint = meta;
  }
  void install(const SnapshotMeta& meta) {
    entries.clear();
    checkpoint = meta;
  }
  Recovered recover() const { return {hard_state, checkpoint, entries}; }
};

inline Configuration make_configuration(const std::vector<uint64_t>& voters,
                                        const std::vector<uint64_t>& learners = {}) {
  Configuration configuration;
  for (uint64_t id : voters) configuration.voters.emplace_back(id);
  for (uint64_t id : learners) configuration.learners.emplace_back(id);
  for (const auto* ids : {&configuration.voters, &configuration.learners}) {
    for (NodeId id : *ids) {
      configuration.members.push_back({id, fmt::format("n{}:1", id), fmt::format("n{}:2", id)});
    }
  }
  std::sort(configuration.members.begin(), configuration.members.end());
  return configuration;
}

// The same, in which these were members once.
inline Configuration without(const std::vector<uint64_t>& removed, Configuration configuration) {
  for (uint64_t id : removed) configuration.removed.emplace_back(id);
  return configuration;
}

}  // namespace kvorum::raft::test
