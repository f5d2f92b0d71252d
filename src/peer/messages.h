// What the nodes of a cluster say to each other over their peer ports. Plain values; how they look
// on the wire is codec.h's.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "raft/messages.h"

namespace kvorum::peer {

// Writes that clients of the sending node wait for: the data of one log entry, complete, for the
// leader to propose. Its identity is inside (the forwarder knows where).
struct ForwardedBatch {
  std::string data;
};

// The leader did not take a forwarded batch: nothing came of it. Sent with the reason, so that the
// sender offers it again, and every batch after it.
struct BatchRefused {
  uint64_t session = 0;
  uint64_t sequence = 0;
};

// PUBLISH and SPUBLISH reach the subscribers of every node.
struct PublishedMessage {
  std::string channel;
  std::string message;
  bool shard = false;
};

// A question to another node, and its answer: the RAFT commands that only a leader can carry out.
struct Request {
  uint64_t id = 0;  // the asker's
  std::vector<std::string> words;
};
struct Answer {
  uint64_t id = 0;
  bool ok = false;
  std::string text;  // what was asked for, or why not: a complete error text
};

using Message =
    std::variant<raft::Envelope, ForwardedBatch, BatchRefused, PublishedMessage, Request, Answer>;

}  // namespace kvorum::peer
