// Judge: what must be true of a cluster at any time, whoever does what: one leader in a term, equal
// states at equal indices, events without gaps. Told by the nodes, throws Violation.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>

#include "command/event.h"
#include "raft/types.h"
#include "storage/store.h"
#include "tests/sim/world.h"

namespace kvorum::sim {

// Of a revision that was not watched.
inline constexpr uint32_t kUnknownChange = UINT32_MAX;

class Judge {
 public:
  explicit Judge(World& world) : world_(world) {}

  void leads(raft::NodeId node, raft::Term term);
  // `node` stands at `state.applied`, with a state of this hash.
  void applied(raft::NodeId node, const storage::AppliedState& state, uint64_t hash);
  void reached(raft::Index index) { furthest_ = std::max(furthest_, index); }
  // `seen`: the last event that `node` told its watchers; becomes the last one of `events`.
  void events(raft::NodeId node, EventId& seen, const command::EventBatch& events);
  // A watcher that knew of all changes up to `position` hears that the next is not before `id`.
  void follows(EventId id, EventId position, size_t watcher);

  // The furthest index that any node applied: what clients may have seen.
  raft::Index furthest() const { return furthest_; }
  uint64_t elections() const { return leaders_.size(); }

 private:
  struct State {
    raft::Term term;
    uint64_t hash = 0;
    raft::NodeId node;
    std::string configuration;  // encoded; empty while nobody knows it
  };

  World& world_;
  raft::Index furthest_;
  std::map<raft::Term, raft::NodeId> leaders_;
  std::unordered_map<uint64_t, State> states_;           // by index
  std::map<EventId, size_t> events_;                     // hash of what they say
  std::unordered_map<uint64_t, uint32_t> last_changes_;  // by revision
};

}  // namespace kvorum::sim
