// Applier: the stage that owns the write transaction of the state machine. It executes committed
// entries in order, many in one transaction, publishes what is applied, and only then hands replies
// and events to the client loops. It also puts a snapshot in the place of all that.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/mailbox.h"
#include "base/waker.h"
#include "command/executor.h"
#include "server/node_state.h"
#include "server/stage_messages.h"
#include "storage/store.h"

namespace kvorum::server {

class LogWriter;
class RaftStage;
class Snapshotter;

struct CommittedEntry {
  raft::EntryPtr entry;
  std::optional<BatchOrigin> origin;  // set when a client loop of this node waits for it
};

class Applier final : public Stage {
 public:
  Applier(storage::Store& store, const command::CommandTable& table, const Clock& clock,
          NodeState& state, ClientGateway& clients, Waker& waker,
          uint64_t part_weight_max = command::kPartWeightMax);

  void attach(RaftStage& raft, LogWriter& log_writer, Snapshotter& snapshotter);
  void post_apply(std::vector<CommittedEntry> entries);
  // The snapshot becomes the state machine's state, then the raft stage is told.
  void post_install(Snapshot snapshot, Completion done);

  // Nothing waits to be executed.
  bool idle() const { return mailbox_.empty(); }

  bool drain() override;

 private:
  using Chunk = std::span<CommittedEntry>;
  // What other threads are told of a committed transaction.
  struct Published {
    raft::Index index;
    UnixMillis stamp = 0;
    uint64_t revision = 0;
    uint64_t key_count = 0;
    uint64_t expiring_count = 0;
    UnixMillis first_deadline = 0;
    std::vector<storage::Proposer> proposers;
    storage::HistoryState history;
  };

  struct Install {
    Snapshot snapshot;
    Completion done;
  };
  using Message = std::variant<std::vector<CommittedEntry>, Install>;

  void apply(std::vector<CommittedEntry>& entries);
  void install(Install& request);
  size_t apply_some(Chunk entries);
  void begin_check(raft::Index index);
  // What an attempt adds to, as it was before.
  struct Mark {
    size_t events = 0;
    size_t outcomes = 0;
    size_t slow = 0;
    uint64_t weight = 0;
    command::ReplyBuffer::Mark begun;
  };
  Mark mark(const command::EventBatch& events) const;
  void take_back(const Mark& mark, command::EventBatch& events);
  // What one transaction has done. Nothing: the engine wants it done again.
  struct Attempt {
    size_t entries = 0;  // that are in whole
    bool part = false;   // so is a part of the one behind them
  };
  std::optional<Attempt> attempt(Chunk entries, command::EventBatch* events);
  command::Executed execute(const CommittedEntry& committed, storage::Transaction& transaction,
                            command::EventBatch* events);
  void finish(CommittedEntry& committed);
  void note_slow(const CommittedEntry& committed, Monotonic elapsed);
  static Published published_of(const storage::AppliedState& state, UnixMillis first_deadline);
  void publish(const Published& after);
  UnixMillis first_deadline();
  bool keeps_history() const;
  void hand_out(LiveEvents live);

  storage::Store& store_;
  const command::CommandTable& table_;
  const Clock& clock_;
  NodeState& state_;
  ClientGateway& clients_;
  RaftStage* raft_ = nullptr;
  LogWriter* log_writer_ = nullptr;
  Snapshotter* snapshotter_ = nullptr;
  std::unique_ptr<storage::Writer> writer_;
  command::Executor executor_;
  Mailbox<Message> mailbox_;
  std::vector<Message> inbox_;
  std::vector<CommittedEntry> entries_;
  std::atomic<int> checks_{0};  // whose view is still open
  Published executed_;          // by the transaction that is executed now
  // Of the entries that are executed now; kept only when their transaction commits.
  std::vector<std::pair<uint32_t, BatchOutcome>> outcomes_;
  BatchOutcome begun_;   // of the entry that is executed now, some parts of which may be committed
  Monotonic began_{0};   // to execute it
  uint64_t weight_ = 0;  // of what was executed since events were last handed out
  std::vector<SlowNote> slow_;  // of entries that no loop of this node waits for
};

}  // namespace kvorum::server
