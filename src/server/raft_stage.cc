#include "server/raft_stage.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "command/batch.h"
#include "command/history_recorder.h"
#include "raft/configuration.h"
#include "server/applier.h"
#include "server/log_writer.h"

namespace kvorum::server {

namespace {

// A machine that stood still must not be busy with the ticks it missed: enough for every timeout.
constexpr uint64_t kTicksAtOnceMax = 10'000;

constexpr std::string_view kUncertain =
    "UNCERTAIN the write was sent out but not executed here in time: it may or may not have "
    "happened. Read, then decide";
constexpr std::string_view kReplyLost =
    "UNCERTAIN the write happened, but its reply is lost: this node was brought up to date by a "
    "snapshot. Read, then decide";
constexpr std::string_view kNoLeaderToWrite =
    "CLUSTERDOWN there is no leader; nothing was written, try again";
constexpr std::string_view kBusy = "TRYAGAIN too many writes are under way; nothing was written";
// Sessions are counted in the data folder, before they are used.
constexpr std::string_view kOldFolder =
    "the cluster has executed writes of this node that its data folder does not know of: the "
    "folder is a copy from an earlier time, which may also have forgotten votes and entries that "
    "others count on. Remove this node (RAFT REMOVE) and join with an empty folder";

// A batch that was refused is offered again after this many ticks.
constexpr uint64_t kRefusedPauseTicks = 2;

// What a peer forwards is checked before it gets into the log.
bool well_formed(std::string_view data) {
  command::BatchReader reader(data);
  command::BatchItem item;
  while (reader.next(item)) {
  }
  return reader.ok();
}

}  // namespace

RaftStage::RaftStage(raft::Core core, uint64_t session, RaftStageOptions options,
                     const Clock& clock, NodeState& state, ClientGateway& clients,
                     PeerGateway& peers, Waker& waker)
    : core_(std::move(core)),
      options_(options),
      clock_(clock),
      state_(state),
      clients_(clients),
      peers_(peers),
      // Client loops bound what they have in flight; the core refuses proposals beyond a bound.
      mailbox_(kUnboundedMailbox, waker),
      started_(clock.monotonic() - Monotonic(options.tick)),
      own_writes_(core_.status().id, session),
      administration_(core_,
                      [this](raft::NodeId leader, peer::Request request) {
                        peers_.send(leader, std::move(request));
                      }),
      committed_members_(core_.configuration().members),
      member_(raft::find_member(core_.configuration().members, own_writes_.node()) != nullptr),
      member_since_(core_.configuration_index()) {
  note_configuration();
}

void RaftStage::attach(LogWriter& log_writer, Applier& applier) {
  log_writer_ = &log_writer;
  applier_ = &applier;
}

void RaftStage::post_propose(BatchOrigin origin, std::string data) {
  size_t bytes = data.size();
  mailbox_.post(Propose{std::move(origin), std::move(data)}, bytes);
}
void RaftStage::post_read(uint32_t loop, uint64_t context, bool lease) {
  mailbox_.post(Read{loop, context, lease});
}
void RaftStage::post_persisted(raft::WriteToken token) {
  mailbox_.post(Persisted{token});
}
void RaftStage::post_applied(Applied applied) {
  mailbox_.post(std::move(applied));
}
void RaftStage::post_message(raft::NodeId from, peer::Message message) {
  mailbox_.post(FromPeer{from, std::move(message)});
}
void RaftStage::post_linked(raft::NodeId peer) {
  mailbox_.post(Linked{peer});
}
void RaftStage::post_change(AdminWords words, AdminDone done) {
  mailbox_.post(Change{std::move(words), std::move(done)});
}
void RaftStage::post_snapshot_sent(raft::NodeId peer, raft::EntryId last, bool delivered) {
  mailbox_.post(SnapshotSent{peer, last, delivered});
}
void RaftStage::post_install(Snapshot snapshot, Completion done) {
  mailbox_.post(Install{std::move(snapshot), std::move(done)});
}
void RaftStage::post_installed(raft::SnapshotMeta snapshot,
                               std::vector<storage::Proposer> proposers, Completion done) {
  mailbox_.post(Installed{std::move(snapshot), std::move(proposers), std::move(done)});
}
void RaftStage::post_not_installed(std::string why, Completion done) {
  mailbox_.post(NotInstalled{std::move(why), std::move(done)});
}
void RaftStage::post_checked(raft::Index index, uint64_t hash) {
  mailbox_.post(Checked{index, hash});
}
void RaftStage::post_checkpointed(raft::SnapshotMeta snapshot) {
  mailbox_.post(Checkpointed{std::move(snapshot)});
}
void RaftStage::post_tick() {
  mailbox_.post(Tick{});
}
void RaftStage::post_options(RaftStageOptions options) {
  mailbox_.post(options);
}
void RaftStage::post_inspect(std::function<void(const raft::CoreStatus&)> look) {
  mailbox_.post(Inspect{std::move(look)});
}
void RaftStage::post_act(std::function<void(raft::Core&)> act) {
  mailbox_.post(Act{std::move(act)});
}

bool RaftStage::drain() {
  if (!mailbox_.drain(inbox_)) return false;
  advance_time();
  for (Message& message : inbox_) {
    std::visit([this](auto& content) { handle(content); }, message);
  }
  inbox_.clear();
  follow_leader();
  begin_to_lead();
  propose_held();
  send_own_writes();
  administration_.advance(ticks_, clock_.wall_ms());
  while (core_.has_ready()) {
    raft::Ready ready = core_.take_ready();
    note_configuration();
    // First, because a follower that hears of the commit may answer its clients at once.
    publish();
    perform(std::move(ready));
  }
  publish();
  return true;
}

void RaftStage::handle(Propose& message) {
  own_writes_.add(std::move(message.origin), std::move(message.data),
                  ticks_ + ticks_of(options_.request_timeout));
}

uint64_t RaftStage::ticks_of(std::chrono::milliseconds time) const {
  return static_cast<uint64_t>(time / options_.tick);
}

// What was sent to a leader that is none any more may be lost.
void RaftStage::follow_leader() {
  if (core_.leader() == known_leader_ && core_.term() == known_term_) return;
  known_leader_ = core_.leader();
  known_term_ = core_.term();
  own_writes_.lost();
  order_.begin_term(core_.term());
  hold_offers_until_tick_ = 0;
  if (core_.role() != raft::Role::kLeader) upkeep_in_flight_.reset();
  freshness_.reset();
}

// What is kept of the past is decided before the first write of the term.
void RaftStage::begin_to_lead() {
  if (led_term_ == core_.term() || !core_.leader_ready() || !order_.known()) return;
  led_term_ = core_.term();
  propose_upkeep();
}

void RaftStage::propose_held() {
  if (core_.role() != raft::Role::kLeader) return;
  order_.release([this](const command::BatchIdentity& identity, const std::string& data) {
    return propose(data, identity).has_value();
  });
}

void RaftStage::send_own_writes() {
  if (own_writes_.empty()) return;
  own_writes_.offer([this](const std::string& data) { return offer(data); },
                    [this](const BatchOrigin& origin) { refuse(origin, kBusy); }, ticks_);
}

Offer RaftStage::offer(const std::string& data) {
  if (core_.role() == raft::Role::kLeader) {
    const command::BatchIdentity identity = *command::identity_of(data);
    const Turn turn = order_.turn_of(identity);
    if (turn == Turn::kEarly) return Offer::kLater;
    if (turn == Turn::kKnown) return Offer::kTaken;
    auto proposed = propose(data, identity);
    if (proposed) return Offer::kTaken;
    return proposed.error() == raft::ProposeError::kBusy ? Offer::kRefused : Offer::kLater;
  }
  if (core_.leader() == raft::kNoNode || ticks_ < hold_offers_until_tick_) return Offer::kLater;
  // A node that was not fed yet: the snapshot it gets may hold the write, but not its reply.
  if (core_.commit_index() == raft::Index()) return Offer::kLater;
  peers_.send(core_.leader(), peer::ForwardedBatch{data});
  return Offer::kTaken;
}

// False: its node has to send it again.
bool RaftStage::take_forwarded(const command::BatchIdentity& identity, std::string data) {
  if (core_.role() != raft::Role::kLeader) return false;
  const Turn turn = order_.turn_of(identity);
  if (turn == Turn::kKnown) return true;
  if (turn == Turn::kEarly) return order_.hold(identity, std::move(data));
  return propose(std::move(data), identity).has_value();
}

tl::expected<void, raft::ProposeError> RaftStage::propose(std::string data,
                                                          const command::BatchIdentity& identity) {
  auto id = core_.propose(std::move(data), clock_.wall_ms());
  if (!id) return tl::unexpected(id.error());
  order_.proposed(identity, id->index);
  return {};
}

void RaftStage::look_after_own_writes() {
  if (own_writes_.empty()) return;
  const bool leads = core_.role() == raft::Role::kLeader;
  if (own_writes_.overdue(ticks_, ticks_of(options_.resend))) own_writes_.lost();
  // Alone there is nobody to ask: a slow disk makes its clients wait.
  if (leads && !state_.has_peers.load(std::memory_order_relaxed)) return;
  own_writes_.expire(
      ticks_, [this](const BatchOrigin& origin) { refuse(origin, kNoLeaderToWrite); },
      [this](const BatchOrigin& origin) { refuse(origin, kUncertain); });
}

void RaftStage::refuse(const BatchOrigin& origin, std::string_view error) {
  clients_.batch_done(origin.loop, {origin.batch, {}, std::string(error)});
}

void RaftStage::handle(RaftStageOptions& message) {
  options_ = message;
}

void RaftStage::handle(Read& message) {
  uint64_t context = ++last_read_context_;
  pending_reads_.push_back({context, message.loop, message.context});
  core_.read_index(context, message.lease);
}

void RaftStage::handle(Persisted& message) {
  core_.persisted(message.token);
}

void RaftStage::handle(Applied& message) {
  core_.applied(message.last.index);
  history_ = message.history;
  executed(message.last, std::move(message.proposers));
}

void RaftStage::executed(raft::EntryId last, std::vector<storage::Proposer> proposers) {
  const storage::Proposer* own = storage::find_proposer(proposers, own_writes_.node());
  if (own != nullptr && own->session > own_writes_.session()) die(kOldFolder);
  if (!own_writes_.empty()) {
    own_writes_.executed(last.index, own != nullptr ? *own : storage::Proposer{},
                         [this](const BatchOrigin& origin) { refuse(origin, kReplyLost); });
  }
  order_.executed(last, std::move(proposers));
}

void RaftStage::handle(Linked& message) {
  if (message.peer == core_.leader()) own_writes_.lost();
  administration_.linked(message.peer);
}

void RaftStage::handle(Change& message) {
  administration_.begin(std::move(message.words), true, ticks_ + ticks_of(options_.change_timeout),
                        std::move(message.done));
}

void RaftStage::handle(SnapshotSent& message) {
  core_.snapshot_sent(message.peer, message.last, message.delivered);
}

void RaftStage::handle(Install& message) {
  if (!core_.begin_restore(message.snapshot.meta.last)) {
    // The answer to the first one was lost: the sender goes on behind it.
    if (core_.commit_index() >= message.snapshot.meta.last.index) return message.done(ok());
    return message.done(
        fail("the snapshot holds nothing that this node lacks, or another one is "
             "being installed"));
  }
  applier_->post_install(std::move(message.snapshot), std::move(message.done));
}

void RaftStage::handle(Installed& message) {
  const raft::EntryId last = message.snapshot.last;
  core_.restore(std::move(message.snapshot));
  executed(last, std::move(message.proposers));
  if (message.done) message.done(ok());
}

void RaftStage::handle(NotInstalled& message) {
  core_.cancel_restore();
  if (message.done) message.done(fail("{}", message.why));
}

void RaftStage::handle(Checked& message) {
  if (core_.role() == raft::Role::kLeader) {
    return administration_.checked(own_writes_.node(), message.index, message.hash);
  }
  peers_.send(core_.leader(), peer::Request{0, check_report(message.index, message.hash)});
}

void RaftStage::handle(FromPeer& message) {
  std::visit([&](auto& content) { from_peer(message.from, content); }, message.message);
}

void RaftStage::from_peer(raft::NodeId, raft::Envelope& envelope) {
  note_freshness(envelope);
  core_.step(std::move(envelope));
}

void RaftStage::from_peer(raft::NodeId from, peer::ForwardedBatch& batch) {
  const std::optional<command::BatchIdentity> identity = command::identity_of(batch.data);
  if (!identity || identity->node != from || !well_formed(batch.data)) return;
  if (raft::find_member(core_.configuration().members, from) == nullptr) return;
  if (take_forwarded(*identity, std::move(batch.data))) return;
  peers_.send(from, peer::BatchRefused{identity->session, identity->sequence});
}

void RaftStage::from_peer(raft::NodeId from, peer::BatchRefused& refused) {
  if (from != core_.leader()) return;
  own_writes_.lost_from(refused.session, refused.sequence);
  hold_offers_until_tick_ = ticks_ + kRefusedPauseTicks;
}

void RaftStage::from_peer(raft::NodeId, peer::PublishedMessage& message) {
  clients_.published(std::move(message.channel), std::move(message.message), message.shard);
}

void RaftStage::from_peer(raft::NodeId from, peer::Request& request) {
  const uint64_t id = request.id;
  if (id == 0) return administration_.reported(from, request.words);
  administration_.begin(std::move(request.words), false, ticks_ + ticks_of(options_.change_timeout),
                        [this, from, id](bool ok, std::string text) {
                          peers_.send(from, peer::Answer{id, ok, std::move(text)});
                        });
}

void RaftStage::from_peer(raft::NodeId, peer::Answer& answer) {
  administration_.answered(answer);
}

// Whatever the leader had committed when it sent this is here once `commit` is applied.
void RaftStage::note_freshness(const raft::Envelope& envelope) {
  const auto* append = std::get_if<raft::AppendRequest>(&envelope.message);
  if (append == nullptr || freshness_) return;
  if (envelope.from != core_.leader() || envelope.term != core_.term()) return;
  freshness_ = {append->commit, clock_.monotonic()};
}

void RaftStage::handle(Checkpointed& message) {
  core_.checkpointed(std::move(message.snapshot));
}

// Every tick that is due comes before what happened after it: the lease rests on that.
void RaftStage::advance_time() {
  auto now = static_cast<uint64_t>((clock_.monotonic() - started_) / options_.tick);
  if (now > ticks_ + kTicksAtOnceMax) ticks_ = now - kTicksAtOnceMax;
  for (; ticks_ < now; ++ticks_) core_.tick();
}

void RaftStage::handle(Tick&) {
  propose_upkeep();
  look_after_own_writes();
  if (state_.log_blocked.load(std::memory_order_relaxed)) log_writer_->post_retry();
}

void RaftStage::handle(Inspect& message) {
  message.look(core_.status());
}

void RaftStage::handle(Act& message) {
  message.act(core_);
}

// Expiry is an event in the log, and so is what happens to the history of events: only a leader
// proposes it, one entry at a time.
void RaftStage::propose_upkeep() {
  if (upkeep_in_flight_ || !order_.known() || !core_.leader_ready() || state_.refuses_writes()) {
    return;
  }
  const UnixMillis now = clock_.wall_ms();
  command::BatchBuilder batch(options_.value_bytes_max);
  if (history_.max_bytes != options_.history_bytes_max ||
      history_.max_age_ms != options_.history_age_max_ms) {
    batch.add_history_policy(options_.history_bytes_max, options_.history_age_max_ms);
  }
  const UnixMillis first = state_.first_deadline.load(std::memory_order_relaxed);
  if ((first != 0 && first <= now) || command::history_due(history_, now)) {
    batch.add_expire_due(options_.expire_batch_max);
  }
  if (batch.empty()) return;
  auto id = core_.propose(batch.take(), now);
  if (id) upkeep_in_flight_ = *id;
}

void RaftStage::perform(raft::Ready ready) {
  if (ready.persist) log_writer_->post_persist(std::move(*ready.persist));
  for (raft::Envelope& envelope : ready.messages) {
    const raft::NodeId to = envelope.to;
    peers_.send(to, std::move(envelope));
  }
  for (raft::NodeId peer : ready.snapshot_peers) send_snapshot(peer);
  for (const raft::ReadGrant& grant : ready.reads) answer_read(grant.context, true, grant.index);
  for (uint64_t context : ready.lost_reads) answer_read(context, false, raft::Index());
  if (!ready.committed.empty()) apply(std::move(ready.committed));
}

void RaftStage::send_snapshot(raft::NodeId peer) {
  const raft::Member* member = raft::find_member(core_.configuration().members, peer);
  if (member == nullptr) return core_.snapshot_sent(peer, {}, false);
  peers_.send_snapshot(*member, core_.first_index().prev());
}

void RaftStage::apply(std::vector<raft::EntryPtr> entries) {
  std::vector<CommittedEntry> committed;
  committed.reserve(entries.size());
  for (raft::EntryPtr& entry : entries) {
    if (upkeep_in_flight_ && upkeep_in_flight_->index <= entry->id.index) {
      upkeep_in_flight_.reset();
    }
    administration_.committed(entry->id);
    if (entry->kind == raft::EntryKind::kConfiguration) note_membership(*entry);
    std::optional<BatchOrigin> origin = origin_of(*entry);
    committed.push_back({std::move(entry), std::move(origin)});
  }
  applier_->post_apply(std::move(committed));
}

std::optional<BatchOrigin> RaftStage::origin_of(const raft::Entry& entry) {
  if (own_writes_.empty() || entry.kind != raft::EntryKind::kCommands) return std::nullopt;
  std::optional<command::BatchIdentity> identity = command::identity_of(entry.data);
  if (!identity) return std::nullopt;
  return own_writes_.hand_over(*identity, entry.id.index);
}

void RaftStage::note_membership(const raft::Entry& entry) {
  raft::Configuration configuration;
  if (!raft::decode(entry.data, configuration)) return;
  committed_members_ = configuration.members;
  links_stale_ = true;
  // Replayed: a newer one was in the log when this node started.
  if (entry.id.index < member_since_) return;
  const bool member = raft::find_member(configuration.members, own_writes_.node()) != nullptr;
  if (std::exchange(member_, member) && !member) peers_.removed();
}

// Links stand to the members of the newest configuration, and to those it removes until that is
// committed: a leader that removes itself has to hear that it is.
void RaftStage::note_configuration() {
  const raft::Configuration& newest = core_.configuration();
  if (known_configuration_ == newest && !links_stale_) return;
  known_configuration_ = newest;
  links_stale_ = false;
  const bool alone = newest.members.size() <= 1;
  state_.has_peers.store(!alone, std::memory_order_relaxed);
  state_.replicas_of_acknowledged.store(newest.voters.size() / 2, std::memory_order_relaxed);
  std::vector<raft::Member> linked = newest.members;
  for (const raft::Member& member : committed_members_) {
    if (raft::find_member(newest.members, member.id) == nullptr) linked.push_back(member);
  }
  peers_.members_changed(linked);
}

void RaftStage::answer_read(uint64_t core_context, bool granted, raft::Index index) {
  auto found = std::find_if(
      pending_reads_.begin(), pending_reads_.end(),
      [core_context](const PendingRead& read) { return read.core_context == core_context; });
  if (found == pending_reads_.end()) return;
  clients_.read_granted(found->loop, found->context, granted, index);
  pending_reads_.erase(found);
}

void RaftStage::publish() {
  // Entries that earlier leaders acknowledged are committed here by the first entry of this term; a
  // read under the lease must see them applied.
  if (!core_.leader_ready()) {
    ready_at_ = {};
  } else if (ready_at_ == raft::Index()) {
    ready_at_ = core_.commit_index();
  }
  bool caught_up = core_.leader_ready() && state_.applied_index.load() >= ready_at_.value();
  // Ticks stand for the moments at which they were due, so the lease, counted in ticks from the
  // sending of a round, never reaches further than it would on the clock itself.
  Monotonic lease_until{0};
  if (uint32_t left = core_.lease_ticks_left(); left > 0 && caught_up) {
    lease_until = started_ + (ticks_ + left) * Monotonic(options_.tick);
  }
  if (lease_until.count() > 0) {
    state_.up_to_date_ns.store(clock_.monotonic().count(), std::memory_order_relaxed);
  } else if (freshness_ && state_.applied_index.load() >= freshness_->commit.value()) {
    state_.up_to_date_ns.store(freshness_->heard.count(), std::memory_order_relaxed);
    freshness_.reset();
  }
  // Before the lease: who sees the lease sees what was committed.
  state_.commit_index.store(core_.commit_index().value());
  state_.lease_until_ns.store(lease_until.count());
  state_.leader_id.store(core_.leader().value(), std::memory_order_relaxed);
  const bool leads = core_.role() == raft::Role::kLeader;
  state_.leader.store(leads, std::memory_order_relaxed);
  state_.leads_own_writes.store(leads && !own_writes_.empty(), std::memory_order_relaxed);
  state_.term.store(core_.term().value(), std::memory_order_relaxed);
}

}  // namespace kvorum::server
