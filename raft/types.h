// The nouns of the consensus core, shared with storage: ids, entries, hard state, configuration.
// Entries are immutable and shared; everything here is plain data without behaviour of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/strong.h"

namespace kvorum::raft {

using Term = Strong<struct TermTag>;
using Index = Strong<struct IndexTag>;
// 0 is no node. Drawn at random when a data folder is made; never used again by another folder.
using NodeId = Strong<struct NodeIdTag>;

inline constexpr NodeId kNoNode{};

struct EntryId {
  Term term;
  Index index;
  constexpr auto operator<=>(const EntryId&) const = default;
};

enum class EntryKind : uint8_t {
  kNoop = 0,           // the first entry of a leader's term; carries nothing
  kCommands = 1,       // `data` is a batch of commands, opaque to the core
  kConfiguration = 2,  // `data` is an encoded Configuration
};

struct Entry {
  EntryId id;
  EntryKind kind = EntryKind::kNoop;
  // The leader's time. Never less than the stamp of the entry before, also across leaders.
  UnixMillis stamp = 0;
  std::string data;

  // What the entry counts for in every bound in bytes.
  size_t bytes() const { return data.size() + sizeof(Entry); }
};

using EntryPtr = std::shared_ptr<const Entry>;

struct HardState {
  Term term;
  NodeId vote;
  // A hint only: what is known committed. May lag, is never ahead.
  Index commit;
  bool operator==(const HardState&) const = default;
};

struct Member {
  NodeId id;
  std::string peer_address;    // host:port for other members; empty on a node with no peer port
  std::string client_address;  // host:port clients are told; may be empty
  auto operator<=>(const Member&) const = default;
};

// Who decides and who only follows. While `outgoing` is not empty the configuration is joint:
// a majority of `voters` and a majority of `outgoing` must agree (dissertation, 4.3).
struct Configuration {
  std::vector<NodeId> voters;
  std::vector<NodeId> outgoing;
  std::vector<NodeId> learners;
  std::vector<Member> members;  // addresses of everyone above, sorted by id
  // Who was a member once and never will be again, so that no late request brings anyone back: the
  // last kRemovedRemembered of them, oldest first. The core fills it in.
  std::vector<NodeId> removed;
  bool operator==(const Configuration&) const = default;
};
inline constexpr size_t kRemovedRemembered = 1000;

// The format of a kConfiguration entry's data, and of the configuration kept with a snapshot.
std::string encode(const Configuration& configuration);
// False when `bytes` are not an encoding of a configuration.
[[nodiscard]] bool decode(std::string_view bytes, Configuration& configuration);

// What a state machine's snapshot stands for.
struct SnapshotMeta {
  EntryId last;  // the last entry it contains
  UnixMillis stamp = 0;
  Configuration configuration;
  bool operator==(const SnapshotMeta&) const = default;
};

}  // namespace kvorum::raft
