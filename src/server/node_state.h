// NodeState: the few facts that every thread of a node may read at any time, each an atomic written
// by one stage. What a reply depends on is published before the reply is posted.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

#include "base/clock.h"
#include "command/key_interest.h"

namespace kvorum::server {

struct NodeState {
  // By the applier, after its transaction committed: a view opened later contains this index.
  std::atomic<uint64_t> applied_index{0};
  std::atomic<uint64_t> applied_stamp{0};
  std::atomic<uint64_t> revision{0};
  std::atomic<uint64_t> key_count{0};
  std::atomic<uint64_t> expiring_count{0};  // keys with a deadline
  std::atomic<uint64_t> first_deadline{0};  // 0: no key has one
  std::atomic<uint64_t> expired_keys{0};
  // See storage::HistoryState; for people, so that an id may be of two moments.
  std::atomic<uint64_t> history_max_bytes{0};
  std::atomic<uint64_t> history_bytes{0};
  std::atomic<uint64_t> history_floor_revision{0};
  std::atomic<uint32_t> history_floor_change{0};
  std::atomic<uint64_t> history_last_revision{0};
  std::atomic<uint32_t> history_last_change{0};

  // By the raft stage. The lease is good while the monotonic clock is below it; 0: none.
  std::atomic<int64_t> lease_until_ns{0};
  std::atomic<bool> leader{false};
  std::atomic<uint64_t> term{0};
  std::atomic<uint64_t> commit_index{0};
  std::atomic<uint64_t> leader_id{0};  // 0: not known
  std::atomic<bool> has_peers{false};  // the configuration has another member
  // This node leads, and clients of its own wait for writes.
  std::atomic<bool> leads_own_writes{false};
  // On how many other nodes, at least, an acknowledged write is.
  std::atomic<uint64_t> replicas_of_acknowledged{0};
  // When this node was last known to hold everything that its leader had committed (monotonic).
  std::atomic<int64_t> up_to_date_ns{0};

  // By the log writer.
  std::atomic<uint64_t> wal_bytes{0};
  std::atomic<uint64_t> wal_segments{0};
  std::atomic<uint64_t> wal_syncs{0};
  std::atomic<uint64_t> wal_appended_bytes{0};  // since the start
  std::atomic<bool> log_blocked{false};         // the disk was full when a write came

  // By the control loop: the disk has less room than storage.min_free_bytes.
  std::atomic<bool> disk_low{false};
  bool refuses_writes() const { return disk_low.load() || log_blocked.load(); }

  // By the snapshotter.
  std::atomic<uint64_t> checkpoint_index{0};
  std::atomic<uint64_t> checkpoint_unix_s{0};
  std::atomic<uint64_t> checkpoints{0};
  std::atomic<bool> checkpoint_running{false};

  // By CONFIG SET: a command, or anything else, that takes at least this long is noted (SLOWLOG,
  // LATENCY); the maximum: none is.
  std::atomic<int64_t> slow_command_ns{std::numeric_limits<int64_t>::max()};
  std::atomic<int64_t> slow_event_ns{std::numeric_limits<int64_t>::max()};

  // Of all loops. Added to before a subscription is confirmed, so a change made after the
  // confirmation is never missed.
  command::KeyInterest interest;
  // notify-keyspace-events is on. Set before CONFIG SET is answered.
  std::atomic<bool> keyspace_notifications{false};
};

}  // namespace kvorum::server
