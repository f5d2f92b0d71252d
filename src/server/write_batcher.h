// WriteBatcher: the writes of all connections that a client loop read in one turn travel as one
// batch, one log entry. It remembers which connection waits for which reply, and hands outcomes
// back in the order in which the batches were sent.
#pragma once

#include <deque>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "command/batch.h"
#include "server/session.h"
#include "server/stage_messages.h"
#include "server/tracking_state.h"

namespace kvorum::server {

class RaftStage;

// Who waits for one item of a batch. The session may be gone by then: its id tells.
struct WriteTarget {
  uint32_t slot = 0;
  uint64_t session_id = 0;
  bool silent = false;       // CLIENT REPLY OFF or SKIP: the reply is dropped
  bool transaction = false;  // an EXEC
  const command::CommandSpec* spec = nullptr;
};

struct WriteReply {
  std::string_view bytes;
  // An error for the whole batch: nothing was executed, or its fate is unknown.
  bool failed = false;
  // A transaction's: where each command's reply ends, counted from the start of `bytes`.
  std::vector<size_t> element_ends;
  // The same of how many changes it had made by then.
  std::vector<uint64_t> element_changes;
  Monotonic elapsed{0};  // this item's share of the time that the batch took to execute
  WriteReference write;
  command::ReachedRevision reached;  // revision 0: not known
};

class WriteBatcher {
 public:
  // `value_bytes_max` is the limit that the entries carry, the same for every node that applies
  // them. `entry_bytes_max`: a batch that reached it is sent at once. `in_flight_bytes_max`: beyond
  // it the loop takes no more writes from its sockets.
  WriteBatcher(uint32_t loop, RaftStage& raft, size_t entry_bytes_max, size_t in_flight_bytes_max,
               uint64_t value_bytes_max);

  bool congested() const { return in_flight_bytes_ + building_.bytes() > in_flight_bytes_max_; }
  // Writes added and not sent yet.
  size_t building() const { return targets_.size(); }
  bool idle() const { return sent_.empty() && building_.empty(); }

  void add(const WriteTarget& target, resp::Protocol protocol, command::Args args);
  void add_transaction(const WriteTarget& target, resp::Protocol protocol,
                       std::span<const command::Watched> watches,
                       std::span<const std::vector<std::string>> commands);
  // Sends what was added since. Once at the end of every turn.
  void flush();

  // Who waits for an item of a batch that is under way.
  const WriteTarget& target(uint64_t batch, size_t item) const;

  // Takes an outcome in and calls `deliver` for every item of every batch whose turn it is.
  using Deliver = std::function<void(const WriteTarget&, const WriteReply&)>;
  void complete(BatchOutcome outcome, const Deliver& deliver);

 private:
  struct SentBatch {
    std::vector<WriteTarget> targets;
    size_t bytes = 0;
    bool answered = false;
    BatchOutcome outcome;
  };

  void note(const WriteTarget& target, resp::Protocol protocol);
  static void deliver_all(const SentBatch& batch, const Deliver& deliver);

  const uint32_t loop_;
  RaftStage& raft_;
  const size_t entry_bytes_max_;
  const size_t in_flight_bytes_max_;

  command::BatchBuilder building_;
  std::vector<WriteTarget> targets_;
  std::vector<resp::Protocol> protocols_;
  bool any_resp3_ = false;

  std::deque<SentBatch> sent_;
  uint64_t first_sent_ = 1;  // the number of sent_.front()
  size_t in_flight_bytes_ = 0;
};

}  // namespace kvorum::server
