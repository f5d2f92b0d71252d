// Replication, as a follower sees it. What comes from a peer is checked before it is believed.
#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"
#include "raft/core_impl.h"

namespace kvorum::raft {

void Core::Impl::on_append_request(NodeId from, AppendRequest& request) {
  if (!follow(from)) return;
  leader_round_ = std::max(leader_round_, request.round);
  bool heartbeat = request.entries.empty();
  // A backlog that the state machine can't keep up with is not added to.
  bool full = log_.unapplied_bytes() > options_.uncommitted_bytes_max;
  if (restoring_ || (full && !heartbeat)) return acknowledge();
  if (!well_formed(request)) return;
  Index last = request.previous.index + request.entries.size();
  if (request.previous.index >= log_.committed() && !log_.contains(request.previous)) {
    return reject_append(from, request);
  }
  if (!accept_entries(request)) return;
  matched_ = std::max(matched_, last);
  if (Index commit = std::min(request.commit, matched_); commit > log_.committed()) {
    log_.commit_to(commit);
    configurations_.commit_to(commit);
  }
  // New entries are acknowledged when they are durable. A heartbeat never waits for the disk, but
  // one that only tells of the commit index needs no answer.
  if (heartbeat ? has_news() : durable_match() >= last) acknowledge();
}

// False if this term already has another leader.
bool Core::Impl::follow(NodeId from) {
  if (role_ == Role::kLeader || (leader_ != kNoNode && leader_ != from)) return false;
  if (role_ != Role::kFollower || leader_ != from) become_follower(term_, from);
  heard_tick_ = now_;
  reset_election_timer();
  return true;
}

bool Core::Impl::well_formed(const AppendRequest& request) const {
  if (request.previous.index.value() > std::numeric_limits<uint64_t>::max() / 2) return false;
  EntryId before = request.previous;
  UnixMillis stamp = 0;
  for (const EntryPtr& entry : request.entries) {
    if (entry == nullptr || entry->id.index != before.index.next() ||
        entry->id.term < before.term || entry->id.term > term_ || entry->stamp < stamp) {
      return false;
    }
    Configuration configuration;
    if (entry->kind == EntryKind::kConfiguration &&
        (!decode(entry->data, configuration) || configuration.voters.empty())) {
      return false;
    }
    before = entry->id;
    stamp = entry->stamp;
  }
  return true;
}

void Core::Impl::reject_append(NodeId from, const AppendRequest& request) {
  const Index rejected = request.previous.index;
  EntryId conflict{Term{}, log_.last_index().next()};
  if (auto term = log_.term_at(rejected)) {
    // The base is committed, and what is committed matches or was not asked about.
    conflict = rejected == log_.base().index ? log_.base()
                                             : EntryId{*term, log_.first_of_term_at(rejected)};
  }
  send(from, AppendReply{.accepted = false,
                         .round = request.round,
                         .match = {},
                         .rejected = rejected,
                         .conflict = conflict});
}

// Skips what is here already, replaces what conflicts, adds what is new. False if the request
// contradicts what is committed, or what this leader itself sent before: then it is no leader's.
bool Core::Impl::accept_entries(AppendRequest& request) {
  std::vector<EntryPtr>& entries = request.entries;
  size_t skipped = 0;
  while (skipped < entries.size()) {
    const EntryId id = entries[skipped]->id;
    bool compacted = id.index < log_.base().index;
    if (!compacted && !log_.contains(id)) break;
    ++skipped;
  }
  if (skipped == entries.size()) return true;
  const Index first = entries[skipped]->id.index;
  if (first <= log_.committed() || first <= matched_) return false;
  if (entries[skipped]->id.term < log_.term_at(first.prev()) ||
      entries[skipped]->stamp < log_.stamp_before(first)) {
    return false;
  }
  if (first <= log_.last_index()) truncate_log(first);
  for (size_t i = skipped; i < entries.size(); ++i) append_entry(std::move(entries[i]));
  return true;
}

void Core::Impl::append_entry(EntryPtr entry) {
  const Index index = entry->id.index;
  if (entry->kind != EntryKind::kConfiguration) return log_.append(std::move(entry));
  Configuration configuration;
  CHECK(decode(entry->data, configuration), "entry {}", index);
  log_.append(std::move(entry));
  enter_configuration(index, normalised(std::move(configuration)));
}

// Up to where the log is durable and equal to the leader's. Without the leader's term durable this
// node could still, after a crash, follow an older leader; so it promises nothing yet.
Index Core::Impl::durable_match() const {
  return term_durable() ? std::min(matched_, log_.persisted()) : Index{};
}

bool Core::Impl::has_news() const {
  return leader_round_ > acknowledged_round_ || durable_match() > acknowledged_;
}

void Core::Impl::acknowledge() {
  acknowledged_ = std::max(acknowledged_, durable_match());
  acknowledged_round_ = leader_round_;
  send(leader_, AppendReply{.accepted = true,
                            .round = leader_round_,
                            .match = durable_match(),
                            .rejected = {},
                            .conflict = {}});
}

}  // namespace kvorum::raft
