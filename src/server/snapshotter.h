// Snapshotter: the stage that takes checkpoints and backups, the only one that waits for the
// store's disk. After a checkpoint the core and the log writer are told what the log no longer
// needs to hold.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/mailbox.h"
#include "base/waker.h"
#include "server/node_state.h"
#include "server/stage_messages.h"
#include "storage/store.h"

namespace kvorum::server {

class LogWriter;
class RaftStage;

class Snapshotter final : public Stage {
 public:
  Snapshotter(storage::Store& store, const Clock& clock, NodeState& state, ClientGateway& clients,
              Waker& waker);

  void attach(RaftStage& raft, LogWriter& log_writer);

  // `done` may be empty. Requests that wait together share one checkpoint.
  void post_checkpoint(Completion done);
  // Takes a checkpoint, then copies it to `folder`.
  void post_backup(std::string folder, Completion done);

  bool drain() override;

 private:
  struct Checkpoint {
    Completion done;
  };
  struct Backup {
    std::string folder;
    Completion done;
  };
  using Message = std::variant<Checkpoint, Backup>;

  Status checkpoint();

  storage::Store& store_;
  const Clock& clock_;
  NodeState& state_;
  ClientGateway& clients_;
  RaftStage* raft_ = nullptr;
  LogWriter* log_writer_ = nullptr;
  Mailbox<Message> mailbox_;
  std::vector<Message> inbox_;
};

}  // namespace kvorum::server
