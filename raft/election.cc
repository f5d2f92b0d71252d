// Terms, roles, votes.
#include <algorithm>

#include "base/check.h"
#include "base/splitmix64.h"
#include "raft/core_impl.h"

namespace kvorum::raft {

uint64_t Core::Impl::random() {
  return splitmix64(random_state_);
}

void Core::Impl::reset_election_timer() {
  timer_tick_ = now_;
  timeout_ticks_ = options_.election_timeout_ticks +
                   static_cast<uint32_t>(random() % options_.election_timeout_ticks);
}

// Also while the change that removes this node is not known to be committed: its log may be the
// only one that the remaining voters would elect (dissertation, 4.2.2). It does not count its own
// vote.
bool Core::Impl::promotable() const {
  return configurations_.has_voter(options_.id) && !restoring_;
}

// True while a leader may count on this node in its lease. It depends on time alone: a node that
// learns of a higher term, or restarts, is bound all the same.
bool Core::Impl::defends_leader() const {
  return role_ == Role::kLeader ||
         (heard_tick_ && now_ - *heard_tick_ < options_.election_timeout_ticks);
}

bool Core::Impl::refuses_to_listen(const Envelope& envelope) const {
  const auto* request = std::get_if<VoteRequest>(&envelope.message);
  if (request == nullptr || !defends_leader()) return false;
  return request->pre_vote || !request->transfer;
}

void Core::Impl::become_follower(Term term, NodeId leader) {
  CHECK(term >= term_, "term {} after {}", term, term_);
  if (role_ != Role::kFollower) reset_election_timer();
  bool leader_changed = term > term_ || leader_ != leader;
  if (term > term_) {
    term_ = term;
    vote_ = kNoNode;
    withheld_vote_to_ = kNoNode;
  }
  role_ = Role::kFollower;
  leader_ = leader;
  votes_.clear();
  if (leader_changed) leave_leader();
}

// What was between this node and a leader, or between it as the leader and the others, is over.
void Core::Impl::leave_leader() {
  lead_ = Lead{};
  snapshot_peers_.clear();
  matched_ = acknowledged_ = Index{};
  leader_round_ = acknowledged_round_ = 0;
  lose_placed_reads();
}

void Core::Impl::pre_campaign() {
  reset_election_timer();
  role_ = Role::kPreCandidate;
  leader_ = kNoNode;
  leave_leader();
  votes_.clear();
  ask_for_votes();
  record_vote(options_.id, true);
}

void Core::Impl::ask_for_votes() {
  const bool pre_vote = role_ == Role::kPreCandidate;
  for (NodeId id : others(configuration(), options_.id)) {
    if (is_voter(configuration(), id) && !has_answered(id)) {
      send(id, VoteRequest{.pre_vote = pre_vote,
                           .last = log_.last(),
                           .transfer = !pre_vote && campaign_transfer_});
    }
  }
}

void Core::Impl::campaign(bool transfer) {
  reset_election_timer();
  ++term_;
  vote_ = options_.id;
  withheld_vote_to_ = kNoNode;
  role_ = Role::kCandidate;
  leader_ = kNoNode;
  leave_leader();
  votes_.clear();
  campaign_transfer_ = transfer;
  campaign_announced_ = false;
}

// Once the vote for itself is durable, together with the log the request speaks of: after a crash
// this node could otherwise stand in the same term again with another log.
void Core::Impl::announce_campaign() {
  campaign_announced_ = true;
  ask_for_votes();
  record_vote(options_.id, true);
}

bool Core::Impl::has_answered(NodeId voter) const {
  auto same = [&](const VoteOf& vote) { return vote.voter == voter; };
  return std::any_of(votes_.begin(), votes_.end(), same);
}

void Core::Impl::record_vote(NodeId voter, bool granted) {
  if (has_answered(voter)) return;
  votes_.push_back({voter, granted});
  switch (tally()) {
    case VoteOutcome::kOpen:
      return;
    case VoteOutcome::kLost:
      return become_follower(term_, kNoNode);
    case VoteOutcome::kWon:
      return role_ == Role::kPreCandidate ? campaign(false) : become_leader();
  }
}

VoteOutcome Core::Impl::tally() const {
  return count_votes(configuration(), [&](NodeId id) {
    for (const VoteOf& vote : votes_) {
      if (vote.voter == id) return vote.granted ? Vote::kGranted : Vote::kDenied;
    }
    return Vote::kPending;
  });
}

void Core::Impl::become_leader() {
  CHECK(role_ == Role::kCandidate && vote_ == options_.id && vote_durable());
  role_ = Role::kLeader;
  leader_ = options_.id;
  votes_.clear();
  lead_ = Lead{};
  reset_peers();
  lead_.heartbeat_tick = now_;
  append_as_leader(EntryKind::kNoop, {}, 0);
  start_round();
}

// Two that stand at once with equal logs would each win a pre-vote, then split the votes and wait
// for another timeout. The one with the higher id does not hear the other's first question; asked
// again it answers, in case it can't win itself.
bool Core::Impl::goes_before(NodeId other, EntryId last) const {
  return role_ == Role::kPreCandidate && last == log_.last() && options_.id > other &&
         now_ - timer_tick_ < options_.heartbeat_interval_ticks;
}

void Core::Impl::on_pre_vote_request(NodeId from, Term term, const VoteRequest& request) {
  if (goes_before(from, request.last)) return;
  bool granted = term >= term_ && request.last >= log_.last();
  // In the asker's term, so that it counts there; in this node's own when that is higher.
  send_as(std::max(term, term_), from, VoteReply{.pre_vote = true, .granted = granted});
  if (request.last < log_.last()) stand_soon();
}

// Somebody stands who can't win against this node's log, and there is no leader here either. At
// some moment of the next half timeout: others may have come to the same conclusion. Whom this node
// has just voted for gets its time.
void Core::Impl::stand_soon() {
  const uint64_t waited = now_ - timer_tick_;
  if (role_ != Role::kFollower || waited < options_.election_timeout_ticks) return;
  const uint32_t half = std::max(options_.election_timeout_ticks / 2, 1u);
  timeout_ticks_ =
      static_cast<uint32_t>(std::min<uint64_t>(timeout_ticks_, waited + 1 + random() % half));
}

void Core::Impl::on_vote_request(NodeId from, const VoteRequest& request) {
  bool free = vote_ == from || (vote_ == kNoNode && leader_ == kNoNode);
  // Raft paper, 5.4.1: terms of the last entries compare first, then lengths.
  if (!free || request.last < log_.last()) {
    send(from, VoteReply{.pre_vote = false, .granted = false});
    return;
  }
  if (role_ == Role::kPreCandidate) become_follower(term_, kNoNode);
  vote_ = from;
  withheld_vote_to_ = from;
  reset_election_timer();
  release_withheld();
}

void Core::Impl::on_vote_reply(NodeId from, const VoteReply& reply) {
  bool awaited = reply.pre_vote ? role_ == Role::kPreCandidate
                                : role_ == Role::kCandidate && campaign_announced_;
  if (awaited) record_vote(from, reply.granted);
}

void Core::Impl::on_timeout_now(NodeId from) {
  if (role_ == Role::kFollower && from == leader_ && promotable()) campaign(true);
}

}  // namespace kvorum::raft
