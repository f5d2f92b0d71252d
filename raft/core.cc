#include "raft/core.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/core_impl.h"

namespace kvorum::raft {
namespace {

// No honest node gets here; a message that claims more would leave no room for the next election.
constexpr Term kTermMax{uint64_t{1} << 62};

template <class... Arms>
struct Overloaded : Arms... {
  using Arms::operator()...;
};
template <class... Arms>
Overloaded(Arms...) -> Overloaded<Arms...>;

}  // namespace

Core::Impl::Impl(CoreOptions options, Recovered recovered)
    : options_(options),
      random_state_(options.random_seed ^ (options.id.value() * 0x9e3779b97f4a7c15)),
      log_(recovered.snapshot.last, recovered.snapshot.stamp),
      configurations_({}) {
  CHECK(options.id != kNoNode);
  CHECK(options.heartbeat_interval_ticks > 0);
  CHECK(options.election_timeout_ticks > options.heartbeat_interval_ticks);
  CHECK(options.lease_ticks < options.election_timeout_ticks);
  recover(std::move(recovered));
  reset_election_timer();
  reads_.next_number = random() >> 1;
}

void Core::Impl::recover(Recovered recovered) {
  term_ = written_term_ = durable_term_ = recovered.hard_state.term;
  vote_ = written_vote_ = durable_vote_ = recovered.hard_state.vote;
  // A snapshot was installed, and the log was not begun anew behind it before the node ended.
  if (recovered.snapshot.last.term > term_) {
    term_ = recovered.snapshot.last.term;
    vote_ = kNoNode;
  }
  checkpoint_ = recovered.snapshot.last.index;
  configurations_.reset(checkpoint_, normalised(std::move(recovered.snapshot.configuration)));
  for (EntryPtr& entry : recovered.entries) {
    if (entry->id.index <= checkpoint_) continue;
    if (entry->kind == EntryKind::kConfiguration) {
      Configuration configuration;
      CHECK(decode(entry->data, configuration), "entry {}", entry->id.index);
      configurations_.append(entry->id.index, normalised(std::move(configuration)));
    }
    log_.append(std::move(entry));
  }
  CHECK(log_.last().term <= term_, "last entry's term {}, term {}", log_.last().term, term_);
  log_.set_recovered();
  Index commit = std::min(recovered.hard_state.commit, log_.last_index());
  if (commit > log_.committed()) {
    log_.commit_to(commit);
    configurations_.commit_to(commit);
  }
  // A leader may hold a lease on what this node acknowledged before it restarted.
  if (term_ > Term{}) heard_tick_ = now_;
  on_configuration_changed();
}

void Core::Impl::tick() {
  ++now_;
  lose_old_reads();
  if (role_ == Role::kLeader) {
    tick_leader();
  } else {
    tick_follower();
  }
}

void Core::Impl::tick_follower() {
  if (!promotable()) return;
  if (role_ == Role::kCandidate && !campaign_announced_) return;  // the disk is what it waits for
  // Nobody else can have been elected since: no need to wait for a timeout.
  if (role_ == Role::kFollower && leader_ == kNoNode &&
      is_sole_voter(configuration(), options_.id)) {
    campaign(false);
  } else if (now_ - timer_tick_ >= timeout_ticks_) {
    pre_campaign();
  } else if (role_ == Role::kPreCandidate &&
             (now_ - timer_tick_) % options_.heartbeat_interval_ticks == 0) {
    // Again and again: voters that heard the leader a little later than this node don't listen yet,
    // and a pre-vote promises nothing.
    ask_for_votes();
  }
}

void Core::Impl::tick_leader() {
  check_quorum();
  if (role_ != Role::kLeader) return;
  if (lead_.transfer_target != kNoNode &&
      now_ - lead_.transfer_tick >= options_.election_timeout_ticks) {
    end_transfer();
  }
  if (now_ - lead_.heartbeat_tick >= options_.heartbeat_interval_ticks) {
    lead_.heartbeat_tick = now_;
    start_round();
    drive_transfer();
  }
}

void Core::Impl::step(Envelope envelope) {
  if (envelope.to != options_.id || envelope.from == options_.id || envelope.from == kNoNode ||
      envelope.term > kTermMax || refuses_to_listen(envelope)) {
    return;
  }
  // A pre-vote asks about a term that nobody is in yet: it changes no one's term.
  if (const auto* request = std::get_if<VoteRequest>(&envelope.message);
      request != nullptr && request->pre_vote) {
    return on_pre_vote_request(envelope.from, envelope.term, *request);
  }
  if (envelope.term > term_ && !adopt_term(envelope)) return;
  if (envelope.term < term_) return answer_stale(envelope);
  dispatch(envelope);
}

bool Core::Impl::from_member(const Envelope& envelope) const {
  return is_member(configuration(), envelope.from);
}

bool Core::Impl::adopt_term(const Envelope& envelope) {
  // A leader or candidate may be in a configuration that is not in this log yet
  // (dissertation, 4.1). Anyone else who isn't a member was removed, and must not disturb.
  bool from_any = std::holds_alternative<AppendRequest>(envelope.message) ||
                  std::holds_alternative<VoteRequest>(envelope.message);
  if (!from_any && !from_member(envelope)) return false;
  become_follower(envelope.term, kNoNode);
  return true;
}

// A leader or candidate of an old term learns the new one; otherwise a node that came back with a
// higher term could neither follow nor be followed. Everything else that is old means nothing.
void Core::Impl::answer_stale(const Envelope& envelope) {
  if (const auto* append = std::get_if<AppendRequest>(&envelope.message)) {
    send(envelope.from, AppendReply{.accepted = false,
                                    .round = 0,
                                    .match = {},
                                    .rejected = append->previous.index,
                                    .conflict = {Term{}, log_.last_index().next()}});
  } else if (std::holds_alternative<VoteRequest>(envelope.message)) {
    send(envelope.from, VoteReply{.pre_vote = false, .granted = false});
  }
}

void Core::Impl::dispatch(Envelope& envelope) {
  const NodeId from = envelope.from;
  std::visit(Overloaded{
                 [&](VoteRequest& request) { on_vote_request(from, request); },
                 [&](VoteReply& reply) { on_vote_reply(from, reply); },
                 [&](AppendRequest& request) { on_append_request(from, request); },
                 [&](AppendReply& reply) { on_append_reply(from, reply); },
                 [&](ReadIndexRequest& request) { on_read_index_request(from, request); },
                 [&](ReadIndexReply& reply) { on_read_index_reply(from, reply); },
                 [&](TimeoutNow&) { on_timeout_now(from); },
             },
             envelope.message);
}

void Core::Impl::send_as(Term term, NodeId to, Message&& message) {
  Envelope& envelope = outbox_.emplace_back();
  envelope.from = options_.id;
  envelope.to = to;
  envelope.term = term;
  envelope.message = std::move(message);
}

tl::expected<EntryId, ProposeError> Core::Impl::propose(std::string data, UnixMillis stamp) {
  if (role_ != Role::kLeader) return tl::unexpected(ProposeError::kNotLeader);
  if (lead_.transfer_target != kNoNode) return tl::unexpected(ProposeError::kTransferring);
  size_t pending = log_.uncommitted_bytes() + log_.unapplied_bytes();
  if (pending > 0 && pending + data.size() + sizeof(Entry) > options_.uncommitted_bytes_max) {
    return tl::unexpected(ProposeError::kBusy);
  }
  return append_as_leader(EntryKind::kCommands, std::move(data), stamp);
}

void Core::Impl::applied(Index index) {
  log_.set_applied(index);
  compact();
}

void Core::Impl::checkpointed(SnapshotMeta snapshot) {
  // One of a state that was just replaced: restore() is still to say so.
  if (snapshot.last.index > log_.emitted()) return;
  checkpoint_ = std::max(checkpoint_, snapshot.last.index);
  compact();
}

void Core::Impl::compact() {
  // Nobody to feed: nothing is kept but what this node still needs itself.
  size_t tail_max = alone_ ? 0 : options_.tail_bytes_max;
  log_.compact({.checkpoint = checkpoint_,
                .soft_max = tail_max,
                .hard_max = 2 * tail_max,
                .needed_from = needed_from(),
                .needed_max = options_.catch_up_bytes_max});
}

bool Core::Impl::begin_restore(EntryId last) {
  // Where the log holds the snapshot's last entry, going on with the log loses nothing; replacing
  // it would lose acknowledged entries after it.
  if (role_ == Role::kLeader || restoring_ || last.index <= log_.committed() ||
      log_.contains(last)) {
    return false;
  }
  restoring_ = true;
  return true;
}

void Core::Impl::restore(SnapshotMeta snapshot) {
  CHECK(role_ != Role::kLeader);
  CHECK(snapshot.last.index > log_.committed() && !log_.contains(snapshot.last),
        "snapshot {}, committed {}", snapshot.last.index, log_.committed());
  restoring_ = false;
  const Term term = std::max(term_, snapshot.last.term);
  if (role_ != Role::kFollower || term > term_) become_follower(term, kNoNode);
  log_.reset(snapshot.last, snapshot.stamp);
  for (Write& write : writes_) write.last = Index{};
  checkpoint_ = snapshot.last.index;
  matched_ = acknowledged_ = Index{};
  acknowledged_round_ = 0;
  configurations_.reset(snapshot.last.index, normalised(std::move(snapshot.configuration)));
  on_configuration_changed();
}

bool Core::Impl::has_ready() const {
  return write_due() || !outbox_.empty() || (!restoring_ && log_.has_emittable()) ||
         !granted_.empty() || !lost_.empty() || !snapshot_peers_.empty() || reads_can_move() ||
         (lead_.peers_stale && !lead_.peers.empty());
}

Ready Core::Impl::take_ready() {
  move_reads();
  feed_all();
  Ready ready;
  ready.persist = take_writes();
  // What the snapshot contains would otherwise be applied behind it.
  if (!restoring_) ready.committed = log_.take_emittable(options_.committed_bytes_max);
  ready.messages = std::exchange(outbox_, {});
  ready.reads = std::exchange(granted_, {});
  ready.lost_reads = std::exchange(lost_, {});
  ready.snapshot_peers = std::exchange(snapshot_peers_, {});
  return ready;
}

CoreStatus Core::Impl::status() const {
  CoreStatus status{
      .id = options_.id,
      .role = role_,
      .leader = leader_,
      .hard_state = {term_, vote_, log_.committed()},
      .applied = log_.applied(),
      .persisted = log_.persisted(),
      .last = log_.last(),
      .first = log_.first_index(),
      .checkpoint = checkpoint_,
      .leader_ready = leader_ready(),
      .lease_ticks_left = lease_ticks_left(),
      .transfer_target = lead_.transfer_target,
      .configuration = configuration(),
      .configuration_index = configurations_.current_index(),
      .progress = {},
  };
  for (const Peer& peer : lead_.peers) {
    status.progress.push_back({
        .id = peer.id,
        .match = peer.match,
        .next = peer.next,
        .recently_active = recently_active(peer),
        .learner = !is_voter(configuration(), peer.id),
        .snapshot_pending = peer.state == PeerState::kSnapshot,
        .ticks_since_contact = static_cast<uint32_t>(now_ - peer.contact_tick),
    });
  }
  return status;
}

Core::Core(CoreOptions options, Recovered recovered)
    : impl_(std::make_unique<Impl>(options, std::move(recovered))) {}
Core::~Core() = default;
Core::Core(Core&&) noexcept = default;

void Core::tick() {
  impl_->tick();
}
void Core::step(Envelope envelope) {
  impl_->step(std::move(envelope));
}
tl::expected<EntryId, ProposeError> Core::propose(std::string data, UnixMillis stamp) {
  return impl_->propose(std::move(data), stamp);
}
Result<EntryId> Core::propose_configuration(Configuration target, UnixMillis stamp) {
  return impl_->propose_configuration(std::move(target), stamp);
}
void Core::persisted(WriteToken token) {
  impl_->persisted(token);
}
void Core::applied(Index index) {
  impl_->applied(index);
}
void Core::checkpointed(SnapshotMeta snapshot) {
  impl_->checkpointed(std::move(snapshot));
}
void Core::read_index(uint64_t context, bool lease) {
  impl_->read_index(context, lease);
}
Status Core::transfer_leadership(NodeId target) {
  return impl_->transfer_leadership(target);
}
void Core::snapshot_sent(NodeId peer, EntryId last, bool delivered) {
  impl_->snapshot_sent(peer, last, delivered);
}
bool Core::begin_restore(EntryId last) {
  return impl_->begin_restore(last);
}
void Core::cancel_restore() {
  impl_->cancel_restore();
}
void Core::restore(SnapshotMeta snapshot) {
  impl_->restore(std::move(snapshot));
}
bool Core::has_ready() const {
  return impl_->has_ready();
}
Ready Core::take_ready() {
  return impl_->take_ready();
}
CoreStatus Core::status() const {
  return impl_->status();
}
void Core::check_invariants() const {
  impl_->check_invariants();
}
Role Core::role() const {
  return impl_->role();
}
Term Core::term() const {
  return impl_->term();
}
NodeId Core::leader() const {
  return impl_->leader();
}
bool Core::leader_ready() const {
  return impl_->leader_ready();
}
uint32_t Core::lease_ticks_left() const {
  return impl_->lease_ticks_left();
}
Index Core::commit_index() const {
  return impl_->commit_index();
}
const Configuration& Core::configuration() const {
  return impl_->configuration();
}
Index Core::configuration_index() const {
  return impl_->configuration_index();
}
Index Core::first_index() const {
  return impl_->first_index();
}

}  // namespace kvorum::raft
