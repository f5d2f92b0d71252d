// What holds between any two calls, whatever came in.
#include "base/check.h"
#include "raft/core_impl.h"

namespace kvorum::raft {

void Core::Impl::check_invariants() const {
  log_.check_invariants();
  check_durability();
  check_role();
  check_reads();
  CHECK(configurations_.current_index() <= log_.last_index());
  CHECK(alone_ == others(configuration(), options_.id).empty());
}

void Core::Impl::check_durability() const {
  CHECK(durable_term_ <= written_term_ && written_term_ <= term_, "terms: durable {} written {} {}",
        durable_term_, written_term_, term_);
  CHECK(log_.last().term <= term_);
  WriteToken previous;
  for (const Write& write : writes_) {
    CHECK(write.token > previous && write.token <= last_token_);
    CHECK(write.last <= log_.last_index());
    previous = write.token;
  }
  if (withheld_vote_to_ != kNoNode) CHECK(withheld_vote_to_ == vote_ && !vote_durable());
  CHECK(acknowledged_ <= matched_ && matched_ <= log_.last_index());
}

void Core::Impl::check_role() const {
  if (role_ != Role::kLeader) {
    CHECK(lead_.peers.empty() && lead_.transfer_target == kNoNode && leader_ != options_.id);
    CHECK(snapshot_peers_.empty());
    return;
  }
  CHECK(leader_ == options_.id && vote_ == options_.id && vote_durable());
  CHECK(!lead_.ready || log_.committed() > Index{});
  std::vector<NodeId> ids;
  for (const Peer& peer : lead_.peers) {
    ids.push_back(peer.id);
    CHECK(peer.match < peer.next, "peer {}: match {} next {}", peer.id, peer.match, peer.next);
    CHECK(peer.match <= peer.sent && peer.sent <= log_.last_index());
    CHECK(peer.next <= log_.last_index().next());
    CHECK(peer.acked_round <= lead_.round);
    CHECK(peer.inflight.empty() || peer.state == PeerState::kReplicate);
  }
  CHECK(ids == others(configuration(), options_.id));
}

void Core::Impl::check_reads() const {
  CHECK(reads_.batches.empty() || role_ == Role::kLeader);
  CHECK(reads_.forwarded.empty() || (role_ == Role::kFollower && leader_ != kNoNode));
  for (const ReadBatch& batch : reads_.batches) {
    CHECK(!batch.reads.empty() && batch.round <= lead_.round);
    CHECK(batch.index <= log_.committed());
  }
}

}  // namespace kvorum::raft
