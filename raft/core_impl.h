// Core::Impl: the state of one node and the rules that change it, one file a concern: election.cc,
// replication_leader.cc, replication_follower.cc, transfer.cc, membership.cc, reads.cc,
// durability.cc, invariants.cc. core.cc takes events in and hands work out.
#pragma once

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "raft/configuration.h"
#include "raft/core.h"
#include "raft/log.h"
#include "raft/progress.h"
#include "raft/quorum.h"
#include "raft/reads.h"

namespace kvorum::raft {

class Core::Impl {
 public:
  Impl(CoreOptions options, Recovered recovered);

  void tick();
  void step(Envelope envelope);
  tl::expected<EntryId, ProposeError> propose(std::string data, UnixMillis stamp);
  Result<EntryId> propose_configuration(Configuration target, UnixMillis stamp);
  void persisted(WriteToken token);
  void applied(Index index);
  void checkpointed(SnapshotMeta snapshot);
  void read_index(uint64_t context, bool lease);
  Status transfer_leadership(NodeId target);
  void snapshot_sent(NodeId peer, EntryId last, bool delivered);
  bool begin_restore(EntryId last);
  void cancel_restore() { restoring_ = false; }
  void restore(SnapshotMeta snapshot);
  bool has_ready() const;
  Ready take_ready();
  CoreStatus status() const;
  void check_invariants() const;

  Role role() const { return role_; }
  Term term() const { return term_; }
  NodeId leader() const { return leader_; }
  bool leader_ready() const { return role_ == Role::kLeader && lead_.ready; }
  uint32_t lease_ticks_left() const;
  Index commit_index() const { return log_.committed(); }
  const Configuration& configuration() const { return configurations_.current(); }
  Index configuration_index() const { return configurations_.current_index(); }
  Index first_index() const { return log_.first_index(); }

 private:
  // A log write that was handed out and is not yet known durable. `last` is lowered when a part of
  // its entries is overwritten meanwhile: it never promises more than is still true.
  struct Write {
    WriteToken token;
    Term term;
    NodeId vote;
    Index last;
  };
  struct VoteOf {
    NodeId voter;
    bool granted;
  };
  // Rounds of one tick share its number; kept for one election timeout.
  struct RoundTick {
    uint64_t first_round;
    uint64_t tick;
  };
  // What only a leader has; made anew for each term it leads.
  struct Lead {
    std::vector<Peer> peers;
    bool ready = false;
    // Set once TimeoutNow was sent: votes that ignore the lease may be under way until this term
    // ends, so there is no lease in it any more.
    bool lease_forfeited = false;
    uint64_t round = 0;
    std::deque<RoundTick> rounds;
    uint64_t heartbeat_tick = 0;
    NodeId transfer_target;
    uint64_t transfer_tick = 0;  // when the transfer began
    bool peers_stale = false;    // entries or a commit index may be waiting to be sent
  };

  // core.cc
  void recover(Recovered recovered);
  void tick_follower();
  void tick_leader();
  void dispatch(Envelope& envelope);
  bool from_member(const Envelope& envelope) const;
  bool adopt_term(const Envelope& envelope);
  void answer_stale(const Envelope& envelope);
  void send(NodeId to, Message&& message) { send_as(term_, to, std::move(message)); }
  void send_as(Term term, NodeId to, Message&& message);
  void compact();

  // election.cc
  uint64_t random();
  void reset_election_timer();
  bool promotable() const;
  bool defends_leader() const;
  void become_follower(Term term, NodeId leader);
  void leave_leader();
  void become_leader();
  void pre_campaign();
  // Whoever has not answered yet.
  void ask_for_votes();
  void stand_soon();
  bool goes_before(NodeId other, EntryId last) const;
  void campaign(bool transfer);
  void announce_campaign();
  bool has_answered(NodeId voter) const;
  void record_vote(NodeId voter, bool granted);
  VoteOutcome tally() const;
  void on_vote_outcome();
  bool refuses_to_listen(const Envelope& envelope) const;
  void on_vote_request(NodeId from, const VoteRequest& request);
  void on_pre_vote_request(NodeId from, Term term, const VoteRequest& request);
  void on_vote_reply(NodeId from, const VoteReply& reply);
  void on_timeout_now(NodeId from);

