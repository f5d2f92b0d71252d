// What cores say to each other. One struct for each message, one variant for all; the sender's term
// rides in the envelope.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "raft/types.h"

namespace kvorum::raft {

struct VoteRequest {
  bool pre_vote = false;
  EntryId last{};
  // Set when the leader itself asked for this election: voters then do not defend their leader.
  bool transfer = false;
};

// A pre-vote is asked, and granted, in the asker's current term; a voter that is in a higher one
// refuses in its own.
struct VoteReply {
  bool pre_vote = false;
  bool granted = false;
};

struct AppendRequest {
  EntryId previous{};
  Index commit{};
  std::vector<EntryPtr> entries{};
  // The newest heartbeat round of the leader at the time of sending; its reply echoes it. Counts
  // for CheckQuorum, ReadIndex and the lease. An append without entries is a heartbeat.
  uint64_t round = 0;
};

struct AppendReply {
  bool accepted = false;
  uint64_t round = 0;
  Index match{};       // accepted: durable here and equal to the leader's log up to this index
  Index rejected{};    // refused: the previous index that did not match
  EntryId conflict{};  // refused: the first index of the conflicting term here, and that term;
                       // term 0 when this log is shorter: then the index after its last entry
};

// A follower asks its leader for a read point, and is answered.
struct ReadIndexRequest {
  uint64_t context = 0;
  bool lease = false;
};
struct ReadIndexReply {
  uint64_t context = 0;
  bool granted = false;
  Index index{};
};

// The leader tells a caught-up voter to stand for election at once.
struct TimeoutNow {};

using Message = std::variant<VoteRequest, VoteReply, AppendRequest, AppendReply, ReadIndexRequest,
                             ReadIndexReply, TimeoutNow>;

struct Envelope {
  NodeId from{};
  NodeId to{};
  Term term{};
  Message message;
};

}  // namespace kvorum::raft
