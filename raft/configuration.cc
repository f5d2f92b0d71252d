#include "raft/configuration.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"

namespace kvorum::raft {
namespace {

void sort_unique(std::vector<NodeId>& ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
}

size_t voters_changed(const Configuration& from, const Configuration& to) {
  std::vector<NodeId> changed;
  std::set_symmetric_difference(from.voters.begin(), from.voters.end(), to.voters.begin(),
                                to.voters.end(), std::back_inserter(changed));
  return changed.size();
}

// Of `from`, whoever is no member of `to` is removed.
void remember_removed(const std::vector<Member>& from, Configuration& to) {
  for (const Member& member : from) {
    if (!is_member(to, member.id)) to.removed.push_back(member.id);
  }
  const size_t too_many = to.removed.size() - std::min(to.removed.size(), kRemovedRemembered);
  to.removed.erase(to.removed.begin(), to.removed.begin() + static_cast<ptrdiff_t>(too_many));
}

// Wrong whatever the configuration before was.
Status check_target(const Configuration& target) {
  if (!target.outgoing.empty()) return fail("a target configuration must not be joint");
  if (target.voters.empty()) return fail("the last voter can't be removed");
  for (const auto* ids : {&target.voters, &target.learners}) {
    for (NodeId id : *ids) {
      if (id == kNoNode) return fail("0 is not a node id");
      if (find_member(target.members, id) == nullptr) return fail("node {} has no address", id);
    }
  }
  for (NodeId id : target.learners) {
    if (contains(target.voters, id)) return fail("node {} can't be both voter and learner", id);
  }
  for (size_t i = 0; i < target.members.size(); ++i) {
    NodeId id = target.members[i].id;
    if (i > 0 && target.members[i - 1].id == id) return fail("node {} has two addresses", id);
    if (!is_member(target, id)) return fail("node {} is neither voter nor learner", id);
    if (contains(target.removed, id)) return fail("node {} was removed", id);
  }
  return ok();
}

}  // namespace

bool contains(const std::vector<NodeId>& ids, NodeId id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

const Member* find_member(const std::vector<Member>& members, NodeId id) {
  auto it = std::find_if(members.begin(), members.end(),
                         [&](const Member& member) { return member.id == id; });
  return it == members.end() ? nullptr : &*it;
}

bool is_voter(const Configuration& configuration, NodeId id) {
  return contains(configuration.voters, id) || contains(configuration.outgoing, id);
}

bool is_member(const Configuration& configuration, NodeId id) {
  return is_voter(configuration, id) || contains(configuration.learners, id);
}

bool is_joint(const Configuration& configuration) {
  return !configuration.outgoing.empty();
}

bool is_sole_voter(const Configuration& configuration, NodeId id) {
  return configuration.voters.size() == 1 && configuration.voters[0] == id &&
         configuration.outgoing.empty();
}

std::vector<NodeId> others(const Configuration& configuration, NodeId self) {
  std::vector<NodeId> ids = configuration.voters;
  ids.insert(ids.end(), configuration.outgoing.begin(), configuration.outgoing.end());
  ids.insert(ids.end(), configuration.learners.begin(), configuration.learners.end());
  sort_unique(ids);
  std::erase(ids, self);
  return ids;
}

Configuration normalised(Configuration configuration) {
  sort_unique(configuration.voters);
  sort_unique(configuration.outgoing);
  sort_unique(configuration.learners);
  std::sort(configuration.members.begin(), configuration.members.end());
  configuration.members.erase(
      std::unique(configuration.members.begin(), configuration.members.end()),
      configuration.members.end());
  return configuration;
}

Result<Configuration> first_step(const Configuration& current, Configuration target) {
  target = normalised(std::move(target));
  target.removed = current.removed;
  if (Status status = check_target(target); !status) return tl::unexpected(status.error());
  if (is_joint(current)) return fail("another membership change is under way");
  if (target == current) return fail("the configuration is already so");
  for (NodeId id : target.voters) {
    if (!is_member(current, id)) return fail("node {} must be a learner first", id);
  }
  if (voters_changed(current, target) <= 1) {
    remember_removed(current.members, target);
    return target;
  }
  Configuration joint = target;
  joint.outgoing = current.voters;
  for (const Member& member : current.members) {
    if (is_voter(joint, member.id) && find_member(target.members, member.id) == nullptr) {
      joint.members.push_back(member);
    }
  }
  remember_removed(current.members, joint);
  return normalised(std::move(joint));
}

Configuration leave_joint(Configuration joint) {
  joint.outgoing.clear();
  remember_removed(joint.members, joint);
  std::erase_if(joint.members, [&](const Member& member) { return !is_member(joint, member.id); });
  return joint;
}

bool ConfigurationHistory::has_voter(NodeId id) const {
  return std::any_of(steps_.begin(), steps_.end(),
                     [&](const Step& step) { return is_voter(step.configuration, id); });
}

void ConfigurationHistory::append(Index index, Configuration configuration) {
  CHECK(index > current_index(), "configuration at {} after {}", index, current_index());
  steps_.push_back({index, std::move(configuration)});
}

bool ConfigurationHistory::truncate_from(Index index) {
  bool changed = false;
  while (steps_.size() > 1 && steps_.back().index >= index) {
    steps_.pop_back();
    changed = true;
  }
  return changed;
}

void ConfigurationHistory::commit_to(Index index) {
  size_t settled = 0;
  while (settled + 1 < steps_.size() && steps_[settled + 1].index <= index) ++settled;
  steps_.erase(steps_.begin(), steps_.begin() + static_cast<ptrdiff_t>(settled));
}

void ConfigurationHistory::reset(Index index, Configuration configuration) {
  steps_.clear();
  steps_.push_back({index, std::move(configuration)});
}

}  // namespace kvorum::raft
