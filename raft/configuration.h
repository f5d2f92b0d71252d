// Rules about configurations: who votes, which changes are allowed and through what steps, and the
// configurations that the log holds. A configuration counts from the moment its entry is in the
// log, and stops counting when that entry is truncated (dissertation, 4.1).
#pragma once

#include <vector>

#include "base/result.h"
#include "raft/types.h"

namespace kvorum::raft {

bool contains(const std::vector<NodeId>& ids, NodeId id);
// Null when `id` is not among them.
const Member* find_member(const std::vector<Member>& members, NodeId id);
// In either half.
bool is_voter(const Configuration& configuration, NodeId id);
bool is_member(const Configuration& configuration, NodeId id);
bool is_joint(const Configuration& configuration);
// `id` alone decides.
bool is_sole_voter(const Configuration& configuration, NodeId id);
// Everyone in it but `self`, ascending.
std::vector<NodeId> others(const Configuration& configuration, NodeId self);
// Sorted by id, without doubles.
Configuration normalised(Configuration configuration);

// The configuration to append for a change from `current` to `target`: the target itself when at
// most one voter changes (dissertation, 4.2), else the joint one. Or why the change is refused.
// Whoever was removed once is refused; what `target` says of them is not looked at.
Result<Configuration> first_step(const Configuration& current, Configuration target);
// What follows a committed joint configuration.
Configuration leave_joint(Configuration joint);

class ConfigurationHistory {
 public:
  explicit ConfigurationHistory(Configuration base) : steps_{{Index{}, std::move(base)}} {}

  const Configuration& current() const { return steps_.back().configuration; }
  Index current_index() const { return steps_.back().index; }

  // In the current configuration or in one it may still roll back to.
  bool has_voter(NodeId id) const;

  void append(Index index, Configuration configuration);
  // True if the current configuration changed.
  bool truncate_from(Index index);
  // Those before the newest at or before `index` can't come back.
  void commit_to(Index index);
  void reset(Index index, Configuration configuration);

 private:
  struct Step {
    Index index;
    Configuration configuration;
  };
  std::vector<Step> steps_;  // never empty, ascending; the first one is committed
};

}  // namespace kvorum::raft
