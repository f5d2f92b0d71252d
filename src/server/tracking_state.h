// TrackingState: CLIENT TRACKING of one connection: what it asked for, and what it is still owed.
// Part of its session.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/event_id.h"

namespace kvorum::server {

// A write of a client loop: which of its batches, and which item of it. They are answered in this
// order. 0 is before all.
struct WriteReference {
  uint64_t batch = 0;
  size_t item = 0;
  constexpr auto operator<=>(const WriteReference&) const = default;
};

// Not before any change of the revision.
inline EventId last_change_of(uint64_t revision) {
  return {revision, std::numeric_limits<uint32_t>::max()};
}

struct TrackingOptions {
  bool broadcast = false;
  bool opt_in = false;
  bool opt_out = false;
  bool no_loop = false;
  // CLIENT ID of the connection that is told instead, and where its loop keeps it. 0: none.
  uint64_t redirect = 0;
  uint32_t redirect_slot = 0;
};

// Keys that may not be told of before the reply of a write; no keys: everything has changed.
struct HeldInvalidation {
  WriteReference reply;
  std::string keys;
};

// What a transaction that is not answered yet has changed itself.
struct OwnChange {
  std::vector<EventId> changes;  // ascending
  EventId told;                  // the newest of which the connection is told anyway
};
struct OwnChanges {
  uint64_t revision = 0;
  EventId flush;
  std::unordered_map<std::string, OwnChange> keys;
};

struct TrackingState {
  TrackingOptions options;
  // Ordered as CLIENT TRACKINGINFO shows them; of broadcasts alone.
  std::set<std::string, std::less<>> prefixes;
  // CLIENT CACHING was sent: the next command, or transaction, is the exception to the rule.
  bool caching = false;
  bool redirect_broken = false;

  // The newest write of the connection that changed something which has passed, and the newest one
  // that was answered.
  WriteReference changed;
  WriteReference answered;
  std::deque<HeldInvalidation> held;
  std::optional<OwnChanges> own;
};

}  // namespace kvorum::server
