// OwnWrites: the batches that clients of this node wait for, from their arrival to their execution
// here. Each is proposed under an identity (command/batch.h), by this node or through the leader,
// and again whenever it may have been lost: the state machine executes it once. So a batch survives
// a change of leader, and an error is only given for one that certainly did not happen, or, after
// the timeout, as uncertain. Pure: no clock, no thread; the raft stage owns it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "command/batch.h"
#include "raft/types.h"
#include "server/stage_messages.h"
#include "storage/store.h"

namespace kvorum::server {

// What became of an offer.
enum class Offer : uint8_t {
  kTaken,    // it is on its way
  kLater,    // not now: offer it again
  kRefused,  // too much is under way: refuse the newest
};

class OwnWrites {
 public:
  // `session` is above every session this node ever used.
  OwnWrites(raft::NodeId node, uint64_t session) : node_(node), session_(session) {}

  raft::NodeId node() const { return node_; }
  uint64_t session() const { return session_; }
  bool empty() const { return batches_.empty(); }
  size_t size() const { return batches_.size(); }

  void add(BatchOrigin origin, std::string data, uint64_t deadline_tick);

  // Offers what was not sent yet, in order, until one is not taken. `refuse` is told of a batch
  // that was kRefused.
  using Propose = std::function<Offer(const std::string& data)>;
  using Refuse = std::function<void(const BatchOrigin& origin)>;
  void offer(const Propose& propose, const Refuse& refuse, uint64_t tick);
  // The oldest was sent so long ago that it, and what came after it, must be taken for lost.
  bool overdue(uint64_t tick, uint64_t resend_ticks) const;

  // What was sent may be lost, from `sequence` of `session` on: it will be offered again. Without
  // arguments: all of it.
  void lost();
  void lost_from(uint64_t session, uint64_t sequence);

  // A committed entry is about to be executed: whom its replies are for. Nothing when no client of
  // this node waits for it.
  std::optional<BatchOrigin> hand_over(const command::BatchIdentity& identity, raft::Index index);
  // Entries up to `applied` are executed; `own` is what the state machine remembers of this node.
  // `unknown` is told of batches that were executed inside a snapshot, so that their replies are
  // not known.
  void executed(raft::Index applied, const storage::Proposer& own, const Refuse& unknown);

  // Gives up what waited until `tick`: `refuse` for what was never sent, so nothing was written;
  // `unknown` for what was, whose fate is open. An empty batch takes its place under the same
  // identity: whichever of the two is committed first is the one that is executed.
  void expire(uint64_t tick, const Refuse& refuse, const Refuse& unknown);

 private:
  struct Batch {
    BatchOrigin origin;
    std::string data;  // with its identity once it was sent
    uint64_t deadline_tick = 0;
    uint64_t sequence = 0;  // 0: it never left this node, so it has no identity yet
    uint64_t sent_tick = 0;
    bool given_up = false;    // nobody waits for it
    bool under_way = false;   // sent, and not known to be lost
    raft::Index handed_over;  // the entry whose execution answers it
  };

  const raft::NodeId node_;
  const uint64_t session_;
  uint64_t last_sequence_ = 0;
  std::deque<Batch> batches_;  // in the order of their arrival, which is that of their sequence
};

}  // namespace kvorum::server
