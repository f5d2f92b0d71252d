// Reads: linearizable reads on their way to a read point (dissertation, 6.4). A read waits until
// there is a leader to ask; then it is either part of a heartbeat round of this leader, or
// forwarded to the leader under a number of this node's own.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "raft/types.h"

namespace kvorum::raft {

struct Read {
  NodeId origin;         // kNoNode: asked here; else the follower that asked
  uint64_t context = 0;  // the asker's
  bool lease = false;
  uint64_t asked_tick = 0;
};

// Reads that are granted `index` once a quorum acknowledged `round`.
struct ReadBatch {
  uint64_t round = 0;
  Index index;
  std::vector<Read> reads;
};

struct Reads {
  std::vector<Read> waiting;
  std::deque<ReadBatch> batches;       // leader: ascending rounds
  std::map<uint64_t, Read> forwarded;  // follower: by the number sent to the leader, ascending
  uint64_t next_number = 0;            // starts at random: see CoreOptions::random_seed
};

}  // namespace kvorum::raft
