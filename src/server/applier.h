// Applier: the stage that owns the write transaction of the state machine. It executes committed
// entries in order, many in one transaction, publishes what is applied, and only then hands replies
// and events to the client loops.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mailbox.h"
#include "base/waker.h"
#include "command/executor.h"
#include "server/node_state.h"
#include "server/stage_messages.h"
#include "storage/store.h"

namespace kvorum::server {

class RaftStage;

struct CommittedEntry {
  raft::EntryPtr entry;
  std::optional<BatchOrigin> origin;  // set when a client loop of this node waits for it
};

class Applier final : public Stage {
 public:
  Applier(storage::Store& store, const command::CommandTable& table, const Clock& clock,
          NodeState& state, ClientGateway& clients, Waker& waker);

  void attach(RaftStage& raft) { raft_ = &raft; }
  void post_apply(std::vector<CommittedEntry> entries);

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
  };

  void apply(Chunk chunk);
  bool execute(Chunk chunk, command::EventBatch* events);
  bool execute_entry(CommittedEntry& committed, storage::Transaction& transaction,
                     command::EventBatch* events);
  void note_slow(const CommittedEntry& committed, Monotonic elapsed);
  void publish(const Published& after);
  void hand_out(command::EventBatch events);

  const command::CommandTable& table_;
  const Clock& clock_;
  NodeState& state_;
  ClientGateway& clients_;
  RaftStage* raft_ = nullptr;
  std::unique_ptr<storage::Writer> writer_;
  command::Executor executor_;
  Mailbox<std::vector<CommittedEntry>> mailbox_;
  std::vector<std::vector<CommittedEntry>> inbox_;
  std::vector<CommittedEntry> entries_;
  // Of the chunk that is executed now; kept only when its transaction commits.
  std::vector<std::pair<uint32_t, BatchOutcome>> outcomes_;
  std::vector<SlowNote> slow_;  // of entries that no loop of this node waits for
};

}  // namespace kvorum::server
