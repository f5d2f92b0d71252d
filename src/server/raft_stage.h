// RaftStage: the consensus core as a stage. It owns the core, the writes of this node's clients
// until they are executed, and changes of the cluster; it stamps what is proposed, grants reads,
// and has due keys removed. It never blocks, so whichever thread posts to it may run it (see
// InlineWaker).
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
#include "server/administration.h"
#include "server/node_state.h"
#include "server/own_writes.h"
#include "server/peer_gateway.h"
#include "server/proposal_order.h"
#include "server/stage_messages.h"

namespace kvorum::server {

class Applier;
class LogWriter;

struct RaftStageOptions {
  std::chrono::milliseconds tick{10};
  // How long a write waits for a leader before it is refused, and how long its fate may stay open.
  std::chrono::milliseconds request_timeout{5000};
  // A forwarded write that is not executed after this is sent again.
  std::chrono::milliseconds resend{1000};
  // How long a change of the cluster may take.
  std::chrono::milliseconds change_timeout{60'000};
  uint64_t expire_batch_max = 1000;    // due keys removed by one entry
  uint64_t value_bytes_max = 8 << 20;  // the limit that its own entries carry
  // What a leader has the state machine keep of the past.
  uint64_t history_bytes_max = 0;
  uint64_t history_age_max_ms = 0;
};

class RaftStage final : public Stage {
 public:
  // `session`: above every session this node ever proposed in (see BatchIdentity).
  RaftStage(raft::Core core, uint64_t session, RaftStageOptions options, const Clock& clock,
            NodeState& state, ClientGateway& clients, PeerGateway& peers, Waker& waker);

  void attach(LogWriter& log_writer, Applier& applier);

  // From another node.
  void post_message(raft::NodeId from, peer::Message message);
  // What was sent to `peer` before may be lost.
  void post_linked(raft::NodeId peer);
  // A change of the cluster (see Administration), asked for by a client of this node.
  void post_change(AdminWords words, AdminDone done);
  void post_snapshot_sent(raft::NodeId peer, raft::EntryId last, bool delivered);
  // A snapshot lies complete in `folder`: it becomes this node's state, if it is of use.
  void post_install(Snapshot snapshot, Completion done);
  // It has, or has not.
  void post_installed(raft::SnapshotMeta snapshot, std::vector<storage::Proposer> proposers,
                      Completion done);
  void post_not_installed(std::string why, Completion done);

  void post_propose(BatchOrigin origin, std::string data);
  void post_read(uint32_t loop, uint64_t context, bool lease);
  void post_persisted(raft::WriteToken token);
  // Everything up to `last` is executed; `proposers` is what the state machine remembers of
  // everybody's batches.
  struct Applied {
    raft::EntryId last;
    std::vector<storage::Proposer> proposers;
    storage::HistoryState history;
  };
  void post_applied(Applied applied);
  // What this node's state at `index`, that of a check, hashes to.
  void post_checked(raft::Index index, uint64_t hash);
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
  struct FromPeer {
    raft::NodeId from;
    peer::Message message;
  };
  struct Linked {
    raft::NodeId peer;
  };
  struct Change {
    AdminWords words;
    AdminDone done;
  };
  struct SnapshotSent {
    raft::NodeId peer;
    raft::EntryId last;
    bool delivered = false;
  };
  struct Install {
    Snapshot snapshot;
    Completion done;
  };
  struct Installed {
    raft::SnapshotMeta snapshot;
    std::vector<storage::Proposer> proposers;
    Completion done;
  };
  struct NotInstalled {
    std::string why;
    Completion done;
  };
  struct Checked {
    raft::Index index;
    uint64_t hash = 0;
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
                               RaftStageOptions, FromPeer, Linked, Change, SnapshotSent, Install,
                               Installed, NotInstalled, Checked>;

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
  void handle(FromPeer& message);
  void handle(Linked& message);
  void handle(Change& message);
  void handle(SnapshotSent& message);
  void handle(Install& message);
  void handle(Installed& message);
  void handle(NotInstalled& message);
  void handle(Checked& message);

  void from_peer(raft::NodeId from, raft::Envelope& envelope);
  void from_peer(raft::NodeId from, peer::ForwardedBatch& batch);
  void from_peer(raft::NodeId from, peer::BatchRefused& refused);
  void from_peer(raft::NodeId from, peer::PublishedMessage& message);
  void from_peer(raft::NodeId from, peer::Request& request);
  void from_peer(raft::NodeId from, peer::Answer& answer);

  void advance_time();
  uint64_t ticks_of(std::chrono::milliseconds time) const;
  void follow_leader();
  void send_own_writes();
  void look_after_own_writes();
  void executed(raft::EntryId last, std::vector<storage::Proposer> proposers);
  void propose_held();
  Offer offer(const std::string& data);
  bool take_forwarded(const command::BatchIdentity& identity, std::string data);
  tl::expected<void, raft::ProposeError> propose(std::string data,
                                                 const command::BatchIdentity& identity);
  void refuse(const BatchOrigin& origin, std::string_view error);
  void begin_to_lead();
  void propose_upkeep();
  void note_configuration();
  void note_membership(const raft::Entry& entry);
  void send_snapshot(raft::NodeId peer);
  std::optional<BatchOrigin> origin_of(const raft::Entry& entry);
  void perform(raft::Ready ready);
  void apply(std::vector<raft::EntryPtr> entries);
  void answer_read(uint64_t core_context, bool granted, raft::Index index);
  void note_freshness(const raft::Envelope& envelope);
  void publish();

  raft::Core core_;
  RaftStageOptions options_;
  const Clock& clock_;
  NodeState& state_;
  ClientGateway& clients_;
  PeerGateway& peers_;
  LogWriter* log_writer_ = nullptr;
  Applier* applier_ = nullptr;
  Mailbox<Message> mailbox_;
  std::vector<Message> inbox_;

  const Monotonic started_;
  uint64_t ticks_ = 0;  // fed to the core so far
  OwnWrites own_writes_;
  ProposalOrder order_;
  Administration administration_;
  std::deque<PendingRead> pending_reads_;
  uint64_t last_read_context_ = 0;
  std::optional<raft::EntryId> upkeep_in_flight_;
  raft::Term led_term_;  // the newest in which this node was ready to lead
  storage::HistoryState history_;
  raft::Index ready_at_;  // the commit index when this leader first could know it; 0: not yet
  // Whom the own writes were sent to, and in which term.
  raft::NodeId known_leader_;
  raft::Term known_term_;
  raft::Configuration known_configuration_;
  std::vector<raft::Member> committed_members_;
  bool links_stale_ = true;              // peers_ does not know of the members yet
  bool member_;                          // of the newest configuration committed
  const raft::Index member_since_;       // what member_ began with
  uint64_t hold_offers_until_tick_ = 0;  // the leader refused a batch
  // A leader said at `heard` that it had committed `commit`: applied here, this node is up to date
  // with that moment.
  struct Freshness {
    raft::Index commit;
    Monotonic heard{0};
  };
  std::optional<Freshness> freshness_;
};

}  // namespace kvorum::server
