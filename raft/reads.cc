#include "raft/reads.h"

#include <algorithm>
#include <utility>

#include "raft/core_impl.h"

namespace kvorum::raft {

void Core::Impl::read_index(uint64_t context, bool lease) {
  reads_.waiting.push_back({kNoNode, context, lease, now_});
}

bool Core::Impl::reads_can_move() const {
  if (reads_.waiting.empty()) return false;
  return role_ == Role::kLeader ? lead_.ready : leader_ != kNoNode;
}

void Core::Impl::move_reads() {
  if (!reads_can_move()) return;
  if (role_ == Role::kLeader) {
    place_reads_in_round();
  } else {
    forward_reads();
  }
}

// Before an entry of its own term is committed a leader's commit index may be behind what its
// predecessor acknowledged (dissertation, 6.4); reads_can_move() waits for that.
void Core::Impl::place_reads_in_round() {
  const bool leased = lease_ticks_left() > 0;
  const bool alone = is_sole_voter(configuration(), options_.id);
  ReadBatch batch{.round = 0, .index = log_.committed(), .reads = {}};
  for (const Read& read : std::exchange(reads_.waiting, {})) {
    if (alone || (read.lease && leased)) {
      grant(read, log_.committed());
    } else {
      batch.reads.push_back(read);
    }
  }
  if (batch.reads.empty()) return;
  call_roll();
  batch.round = lead_.round;
  reads_.batches.push_back(std::move(batch));
}

void Core::Impl::grant_acknowledged_reads() {
  if (reads_.batches.empty()) return;
  uint64_t round = quorum_value(configuration(), [&](NodeId id) -> uint64_t {
    if (id == options_.id) return lead_.round;
    const Peer* peer = find_peer(id);
    return peer == nullptr ? 0 : peer->acked_round;
  });
  while (!reads_.batches.empty() && reads_.batches.front().round <= round) {
    const ReadBatch& batch = reads_.batches.front();
    for (const Read& read : batch.reads) grant(read, batch.index);
    reads_.batches.pop_front();
  }
}

void Core::Impl::forward_reads() {
  for (const Read& read : std::exchange(reads_.waiting, {})) {
    uint64_t number = reads_.next_number++;
    reads_.forwarded.emplace(number, read);
    send(leader_, ReadIndexRequest{.context = number, .lease = read.lease});
  }
}

void Core::Impl::grant(const Read& read, Index index) {
  if (read.origin == kNoNode) {
    granted_.push_back({read.context, index});
  } else {
    send(read.origin, ReadIndexReply{.context = read.context, .granted = true, .index = index});
  }
}

// A follower that asked finds out by itself when there is no leader any more to answer it.
void Core::Impl::lose(const Read& read) {
  if (read.origin == kNoNode) lost_.push_back(read.context);
}

// Those that wait go on waiting for the next leader, except those of followers: they will ask it.
void Core::Impl::lose_placed_reads() {
  for (const ReadBatch& batch : std::exchange(reads_.batches, {})) {
    for (const Read& read : batch.reads) lose(read);
  }
  for (const auto& [number, read] : std::exchange(reads_.forwarded, {})) lose(read);
  std::erase_if(reads_.waiting, [](const Read& read) { return read.origin != kNoNode; });
}

void Core::Impl::lose_old_reads() {
  auto old = [&](const Read& read) {
    return now_ - read.asked_tick >= options_.election_timeout_ticks;
  };
  std::vector<Read>& waiting = reads_.waiting;
  auto young = std::find_if_not(waiting.begin(), waiting.end(), old);
  std::for_each(waiting.begin(), young, [&](const Read& read) { lose(read); });
  waiting.erase(waiting.begin(), young);
  while (!reads_.forwarded.empty() && old(reads_.forwarded.begin()->second)) {
    lose(reads_.forwarded.begin()->second);
    reads_.forwarded.erase(reads_.forwarded.begin());
  }
  while (!reads_.batches.empty() && old(reads_.batches.front().reads.front())) {
    for (const Read& read : reads_.batches.front().reads) lose(read);
    reads_.batches.pop_front();
  }
}

void Core::Impl::on_read_index_request(NodeId from, const ReadIndexRequest& request) {
  if (role_ != Role::kLeader) {
    send(from, ReadIndexReply{.context = request.context, .granted = false, .index = {}});
    return;
  }
  reads_.waiting.push_back({from, request.context, request.lease, now_});
}

void Core::Impl::on_read_index_reply(NodeId from, const ReadIndexReply& reply) {
  auto it = from == leader_ ? reads_.forwarded.find(reply.context) : reads_.forwarded.end();
  if (it == reads_.forwarded.end()) return;
  if (reply.granted) {
    grant(it->second, reply.index);
  } else {
    lose(it->second);
  }
  reads_.forwarded.erase(it);
}

}  // namespace kvorum::raft
