// Snapshotter: the stage that takes checkpoints and backups, the only one that waits for the
// store's disk. After a checkpoint the core and the log writer are told what the log no longer
// needs to hold.
#pragma once

#include <functional>
#include <memory>
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

// A checkpoint held open, and what it stands for.
struct SnapshotSource {
  std::unique_ptr<storage::BackupSource> files;
  raft::SnapshotMeta meta;
};

class Snapshotter final : public Stage {
 public:
  Snapshotter(storage::Store& store, const Clock& clock, NodeState& state, ClientGateway& clients,
              Waker& waker);

  void attach(RaftStage& raft, LogWriter& log_writer);

  // `done` may be empty. Requests that wait together share one checkpoint.
  void post_checkpoint(Completion done);
  // Takes a checkpoint, then copies it to `folder`.
  void post_backup(std::string folder, Completion done);

  // Takes a checkpoint that reaches `at_least`, and opens it for reading. One at a time: it fails
  // while another is open.
  using StreamReady = std::function<void(Result<SnapshotSource>)>;
  void post_stream(raft::Index at_least, StreamReady ready);

  // Hashes what `reader` sees, which stands at `index`, and tells the raft stage; `ended` when the
  // view is closed.
  void post_check(raft::Index index, std::unique_ptr<storage::Reader> reader, storage::View& view,
                  std::function<void()> ended);

  bool drain() override;

 private:
  struct Check {
    raft::Index index;
    std::unique_ptr<storage::Reader> reader;
    storage::View* view;
    std::function<void()> ended;
  };
  struct Stream {
    raft::Index at_least;
    StreamReady ready;
  };
  struct Checkpoint {
    Completion done;
  };
  struct Backup {
    std::string folder;
    Completion done;
  };
  using Message = std::variant<Checkpoint, Backup, Stream, Check>;

  void check(const Check& request);
  Status checkpoint();
  Result<SnapshotSource> open_stream(raft::Index at_least);

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
