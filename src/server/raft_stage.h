// RaftStage: the consensus core as a stage. It owns the core and the proposals that wait for their
// commit, stamps what is proposed, grants reads, and proposes the removal of due keys. It never
// blocks, so whichever thread posts to it may run it (see InlineWaker).
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/mailbox.h"
#include "base/waker.h"
#include "raft/core.h"
#include "server/node_state.h"
#include "server/stage_messages.h"

namespace kvorum::server {

class Applier;
class LogWriter;

struct RaftStageOptions {
  std::chrono::milliseconds tick{10};
  // How long a write waits for a leader before it is refused.
  std::chrono::milliseconds request_timeout{5000};
  uint64_t expire_batch_max = 1000;    // due keys removed by one entry
  uint64_t value_bytes_max = 8 << 20;  // the limit that its own entries carry
};

class RaftStage final : public Stage {
 public:
  RaftStage(raft::Core core, RaftStageOptions options, const Clock& clock, NodeState& state,
            ClientGateway& clients, Waker& waker);

  void attach(LogWriter& log_writer, Applier& applier);

  void post_propose(BatchOrigin origin, std::string data);
  void post_read(uint32_t loop, uint64_t context, bool lease);
  void post_persisted(raft::WriteToken token);
  void post_applied(raft::Index index);
  void post_checkpointed(raft::SnapshotMeta snapshot);
  // Time has passed: called by the owner of the tick timer. How much, the stage asks its clock.
  void post_tick();
  // The options that may change while the node runs.
  void post_options(RaftStageOptions options);
  // Runs `look` with the core's status, on whatever thread runs the stage.
  void post_inspect(std::function<void(const raft::CoreStatus&)> look);
  // Every change of configuration and leadership goes through here: `act` gets the core.
  void post_act(std::function<void(raft::Core&)> act);

  bool drain() override;

 private:
  struct Propose {
    BatchOrigin origin;
    std::string data;
  };
  struct Read {
    uint32_t loop = 0;
    uint64_t context = 0;
    bool lease = false;
  };
  struct Persisted {
    raft::WriteToken token;
  };
  struct Applied {
    raft::Index index;
  };
  struct Checkpointed {
    raft::SnapshotMeta snapshot;
  };
  struct Tick {};
  struct Inspect {
    std::function<void(const raft::CoreStatus&)> look;
  };
  struct Act {
    std::function<void(raft::Core&)> act;
  };
  using Message = std::variant<Propose, Read, Persisted, Applied, Checkpointed, Tick, Inspect, Act,
                               RaftStageOptions>;

  struct PendingBatch {
    raft::EntryId id;
    BatchOrigin origin;
  };
  // A write that came while there was no leader.
  struct HeldBatch {
    Propose proposal;
    uint64_t until_tick = 0;
  };
  struct PendingRead {
    uint64_t core_context = 0;
    uint32_t loop = 0;
    uint64_t context = 0;
  };

  void handle(Propose& message);
  void handle(Read& message);
  void handle(Persisted& message);
  void handle(Applied& message);
  void handle(Checkpointed& message);
  void handle(Tick& message);
  void handle(Inspect& message);
  void handle(Act& message);

  void handle(RaftStageOptions& message);

  void advance_time();
  void propose_held();
  void refuse(const BatchOrigin& origin, std::string_view error);
  void propose_due_removal();
  void perform(raft::Ready ready);
  void apply(std::vector<raft::EntryPtr> entries);
  std::optional<BatchOrigin> take_origin(const raft::Entry& entry);
  void answer_read(uint64_t core_context, bool granted, raft::Index index);
  void give_up_pending();
  void publish();

  raft::Core core_;
  RaftStageOptions options_;
  const Clock& clock_;
  NodeState& state_;
  ClientGateway& clients_;
  LogWriter* log_writer_ = nullptr;
  Applier* applier_ = nullptr;
  Mailbox<Message> mailbox_;
  std::vector<Message> inbox_;

  const Monotonic started_;
  uint64_t ticks_ = 0;  // fed to the core so far
  std::deque<PendingBatch> pending_batches_;
  std::deque<HeldBatch> held_batches_;
  std::deque<PendingRead> pending_reads_;
  uint64_t last_read_context_ = 0;
  std::optional<raft::EntryId> removal_in_flight_;
  raft::Index ready_at_;  // the commit index when this leader first could know it; 0: not yet
};

}  // namespace kvorum::server
