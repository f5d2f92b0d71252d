// How a connection between nodes begins: the dialler says who it is and whom it wants, the acceptor
// answers in one line. Strangers are refused in words that say what to do. No sockets here.
//
//   greeting = "kvorum" version ("link" | "bulk" | "snapshot" | "ask") cluster from to secret
//   answer   = "+OK kvorum" version node | "-ERR" sentence | "-REFUSED" sentence
//            | "-REMOVED" sentence
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "peer/frame_reader.h"
#include "peer/network.h"
#include "raft/types.h"

namespace kvorum::peer {

inline constexpr uint64_t kProtocolVersion = 1;
inline constexpr FrameLimits kGreetingLimits{.bytes_max = 8192, .words_max = 16};

enum class Purpose {
  kLink,      // messages, from the dialler only
  kBulk,      // the same, those that may be large
  kSnapshot,  // bytes that are not frames follow the answer
  kAsk,       // one question from outside the cluster, one answer
};

struct Greeting {
  uint64_t version = kProtocolVersion;
  Purpose purpose = Purpose::kLink;
  std::string cluster;  // "-" from outside the cluster
  raft::NodeId from;    // 0 from outside the cluster
  raft::NodeId to;      // 0: whoever is there
  std::string secret;
};

struct Refusal {
  std::string code;  // ERR, REFUSED or REMOVED
  std::string why;   // one sentence

  std::string line() const;
};

// The dialler's side.

Greeting greeting_of(const Identity& identity, Purpose purpose, raft::NodeId to);
Greeting greeting_from_outside(const std::string& secret);
std::string encode(const Greeting& greeting);
// Why the answer is a refusal; nothing when `node` welcomed us. Code REMOVED: this node is not a
// member any more.
std::optional<Refusal> refusal_in(const Frame& answer, raft::NodeId node);

// The acceptor's side.

// The error is what to answer to somebody who speaks something else.
Result<Greeting> decode_greeting(const Frame& frame);
// Everything but membership. `same_machine`: the dialler is on this one.
std::optional<Refusal> judge(const Greeting& greeting, const Identity& identity,
                             bool protected_mode, bool same_machine);
std::string welcome(raft::NodeId node);
// To what is no frame at all.
extern const std::string_view kNotAPeer;

// Takes the same time wherever the two differ.
bool same_secret(std::string_view a, std::string_view b);

}  // namespace kvorum::peer
