// Membership changes (dissertation, chapter 4).
#include <utility>

#include "raft/core_impl.h"

namespace kvorum::raft {

Result<EntryId> Core::Impl::propose_configuration(Configuration target, UnixMillis stamp) {
  if (role_ != Role::kLeader) return fail("this node is not the leader");
  if (lead_.transfer_target != kNoNode) return fail("leadership is being transferred");
  // Without an entry of this term committed, two leaders could each change one voter and end up
  // with majorities that don't overlap.
  if (!lead_.ready) return fail("the leader has just been elected and is not ready yet");
  if (configurations_.current_index() > log_.committed()) {
    return fail("another membership change is under way");
  }
  Result<Configuration> step = first_step(configuration(), std::move(target));
  if (!step) return tl::unexpected(step.error());
  return append_configuration(std::move(*step), stamp);
}

EntryId Core::Impl::append_configuration(Configuration next, UnixMillis stamp) {
  EntryId id = append_as_leader(EntryKind::kConfiguration, encode(next), stamp);
  enter_configuration(id.index, std::move(next));
  return id;
}

void Core::Impl::enter_configuration(Index index, Configuration configuration) {
  configurations_.append(index, std::move(configuration));
  on_configuration_changed();
}

void Core::Impl::on_configuration_changed() {
  alone_ = others(configuration(), options_.id).empty();
  if (role_ != Role::kLeader) return;
  reset_peers();
  if (lead_.transfer_target != kNoNode &&
      !contains(configuration().voters, lead_.transfer_target)) {
    end_transfer();
  }
}

void Core::Impl::leave_joint_if_committed() {
  if (!is_joint(configuration()) || configurations_.current_index() > log_.committed()) return;
  append_configuration(leave_joint(configuration()), 0);
}

// Dissertation, 4.2.2: a leader that is no longer a voter leads until that is committed. The others
// are told so, and one of them is asked to go on at once.
void Core::Impl::step_down_if_removed() {
  if (is_voter(configuration(), options_.id) ||
      configurations_.current_index() > log_.committed()) {
    return;
  }
  feed_all();
  if (const Peer* successor = best_successor()) send(successor->id, TimeoutNow{});
  become_follower(term_, kNoNode);
}

}  // namespace kvorum::raft
