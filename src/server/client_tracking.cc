#include "server/client_tracking.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/splitmix64.h"
#include "command/table.h"
#include "net/connection.h"
#include "resp/reply_writer.h"
#include "server/client_loop.h"
#include "server/loop_group.h"

namespace kvorum::server {

namespace {

constexpr std::string_view kChannel = "__redis__:invalidate";

// Keys are evicted in steps, when there are far too many because the limit was lowered.
constexpr size_t kEvictionsMax = 100;

// Own revisions whose changes are long in coming: of the oldest it is forgotten whose they are.
constexpr size_t kOwnRevisionsMax = 100'000;

// A reply of several parts is being put together. What is told now may be about a part of it.
bool assembles_reply(const Session& session) {
  return session.running && !session.running->reply.empty();
}

// FLUSHALL alone removes keys without a class.
bool is_flush(const command::HistoryEvent& event) {
  return event.kind->notify == command::events::kFlushed.notify;
}

}  // namespace

ClientTracking::ClientTracking(ClientLoop& loop, LocalReader& reader, const WriteBatcher& writes)
    : loop_(loop), reader_(reader), writes_(writes), random_(loop.number()) {}

void ClientTracking::start(Session& session, const TrackingOptions& options,
                           std::span<const std::string> prefixes) {
  if (session.tracking == nullptr) session.tracking = std::make_unique<TrackingState>();
  TrackingState& state = *session.tracking;
  state.options = options;
  state.redirect_broken = false;
  table_.start(session);
  auto add_prefix = [&](const std::string& prefix) {
    if (state.prefixes.insert(prefix).second) table_.add_prefix(session, prefix);
  };
  for (const std::string& prefix : prefixes) add_prefix(prefix);
  if (options.broadcast && prefixes.empty()) add_prefix("");
  wants_writers_.store(true, std::memory_order_relaxed);
  loop_.update_listening();
  // Changes before this view may not pass any more.
  passed_ = std::max(passed_, last_change_of(reader_.view().applied_state().revision));
}

void ClientTracking::stop(Session& session) {
  if (session.tracking == nullptr) return;
  table_.stop(session);
  session.tracking.reset();
  if (!table_.active()) {
    own_.clear();
    wants_writers_.store(false, std::memory_order_relaxed);
  }
  loop_.update_listening();
}

void ClientTracking::note_read(Session& session, const command::CommandSpec& spec,
                               command::Args args, EventId seen) {
  if ((spec.flags & command::kFlagReadOnly) == 0) return;
  const TrackingState& state = *session.tracking;
  const TrackingOptions& options = state.options;
  if ((options.opt_in && !state.caching) || (options.opt_out && state.caching)) return;
  // A broadcast of what this command's transaction changed waits for the reply as well.
  const bool waits = state.changed > state.answered;
  if (options.broadcast && (seen >= passed_ || waits)) return;
  for (std::string_view key : command::keys_of(spec, args)) {
    const News news = news_of(session, key, seen);
    if (news == News::kUntold) tell(session, array_of_key(key));
    if (news == News::kNone && !options.broadcast) table_.remember(session, key, seen);
  }
  evict();
}

// What has passed after `seen` of `key`. It is not kept, but for the changes of a transaction until
// it is answered; beyond them the key itself tells. One that is not there may have been. The caller
// tells what is untold.
ClientTracking::News ClientTracking::news_of(Session& session, std::string_view key, EventId seen) {
  if (seen >= passed_) return News::kNone;
  if (auto& own = session.tracking->own) {
    if (own->flush > seen) return News::kTold;
    const auto change = own->keys.find(std::string(key));
    if (change != own->keys.end() && !change->second.changes.empty() &&
        change->second.changes.back() > seen) {
      // As in Redis, the change that comes first after a read tells all who read before it, once.
      const EventId first = *std::ranges::upper_bound(change->second.changes, seen);
      const EventId told = std::exchange(change->second.told, std::max(change->second.told, first));
      return session.tracking->options.no_loop || told >= first ? News::kTold : News::kUntold;
    }
    if (passed_.revision <= own->revision) return News::kNone;
  }
  storage::View& view = reader_.view();
  if (last_change_of(view.applied_state().revision) < passed_) return News::kUntold;
  const std::optional<storage::KeyHeader> header = view.header(key);
  return header && header->modified <= seen ? News::kNone : News::kUntold;
}

void ClientTracking::note_executed(uint64_t batch,
                                   std::span<const command::ReachedRevision> reached) {
  if (!active()) return;
  for (size_t item = 0; item < reached.size(); ++item) {
    if (!reached[item].changed) continue;
    const WriteTarget& target = writes_.target(batch, item);
    const Session* session = loop_.find(target.slot, target.session_id);
    if (session == nullptr || session->tracking == nullptr) continue;
    own_.push_back({reached[item].revision, target.slot, target.session_id, {batch, item}});
    if (own_.size() > kOwnRevisionsMax) own_.pop_front();
  }
}

// The connection that made `revision`, when it tracks and is one of this loop; else null. What it
// is told waits for its reply from here on.
Session* ClientTracking::writer_of(uint64_t revision) {
  while (!own_.empty() && own_.front().revision < revision) own_.pop_front();
  if (own_.empty() || own_.front().revision != revision) return nullptr;
  const OwnRevision& own = own_.front();
  Session* session = loop_.find(own.slot, own.session_id);
  if (session == nullptr || session->tracking == nullptr) return nullptr;
  session->tracking->changed = std::max(session->tracking->changed, own.write);
  return session;
}

void ClientTracking::note_own_change(Session& writer, const command::HistoryEvent& event) {
  auto& own = writer.tracking->own;
  if (!own) own.emplace();
  own->revision = event.id.revision;
  if (is_flush(event)) {
    own->flush = event.id;
  } else {
    own->keys[std::string(event.key)].changes.push_back(event.id);
  }
}

void ClientTracking::passed(const command::HistoryEvent& event) {
  if (!active()) return;
  passed_ = std::max(passed_, event.id);
  Session* writer = writer_of(event.id.revision);
  if (writer != nullptr && writer->running) note_own_change(*writer, event);
  if (is_flush(event)) {
    const bool first = std::exchange(flushed_, event.id.revision) != event.id.revision;
    return first ? everything_changed() : void();
  }
  std::string keys;
  table_.changed(event.key, event.id, writer != nullptr ? writer->id : 0, [&](Session& reader) {
    if (keys.empty()) keys = array_of_key(event.key);
    if (&reader == writer && writer->tracking->own) {
      writer->tracking->own->keys[std::string(event.key)].told = event.id;
    }
    tell(reader, keys);
  });
}

void ClientTracking::lost() {
  if (!active()) return;
  own_.clear();
  passed_ = std::max(passed_, last_change_of(loop_.node().state.revision.load()));
  table_.for_each([](Session& tracker) { tracker.tracking->own.reset(); });
  everything_changed();
}

void ClientTracking::everything_changed() {
  table_.forget_keys();
  table_.for_each([this](Session& tracker) { tell(tracker, {}); });
}

void ClientTracking::finish_turn() {
  if (!active()) return;
  evict();
  table_.broadcast([this](Session& tracker, const std::string& keys) { tell(tracker, keys); });
}

// Every loop has a table of its own, and an equal part of what they may hold together.
void ClientTracking::evict() {
  const uint64_t limit = loop_.config().tracking.table_max_keys;
  if (limit == 0) return;
  const uint64_t keys_max = std::max<uint64_t>(limit / loop_.node().loops.size(), 1);
  if (table_.keys() <= keys_max) return;
  table_.evict(keys_max, kEvictionsMax, splitmix64(random_),
               [this](Session& reader, std::string_view key) { tell(reader, array_of_key(key)); });
}

void ClientTracking::tell(Session& tracker, const std::string& keys) {
  TrackingState& state = *tracker.tracking;
  if (state.changed <= state.answered && !assembles_reply(tracker)) return deliver(tracker, keys);
  state.held.push_back({state.changed, keys});
}

void ClientTracking::deliver(Session& tracker, const std::string& keys) {
  const uint64_t redirect = tracker.tracking->options.redirect;
  if (redirect != 0 && redirect != tracker.id) return deliver_redirected(tracker, keys);
  // RESP2 has no place for it between replies; a subscriber may redirect to itself.
  if (redirect == 0 && tracker.protocol != resp::Protocol::kResp3) return;
  write(tracker, keys);
}

void ClientTracking::note_answered(Session& session, WriteReference write) {
  session.tracking->answered = write;
  release(session);
}

// All writes of the connection are answered: the next command runs after this one.
void ClientTracking::note_transaction_answered(Session& session) {
  session.tracking->answered = std::max(session.tracking->answered, session.tracking->changed);
  session.tracking->own.reset();
  release(session);
}

void ClientTracking::release(Session& session) {
  TrackingState& state = *session.tracking;
  while (!state.held.empty() && state.held.front().reply <= state.answered) {
    deliver(session, state.held.front().keys);
    state.held.pop_front();
  }
}

void ClientTracking::write(Session& receiver, const std::string& keys) {
  if (receiver.closing) return;
  const bool pushes = receiver.protocol == resp::Protocol::kResp3;
  if (!pushes && !receiver.subscribed()) return;
  resp::ReplyWriter writer(receiver.connection->out(), receiver.protocol);
  if (pushes) {
    writer.push(2);
    writer.bulk("invalidate");
  } else {
    writer.array(3);
    writer.bulk("message");
    writer.bulk(kChannel);
  }
  if (keys.empty()) {
    writer.null();
  } else {
    writer.raw(keys);
  }
  loop_.check_output(receiver);
}

void ClientTracking::deliver_redirected(Session& tracker, const std::string& keys) {
  const uint64_t id = tracker.tracking->options.redirect;
  const uint32_t slot = tracker.tracking->options.redirect_slot;
  ClientLoop& there = loop_.node().loops.loop_of(id);
  if (&there == &loop_) {
    Session* receiver = loop_.find(slot, id);
    return receiver != nullptr ? write(*receiver, keys) : redirect_broke(tracker, id);
  }
  auto tell_back = [this, id, tracker_slot = tracker.slot, tracker_id = tracker.id](ClientLoop&) {
    Session* session = loop_.find(tracker_slot, tracker_id);
    if (session != nullptr) redirect_broke(*session, id);
  };
  there.post_task([this, slot, id, keys, tell_back](ClientLoop& loop) {
    Session* receiver = loop.find(slot, id);
    if (receiver != nullptr) return loop.tracking().write(*receiver, keys);
    loop_.post_task(tell_back);
  });
}

// The connection that should have been told is gone. As in Redis, it is noticed when there is
// something to tell, and said each time.
void ClientTracking::redirect_broke(Session& tracker, uint64_t redirect) {
  if (tracker.tracking == nullptr || tracker.tracking->options.redirect != redirect) return;
  tracker.tracking->redirect_broken = true;
  if (tracker.protocol != resp::Protocol::kResp3 || tracker.closing) return;
  resp::ReplyWriter writer(tracker.connection->out(), tracker.protocol);
  writer.push(2);
  writer.bulk("tracking-redir-broken");
  writer.integer(static_cast<int64_t>(redirect));
  loop_.check_output(tracker);
}

void ClientTracking::count(LoopStats& stats) const {
  stats.tracking_clients = table_.sessions();
  stats.tracking_keys = table_.keys();
  stats.tracking_items = table_.items();
  stats.tracking_prefixes = table_.prefixes();
}

}  // namespace kvorum::server
