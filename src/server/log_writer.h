// LogWriter: the stage that owns the write-ahead log. Everything that is in its mailbox becomes one
// frame and one sync (group commit). While the disk syncs a frame the applier, on the same host,
// executes what was committed before. A failed write or sync ends the process; a full disk holds
// the writes back and makes the node refuse new ones until there is room.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/mailbox.h"
#include "base/waker.h"
#include "raft/core.h"
#include "server/disk_watch.h"
#include "server/node_state.h"
#include "server/stage_messages.h"
#include "storage/wal.h"

namespace kvorum::server {

class Applier;
class RaftStage;

class LogWriter final : public Stage {
 public:
  LogWriter(std::unique_ptr<storage::Wal> wal, raft::HardState hard_state, DiskWatch& disk,
            const Clock& clock, NodeState& state, ClientGateway& clients, Waker& waker);

  void attach(RaftStage& raft, const Applier& applier);

  void post_persist(raft::PersistRequest request);
  // Entries up to `index` are in a checkpoint and no peer needs them.
  void post_compact(raft::Index index);
  // The log begins anew after `last`, which the store holds durably.
  void post_reset(raft::EntryId last);
  // Writes held back by a full disk are tried again.
  void post_retry();

  // Whether what waits now will take less time than waking another thread for it is worth: little
  // to write, and a disk that was quick lately.
  bool quick() const;

  bool drain() override;

 private:
  struct Compact {
    raft::Index index;
  };
  struct Reset {
    raft::EntryId last;
  };
  struct Retry {};
  struct Finish {};  // what is under way
  using Message = std::variant<raft::PersistRequest, Compact, Reset, Retry, Finish>;

  // A write whose sync is under way.
  struct UnderWay {
    raft::WriteToken token;
    size_t bytes = 0;
    Monotonic elapsed{0};  // so far, of waiting for the disk
  };

  void write();
  void finish();
  void account(const UnderWay& written);
  void compact(raft::Index index);
  void reset(raft::EntryId last);
  void publish_size();

  std::unique_ptr<storage::Wal> wal_;
  DiskWatch& disk_;
  const Clock& clock_;
  NodeState& state_;
  ClientGateway& clients_;
  RaftStage* raft_ = nullptr;
  const Applier* applier_ = nullptr;
  raft::HardState hard_state_;  // the newest handed in
  Mailbox<Message> mailbox_;
  std::vector<Message> inbox_;
  std::vector<raft::PersistRequest> unwritten_;  // in order; empty unless the disk is full
  std::vector<storage::WalBatch> batches_;
  std::optional<UnderWay> under_way_;
  // How long a write with its sync keeps this stage: a moving average.
  std::atomic<int64_t> usual_sync_ns_{0};
};

}  // namespace kvorum::server
