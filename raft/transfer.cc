// Leadership transfer (dissertation, 3.10).
#include "raft/core_impl.h"

namespace kvorum::raft {

Status Core::Impl::transfer_leadership(NodeId target) {
  if (role_ != Role::kLeader) return fail("this node is not the leader");
  if (lead_.transfer_target != kNoNode) {
    if (lead_.transfer_target == target) return ok();
    return fail("a transfer to node {} is under way", lead_.transfer_target);
  }
  if (target == kNoNode) {
    const Peer* peer = best_successor();
    if (peer == nullptr) return fail("there is no other voter that answers");
    target = peer->id;
  }
  if (target == options_.id) return fail("node {} is the leader already", target);
  if (!contains(configuration().voters, target)) return fail("node {} is not a voter", target);
  lead_.transfer_target = target;
  lead_.transfer_tick = now_;
  drive_transfer();
  return ok();
}

// The voter whose log is longest, among those that answer.
const Peer* Core::Impl::best_successor() const {
  const Peer* best = nullptr;
  for (const Peer& peer : lead_.peers) {
    if (!contains(configuration().voters, peer.id) || !recently_active(peer)) continue;
    if (best == nullptr || peer.match > best->match) best = &peer;
  }
  return best;
}

void Core::Impl::drive_transfer() {
  if (lead_.transfer_target == kNoNode) return;
  const Peer* peer = find_peer(lead_.transfer_target);
  if (peer == nullptr) return end_transfer();
  if (peer->match != log_.last_index()) return;
  lead_.lease_forfeited = true;
  send(peer->id, TimeoutNow{});
}

void Core::Impl::end_transfer() {
  lead_.transfer_target = kNoNode;
}

}  // namespace kvorum::raft
