#include "raft/progress.h"

#include <algorithm>

namespace kvorum::raft {

void Inflight::add(Index last, size_t bytes) {
  sent_.push_back({last, bytes});
  bytes_ += bytes;
}

void Inflight::acknowledge(Index match) {
  while (!sent_.empty() && sent_.front().last <= match) {
    bytes_ -= sent_.front().bytes;
    sent_.pop_front();
  }
}

void Inflight::clear() {
  sent_.clear();
  bytes_ = 0;
}

void Peer::probe_from(Index from) {
  state = PeerState::kProbe;
  next = std::max(from, match.next());
  probe_sent = false;
  probed = Index{};
  inflight.clear();
}

void Peer::replicate() {
  state = PeerState::kReplicate;
  // What a probe carried is on its way, also when a heartbeat was answered before it.
  next = std::max(next, probed.next());
  probe_sent = false;
  inflight.clear();
}

void Peer::await_snapshot(Index first) {
  state = PeerState::kSnapshot;
  needed_from = first;
  probe_sent = false;
  inflight.clear();
}

bool Peer::acknowledge(Index index) {
  if (index <= match) return false;
  match = index;
  next = std::max(next, match.next());
  if (needed_from != Index{}) needed_from = std::max(needed_from, match.next());
  inflight.acknowledge(match);
  return true;
}

}  // namespace kvorum::raft