  // durability.cc
  bool write_due() const;
  std::optional<PersistRequest> take_writes();
  void truncate_log(Index index);
  bool term_durable() const { return durable_term_ == term_; }
  bool vote_durable() const { return term_durable() && durable_vote_ == vote_; }
  void release_withheld();

  // replication_leader.cc
  EntryId append_as_leader(EntryKind kind, std::string data, UnixMillis stamp);
  Peer* find_peer(NodeId id);
  const Peer* find_peer(NodeId id) const;
  void reset_peers();
  void count_round();
  void start_round();
  void call_roll();
  std::optional<uint64_t> tick_of_round(uint64_t round) const;
  void send_heartbeat(Peer& peer);
  void ask(NodeId peer, EntryId previous);
  bool recently_active(const Peer& peer) const;
  void feed_all();
  void feed(Peer& peer);
  Index send_entries(Peer& peer);
  Index needed_from() const;
  void on_append_reply(NodeId from, const AppendReply& reply);
  void on_accepted(Peer& peer, Index match);
  void on_rejected(Peer& peer, const AppendReply& reply);
  void advance_commit();
  void check_quorum();

  // transfer.cc
  const Peer* best_successor() const;
  void drive_transfer();
  void end_transfer();

  // replication_follower.cc
  void on_append_request(NodeId from, AppendRequest& request);
  bool follow(NodeId from);
  bool well_formed(const AppendRequest& request) const;
  void reject_append(NodeId from, const AppendRequest& request);
  bool accept_entries(AppendRequest& request);
  void append_entry(EntryPtr entry);
  Index durable_match() const;
  // Something the leader was not told yet.
  bool has_news() const;
  void acknowledge();

  // membership.cc
  EntryId append_configuration(Configuration next, UnixMillis stamp);
  void enter_configuration(Index index, Configuration configuration);
  void on_configuration_changed();
  void leave_joint_if_committed();
  void step_down_if_removed();

  // reads.cc
  bool reads_can_move() const;
  void move_reads();
  void place_reads_in_round();
  void grant_acknowledged_reads();
  void forward_reads();
  void grant(const Read& read, Index index);
  void lose(const Read& read);
  void lose_placed_reads();
  void lose_old_reads();
  void on_read_index_request(NodeId from, const ReadIndexRequest& request);
  void on_read_index_reply(NodeId from, const ReadIndexReply& reply);

  // invariants.cc
  void check_durability() const;
  void check_role() const;
  void check_reads() const;

  const CoreOptions options_;
  uint64_t random_state_;
  uint64_t now_ = 0;  // ticks

  Term term_;
  NodeId vote_;
  Role role_ = Role::kFollower;
  NodeId leader_;
  RaftLog log_;
  ConfigurationHistory configurations_;
  Index checkpoint_;
  bool restoring_ = false;  // a snapshot is being installed: the log must not grow
  bool alone_ = false;      // nobody else is in the configuration

  // Elections.
  uint64_t timer_tick_ = 0;             // when the election timer was last reset
  uint32_t timeout_ticks_ = 0;          // and for how long it runs
  std::optional<uint64_t> heard_tick_;  // when a leader was last heard, whatever happened since
  std::vector<VoteOf> votes_;
  bool campaign_announced_ = false;
  bool campaign_transfer_ = false;

  // Durability. A write is due when the term or vote differ from what was last handed out, or the
  // log has unwritten entries.
  Term written_term_;
  NodeId written_vote_;
  Term durable_term_;
  NodeId durable_vote_;
  WriteToken last_token_;
  std::deque<Write> writes_;
  NodeId withheld_vote_to_;  // kNoNode when no granted vote waits for the disk

  // Following: reset with the leader.
  Index matched_;                    // equal to the leader's log up to here
  Index acknowledged_;               // told to the leader as durable
  uint64_t leader_round_ = 0;        // its newest round seen
  uint64_t acknowledged_round_ = 0;  // the newest answered

  Lead lead_;
  Reads reads_;

  // To hand out.
  std::vector<Envelope> outbox_;
  std::vector<ReadGrant> granted_;
  std::vector<uint64_t> lost_;
  std::vector<NodeId> snapshot_peers_;
};

}  // namespace kvorum::raft
