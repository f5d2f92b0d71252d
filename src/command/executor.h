// Executor: turns committed entries into changes, deterministically. Owned by the applier. Every
// node that executes the same entries on the same state has the same state, ids and events after.
#pragma once

#include <cstdint>
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
  size_t items() const { return ends.size(); }
  std::string_view reply(size_t item) const;
};

class Executor {
 public:
  // The table outlives the executor.
  explicit Executor(const CommandTable& table) : table_(table) {}
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Executes a kCommands entry on `transaction` and sets its applied state. `events`, when not
  // null, gets every change at its end. `replies`, when not null, is emptied and filled, item i in
  // the protocol protocols[i] (beyond its end: RESP2); without it replies cost nearly nothing.
  //
  // False: the transaction failed. Forget the replies, cut `events` back to what it held at
  // begin(), begin a new transaction, and execute all of its entries again.
  [[nodiscard]] bool execute(const raft::Entry& entry, storage::Transaction& transaction,
                             EventBatch* events, std::span<const resp::Protocol> protocols,
                             ReplyBuffer* replies);

  // Keys that were removed because they were due, since the last call.
  uint64_t take_expired() { return std::exchange(expired_, 0); }

 private:
  void run_item(Keyspace& keys, resp::ReplyWriter& reply, ReplyBuffer* replies);
  bool run_items(const raft::Entry& entry, storage::Transaction& transaction, EventBatch* events,
                 std::span<const resp::Protocol> protocols, ReplyBuffer* replies);
  void run_command(Keyspace& keys, Args args, resp::ReplyWriter& reply);
  void run_transaction(Keyspace& keys, const BatchTransaction& transaction,
                       resp::ReplyWriter& reply, ReplyBuffer* replies);
  void note_keys_of(Keyspace& keys, const BatchTransaction& transaction);
  const CommandSpec& row_of(Args args) const;

  const CommandTable& table_;
  HistoryRecorder history_;
  uint64_t expired_ = 0;
  BatchItem item_;         // kept for the memory of its vectors
  ReplyBuffer discarded_;  // where replies go that nobody waits for
};

}  // namespace kvorum::command
