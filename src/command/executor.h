// Executor: turns committed entries into changes, deterministically. Owned by the applier. Every
// node that executes the same entries on the same state has the same state, ids and events after.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "command/batch.h"
#include "command/event.h"
#include "command/history_recorder.h"
#include "command/keyspace.h"
#include "command/table.h"
#include "raft/types.h"
#include "resp/protocol.h"
#include "storage/store.h"

namespace kvorum::command {

// The revision of the state after an item of an entry, and whether the item made it.
struct ReachedRevision {
  uint64_t revision = 0;
  bool changed = false;
};

// The changes of an entry are committed in parts of about this weight (Keyspace::weight), each at
// the end of an item: the engine holds in its cache what a transaction changes. Where parts end is
// a part of the state (it ends a row of the history), so it must be the same on every node.
inline constexpr uint64_t kPartWeightMax = 4 << 20;

// A transaction, which is never divided, may weigh as much as so many values of the largest size.
inline constexpr uint64_t kTransactionValuesMax = 4;

enum class Executed : uint8_t {
  kDone,
  kPart,    // of the entry; commit, and execute it again in a new transaction, which goes on
  kFailed,  // forget all since the last commit, and execute it again in a new transaction
};

// The replies of one entry: item i's is bytes up to ends[i] from ends[i - 1]. An expire-due item
// has an empty one. A transaction's reply is an array; element_ends has the end of every reply of
// every transaction's commands in order, none for a transaction that did not run.
struct ReplyBuffer {
  // False: the entry's batch was executed before, or is not its proposer's next. It changed
  // nothing, and there are no replies.
  bool executed = true;
  std::string bytes;
  std::vector<size_t> ends;
  std::vector<size_t> element_ends;
  std::vector<uint64_t> element_changes;  // that a transaction had made by then; as element_ends
  std::vector<ReachedRevision> reached;   // one an item, when events are wanted too

  void clear();
  // How much there is. cut() takes back what was added since.
  struct Mark {
    size_t bytes = 0;
    size_t items = 0;
    size_t elements = 0;
    size_t reached = 0;
  };
  Mark mark() const { return {bytes.size(), ends.size(), element_ends.size(), reached.size()}; }
  void cut(const Mark& mark);
  size_t items() const { return ends.size(); }
  std::string_view reply(size_t item) const;
};

class Executor {
 public:
  // The table outlives the executor. Other parts than all nodes have are for tests.
  explicit Executor(const CommandTable& table, uint64_t part_weight_max = kPartWeightMax)
      : table_(table), part_weight_max_(part_weight_max) {}
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Executes a kCommands entry, or what is left of it, on `transaction` and sets its applied state.
  // `events`, when not null, gets every change at its end. `replies`, when not null, is emptied at
  // the first item and filled, item i in the protocol protocols[i] (beyond its end: RESP2); without
  // it replies cost nearly nothing. After kFailed replies and events are cut back to what they were
  // when the transaction began.
  [[nodiscard]] Executed execute(const raft::Entry& entry, storage::Transaction& transaction,
                                 EventBatch* events, std::span<const resp::Protocol> protocols,
                                 ReplyBuffer* replies);

  // What the last call has changed.
  uint64_t weight() const { return weight_; }

  // Keys that were removed because they were due, since the last call.
  uint64_t take_expired() { return std::exchange(expired_, 0); }

 private:
  // The index of its entry, and its place there.
  using ItemId = std::pair<raft::Index, size_t>;

  Executed run_items(const raft::Entry& entry, storage::Transaction& transaction,
                     EventBatch* events, std::span<const resp::Protocol> protocols,
                     ReplyBuffer* replies);
  bool run_item(const ItemId& id, Keyspace& keys, resp::ReplyWriter& reply, ReplyBuffer* replies);
  void run_command(Keyspace& keys, Args args, resp::ReplyWriter& reply);
  bool run_transaction(Keyspace& keys, const BatchTransaction& transaction,
                       resp::ReplyWriter& reply, ReplyBuffer* replies);
  void note_keys_of(Keyspace& keys, const BatchTransaction& transaction);
  const CommandSpec& row_of(Args args) const;

  const CommandTable& table_;
  const uint64_t part_weight_max_;
  HistoryRecorder history_;
  uint64_t expired_ = 0;
  uint64_t weight_ = 0;
  // A transaction that was found to weigh too much: it is refused when it is met again.
  std::optional<ItemId> too_heavy_;
  BatchItem item_;         // kept for the memory of its vectors
  ReplyBuffer discarded_;  // where replies go that nobody waits for
};

}  // namespace kvorum::command
