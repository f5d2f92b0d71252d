// Peer: what a leader knows of one other member, and how it is fed. Probe: one append at a time
// until it is known where the logs agree. Replicate: a pipeline, bounded in requests and bytes.
// Snapshot: the peer needs what is no longer in memory; nothing is sent until snapshot_sent().
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "raft/types.h"

namespace kvorum::raft {

// Appends sent and not yet acknowledged.
class Inflight {
 public:
  bool full(size_t appends_max, size_t bytes_max) const {
    return sent_.size() >= appends_max || bytes_ >= bytes_max;
  }
  void add(Index last, size_t bytes);
  void acknowledge(Index match);
  void clear();
  bool empty() const { return sent_.empty(); }

 private:
  struct Sent {
    Index last;
    size_t bytes;
  };
  std::deque<Sent> sent_;
  size_t bytes_ = 0;
};

enum class PeerState : uint8_t { kProbe, kReplicate, kSnapshot };

struct Peer {
  NodeId id;
  PeerState state = PeerState::kProbe;
  Index match;              // durable there
  Index next;               // the next entry to send; always above match
  Index sent;               // nothing beyond was ever claimed to this peer in this term
  Index commit_sent;        // the newest commit index told
  bool probe_sent = false;  // probing: waiting for an answer, or for the next heartbeat
  Index probed;             // probing: the last entry sent along, 0 when none was
  Inflight inflight;
  uint64_t acked_round = 0;
  std::optional<uint64_t> acked_tick;  // when acked_round was sent
  uint64_t since_tick = 0;             // when it became a peer of this leader
  uint64_t contact_tick = 0;           // when it last answered, or since_tick
  // It is fed by a snapshot, or catches up behind one: the log is kept for it from here on. 0: no.
  Index needed_from;

  void probe_from(Index from);
  void replicate();
  // The snapshot will hold at least everything before `first`.
  void await_snapshot(Index first);
  // True if `index` is news.
  bool acknowledge(Index index);
};

}  // namespace kvorum::raft
