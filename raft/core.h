// Core: Raft as a pure state machine (Ongaro's dissertation; README.md lists the parts). No clock,
// thread, lock, file, socket or global randomness: time is tick(), chance is a seed. One owner
// calls it; it takes events in and hands everything to do out through take_ready().
//
// The core withholds: votes, requests for votes, append acknowledgements and the leader's own match
// index come out only after persisted() covered what they promise, entries to apply only when they
// are committed and durable here. So all that take_ready() gives may be done in any order, except
// that log writes keep theirs.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "raft/messages.h"
#include "raft/types.h"

namespace kvorum::raft {

struct CoreOptions {
  NodeId id;
  // Different at every start of a node: it also numbers the reads a follower forwards, and an
  // answer to a number used before a restart must not be taken for a new one.
  uint64_t random_seed = 0;
  uint32_t election_timeout_ticks = 10;  // randomised to [n, 2n)
  uint32_t heartbeat_interval_ticks = 2;
  // The lease is this many ticks after a heartbeat round was sent, when a quorum acknowledged it.
  // Less than election_timeout_ticks by the clock drift to be tolerated; 0 switches the lease off.
  uint32_t lease_ticks = 8;
  size_t append_bytes_max = 1 << 20;    // entries in one AppendRequest
  size_t inflight_appends_max = 64;     // unacknowledged AppendRequests to a peer
  size_t inflight_bytes_max = 8 << 20;  // and their bytes
  // Proposals not yet committed and applied here; more are refused. One is always admitted.
  size_t uncommitted_bytes_max = 64 << 20;
  // Entries kept in memory for slow peers: up to this many bytes of what the checkpoint holds, and
  // up to twice as many of what it does not hold yet. What this node needs itself always stays, and
  // nothing else when there are no other members.
  size_t tail_bytes_max = 128 << 20;
  // Instead, while an active member is fed by a snapshot and catches up behind it: or it would need
  // another one as soon as it has this one.
  size_t catch_up_bytes_max = size_t{1} << 30;
  size_t committed_bytes_max = 1 << 20;  // entries in one Ready::committed; at least one entry
};

// What storage found when the node started.
struct Recovered {
  HardState hard_state;
  SnapshotMeta snapshot;          // the state machine's checkpoint; last.index 0 when there is none
  std::vector<EntryPtr> entries;  // everything after it, contiguous
};

enum class Role : uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };

// A point in the stream of log writes. Everything handed out up to it is durable when the same
// value comes back in persisted(). Grows by one with each Ready that has something to write.
using WriteToken = Strong<struct WriteTokenTag>;

struct PersistRequest {
  WriteToken token;
  std::optional<HardState> hard_state;  // set when term or vote changed, or with entries
  std::vector<EntryPtr> entries;        // overwrite anything at or after entries[0].index
};

// A linearizable read that may run once `index` is applied. `context` is the caller's.
struct ReadGrant {
  uint64_t context = 0;
  Index index;
};

// Everything there is to do. Empty parts mean nothing.
struct Ready {
  std::optional<PersistRequest> persist;
  std::vector<Envelope> messages;
  // To apply, in order, each exactly once: committed, and durable here, so that the state machine
  // is never ahead of the local log.
  std::vector<EntryPtr> committed;
  std::vector<ReadGrant> reads;
  std::vector<uint64_t> lost_reads;  // contexts whose reads can't be granted: ask again
  // Peers that need a snapshot; report back with snapshot_sent() in any case. It must hold
  // everything before CoreStatus::first: take a checkpoint first if the last one is older.
  std::vector<NodeId> snapshot_peers;
};

struct Progress {
  NodeId id;
  Index match;
  Index next;
  bool recently_active = false;
  bool learner = false;
  bool snapshot_pending = false;
  uint32_t ticks_since_contact = 0;
};

struct CoreStatus {
  NodeId id;
  Role role = Role::kFollower;
  NodeId leader;  // kNoNode when unknown
  HardState hard_state;
  Index applied;
  Index persisted;
  EntryId last;
  Index first;  // first index still in memory
  Index checkpoint;
  // Leader only: an entry of its own term is committed, so its commit index is current.
  bool leader_ready = false;
  // Leader only: ticks for which the lease still holds; 0 when it does not.
  uint32_t lease_ticks_left = 0;
  NodeId transfer_target;
  Configuration configuration;  // the newest in the log, committed or not
  Index configuration_index;
  std::vector<Progress> progress;  // leader only
};

enum class ProposeError : uint8_t { kNotLeader, kBusy, kTransferring };

class Core {
 public:
  Core(CoreOptions options, Recovered recovered);
  ~Core();
  Core(Core&&) noexcept;

  // Time passes by one tick. The lease is sound only if every tick that is due was given before
  // step() and read_index(): after a pause catch up first, then go on.
  void tick();
  // A message from a peer. Anything a peer may send is tolerated.
  void step(Envelope envelope);
  // Leader: appends a command entry, stamped max(stamp, last stamp). The id it will have if it
  // commits: look for exactly this id among the committed entries.
  tl::expected<EntryId, ProposeError> propose(std::string data, UnixMillis stamp);
  // Leader: starts a change to `target` (through a joint configuration when more than one voter
  // changes; the core leaves it by itself). Done when `target` is a committed entry. Refused with a
  // sentence while another change is under way.
  Result<EntryId> propose_configuration(Configuration target, UnixMillis stamp);
  // Everything up to `token` is durable here.
  void persisted(WriteToken token);
  // The state machine has applied up to `index`; it has a checkpoint up to `checkpointed`, so older
  // entries need not be kept beyond what tail_bytes_max allows for slow peers.
  void applied(Index index);
  void checkpointed(SnapshotMeta snapshot);
  // Asks for a linearizable read point; answered in Ready::reads or lost_reads, also on a follower
  // (through its leader). With `lease` a leader that holds its lease grants without a round.
  void read_index(uint64_t context, bool lease);
  // Leader: hands over to `target`, or to the most caught-up voter for kNoNode.
  Status transfer_leadership(NodeId target);
  // A snapshot sent to `peer` arrived (or did not); replication goes on after it.
  void snapshot_sent(NodeId peer, EntryId last, bool delivered);
  // A snapshot up to `last` arrived from the leader and is about to replace this node's state.
  // False: it would lose something, or another is being installed: drop it. From true on the log
  // does not grow and nothing is handed out to apply, until restore() or cancel_restore().
  bool begin_restore(EntryId last);
  void cancel_restore();
  // This node's state was replaced by the snapshot, durably; the log begins after it. Of log writes
  // handed out before, the term and vote still count, and persisted() still reports them.
  void restore(SnapshotMeta snapshot);

  bool has_ready() const;
  Ready take_ready();
  CoreStatus status() const;
  // Walks everything; for tests and simulations.
  void check_invariants() const;
  // The cheap parts of status(), for every turn of a loop.
  Role role() const;
  Term term() const;
  NodeId leader() const;
  bool leader_ready() const;
  uint32_t lease_ticks_left() const;
  Index commit_index() const;
  // The newest in the log, committed or not, and the index of its entry.
  const Configuration& configuration() const;
  Index configuration_index() const;
  // The first index still in memory.
  Index first_index() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kvorum::raft
