// Replication, as the leader sees it: rounds, feeding peers, their answers, the commit index.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/core_impl.h"

namespace kvorum::raft {

EntryId Core::Impl::append_as_leader(EntryKind kind, std::string data, UnixMillis stamp) {
  auto entry = std::make_shared<Entry>();
  entry->id = {term_, log_.last_index().next()};
  entry->kind = kind;
  entry->stamp = std::max(stamp, log_.last_stamp());
  entry->data = std::move(data);
  EntryId id = entry->id;
  log_.append(std::move(entry));
  lead_.peers_stale = true;
  return id;
}

Peer* Core::Impl::find_peer(NodeId id) {
  for (Peer& peer : lead_.peers) {
    if (peer.id == id) return &peer;
  }
  return nullptr;
}

const Peer* Core::Impl::find_peer(NodeId id) const {
  return const_cast<Impl*>(this)->find_peer(id);
}

// Keeps what is known of those who stay.
void Core::Impl::reset_peers() {
  std::vector<Peer> peers;
  for (NodeId id : others(configuration(), options_.id)) {
    if (Peer* known = find_peer(id)) {
      peers.push_back(std::move(*known));
      continue;
    }
    Peer peer;
    peer.id = id;
    peer.since_tick = peer.contact_tick = now_;
    peer.probe_from(log_.last_index().next());
    peers.push_back(std::move(peer));
  }
  lead_.peers = std::move(peers);
  lead_.peers_stale = true;
}

void Core::Impl::count_round() {
  ++lead_.round;
  if (lead_.rounds.empty() || lead_.rounds.back().tick != now_) {
    lead_.rounds.push_back({lead_.round, now_});
  }
  while (now_ - lead_.rounds.front().tick > options_.election_timeout_ticks) {
    lead_.rounds.pop_front();
  }
}

void Core::Impl::start_round() {
  count_round();
  for (Peer& peer : lead_.peers) send_heartbeat(peer);
}

// Asks nothing but whether they still follow: every log agrees on index 0.
void Core::Impl::call_roll() {
  count_round();
  for (const Peer& peer : lead_.peers) ask(peer.id, EntryId{});
}

void Core::Impl::ask(NodeId peer, EntryId previous) {
  send(peer,
       AppendRequest{
           .previous = previous, .commit = log_.committed(), .entries = {}, .round = lead_.round});
}

std::optional<uint64_t> Core::Impl::tick_of_round(uint64_t round) const {
  for (auto it = lead_.rounds.rbegin(); it != lead_.rounds.rend(); ++it) {
    if (it->first_round <= round) return it->tick;
  }
  return std::nullopt;
}

// It speaks of the entry before the next one to be sent, so that a lost append shows as a refusal.
// A peer that is fed by a snapshot is asked about nothing: every log agrees on index 0.
void Core::Impl::send_heartbeat(Peer& peer) {
  EntryId previous;
  std::optional<Term> term = log_.term_at(peer.next.prev());
  if (peer.state != PeerState::kSnapshot && term) previous = {*term, peer.next.prev()};
  peer.sent = std::max(peer.sent, previous.index);
  if (peer.state == PeerState::kReplicate) peer.commit_sent = log_.committed();
  ask(peer.id, previous);
}

bool Core::Impl::recently_active(const Peer& peer) const {
  return peer.acked_tick && now_ - peer.contact_tick < options_.election_timeout_ticks;
}

void Core::Impl::feed_all() {
  if (!lead_.peers_stale) return;
  lead_.peers_stale = false;
  for (Peer& peer : lead_.peers) feed(peer);
}

void Core::Impl::feed(Peer& peer) {
  if (peer.state == PeerState::kSnapshot) return;
  if (peer.next < log_.first_index()) {
    // A silent peer would only make a snapshot for nobody.
    if (!recently_active(peer) || peer.probe_sent) return;
    peer.await_snapshot(log_.first_index());
    snapshot_peers_.push_back(peer.id);
    return;
  }
  if (peer.state == PeerState::kProbe) {
    if (!peer.probe_sent && peer.next <= log_.last_index()) {
      peer.probed = send_entries(peer);
      peer.probe_sent = true;
    }
    return;
  }
  while (peer.next <= log_.last_index() &&
         !peer.inflight.full(options_.inflight_appends_max, options_.inflight_bytes_max)) {
    peer.next = send_entries(peer).next();
  }
  if (peer.next > log_.last_index()) peer.needed_from = Index{};
  if (peer.commit_sent < log_.committed()) send_heartbeat(peer);
}

// The first index that somebody who catches up behind a snapshot needs; past the end: nobody does.
Index Core::Impl::needed_from() const {
  Index first = log_.last_index().next();
  for (const Peer& peer : lead_.peers) {
    if (peer.needed_from == Index{} || !recently_active(peer)) continue;
    first = std::min(first, peer.needed_from);
  }
  return first;
}

// The index of the last entry sent.
Index Core::Impl::send_entries(Peer& peer) {
  AppendRequest request{.previous = {*log_.term_at(peer.next.prev()), peer.next.prev()},
                        .commit = log_.committed(),
                        .entries = log_.slice(peer.next, options_.append_bytes_max),
                        .round = lead_.round};
  size_t bytes = 0;
  for (const EntryPtr& entry : request.entries) bytes += entry->bytes();
  Index last = request.entries.back()->id.index;
  if (peer.state == PeerState::kReplicate) peer.inflight.add(last, bytes);
  peer.sent = std::max(peer.sent, last);
  peer.commit_sent = request.commit;
  send(peer.id, std::move(request));
  return last;
}

void Core::Impl::on_append_reply(NodeId from, const AppendReply& reply) {
  Peer* peer = role_ == Role::kLeader ? find_peer(from) : nullptr;
  if (peer == nullptr || reply.round > lead_.round) return;
  peer->contact_tick = now_;
  if (reply.round > peer->acked_round) {
    peer->acked_round = reply.round;
    if (auto tick = tick_of_round(reply.round)) peer->acked_tick = *tick;
    grant_acknowledged_reads();
  }
  if (reply.accepted) {
    on_accepted(*peer, std::min(reply.match, peer->sent));
  } else {
    on_rejected(*peer, reply);
  }
}

void Core::Impl::on_accepted(Peer& peer, Index match) {
  bool news = peer.acknowledge(match);
  bool fed_by_snapshot = peer.state == PeerState::kSnapshot;
  if (peer.next < log_.first_index()) {
    peer.probe_sent = false;
  } else if (peer.state == PeerState::kProbe ||
             (fed_by_snapshot && peer.match.next() >= log_.first_index())) {
    peer.replicate();
  }
  lead_.peers_stale = true;
  if (!news) return;
  if (peer.id == lead_.transfer_target) drive_transfer();
  advance_commit();
}

// Dissertation, 3.5: skips a whole conflicting term at a time.
void Core::Impl::on_rejected(Peer& peer, const AppendReply& reply) {
  if (peer.state == PeerState::kSnapshot || reply.rejected <= peer.match) return;
  bool current = peer.state == PeerState::kProbe ? reply.rejected == peer.next.prev()
                                                 : reply.rejected < peer.next;
  if (!current) return;
  Index from = std::min(reply.conflict.index, reply.rejected);
  if (reply.conflict.term > Term{}) {
    // Beyond this index the logs differ: here all terms are newer than any there.
    Index last = log_.last_at_most(reply.conflict.term, reply.rejected);
    bool same_term = log_.term_at(last) == reply.conflict.term;
    from = same_term ? last.next() : std::min(from, last.next());
  }
  peer.probe_from(from);
  lead_.peers_stale = true;
}

void Core::Impl::advance_commit() {
  Index index(quorum_value(configuration(), [&](NodeId id) -> uint64_t {
    if (id == options_.id) return log_.persisted().value();
    const Peer* peer = find_peer(id);
    return peer == nullptr ? 0 : peer->match.value();
  }));
  // Raft paper, 5.4.2: only an entry of the leader's own term commits by counting.
  if (index <= log_.committed() || log_.term_at(index) != term_) return;
  log_.commit_to(index);
  configurations_.commit_to(index);
  lead_.ready = true;
  lead_.peers_stale = true;
  leave_joint_if_committed();
  step_down_if_removed();
}

void Core::Impl::check_quorum() {
  uint64_t heard = quorum_value(configuration(), [&](NodeId id) -> uint64_t {
    if (id == options_.id) return now_;
    const Peer* peer = find_peer(id);
    return peer == nullptr ? 0 : std::max(peer->acked_tick.value_or(0), peer->since_tick);
  });
  if (now_ - heard >= options_.election_timeout_ticks) become_follower(term_, kNoNode);
}

// Dissertation, 6.4.1. It counts from when the acknowledged round was sent: every voter that
// acknowledged it heard it later, and defends this leader for longer.
uint32_t Core::Impl::lease_ticks_left() const {
  if (!leader_ready() || lead_.lease_forfeited || lead_.transfer_target != kNoNode ||
      options_.lease_ticks == 0 || !is_voter(configuration(), options_.id)) {
    return 0;
  }
  // Ticks are counted from one here, so that zero is never.
  uint64_t acknowledged = quorum_value(configuration(), [&](NodeId id) -> uint64_t {
    if (id == options_.id) return now_ + 1;
    const Peer* peer = find_peer(id);
    return peer == nullptr || !peer->acked_tick ? 0 : *peer->acked_tick + 1;
  });
  uint64_t age = now_ + 1 - acknowledged;
  if (acknowledged == 0 || age >= options_.lease_ticks) return 0;
  return static_cast<uint32_t>(options_.lease_ticks - age);
}

void Core::Impl::snapshot_sent(NodeId id, EntryId last, bool delivered) {
  Peer* peer = role_ == Role::kLeader ? find_peer(id) : nullptr;
  if (peer == nullptr || peer->state != PeerState::kSnapshot) return;
  // What arrived is believed when the peer itself confirms it.
  peer->probe_from(delivered ? std::min(last.index, log_.last_index()).next() : Index{});
  // Not again before the next heartbeat is answered.
  peer->probe_sent = !delivered;
  if (delivered) send_heartbeat(*peer);
  lead_.peers_stale = true;
}

}  // namespace kvorum::raft
