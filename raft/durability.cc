// What is written, what is durable, and what was withheld until it was.
#include <algorithm>

#include "base/check.h"
#include "raft/core_impl.h"

namespace kvorum::raft {

bool Core::Impl::write_due() const {
  return term_ != written_term_ || vote_ != written_vote_ || log_.has_unwritten();
}

std::optional<PersistRequest> Core::Impl::take_writes() {
  if (!write_due()) return std::nullopt;
  ++last_token_;
  written_term_ = term_;
  written_vote_ = vote_;
  writes_.push_back({last_token_, term_, vote_, log_.last_index()});
  return PersistRequest{last_token_, HardState{term_, vote_, log_.committed()},
                        log_.take_unwritten()};
}

void Core::Impl::persisted(WriteToken token) {
  CHECK(token <= last_token_, "token {} of {}", token, last_token_);
  if (writes_.empty() || writes_.front().token > token) return;
  while (!writes_.empty() && writes_.front().token <= token) {
    const Write& write = writes_.front();
    durable_term_ = write.term;
    durable_vote_ = write.vote;
    log_.set_persisted(write.last);
    writes_.pop_front();
  }
  release_withheld();
}

// The entries of writes under way from `index` on are no longer this log's.
void Core::Impl::truncate_log(Index index) {
  log_.truncate_from(index);
  for (Write& write : writes_) write.last = std::min(write.last, index.prev());
  if (configurations_.truncate_from(index)) on_configuration_changed();
}

void Core::Impl::release_withheld() {
  if (role_ == Role::kCandidate && !campaign_announced_ && vote_durable()) announce_campaign();
  if (withheld_vote_to_ != kNoNode && vote_durable()) {
    send(withheld_vote_to_, VoteReply{.pre_vote = false, .granted = true});
    withheld_vote_to_ = kNoNode;
  }
  if (role_ == Role::kFollower && leader_ != kNoNode && durable_match() > acknowledged_) {
    acknowledge();
  }
  if (role_ == Role::kLeader) advance_commit();
}

}  // namespace kvorum::raft
