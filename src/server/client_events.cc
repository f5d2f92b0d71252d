// The ClientLoop's part in pub/sub, watches, keyspace notifications and MONITOR.

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "net/connection.h"
#include "server/client_loop.h"
#include "server/event_text.h"
#include "server/logger.h"
#include "server/loop_group.h"

namespace kvorum::server {

namespace {

// How much history is read in one turn for those that are behind.
constexpr size_t kCatchUpBytes = 256 << 10;

// A watcher with more unsent than this is behind.
constexpr size_t kUnsentBytesMax = 1 << 20;

}  // namespace

void ClientLoop::subscribe(Subscription& subscription) {
  if (!subscription.watch) return pubsub().subscribe(subscription);
  // First, so that whatever is not in the view comes live, or leaves a gap that is noticed.
  feed_.watch(subscription);
  update_listening();
}

void ClientLoop::unsubscribe(Subscription& subscription) {
  if (!subscription.watch) return pubsub().unsubscribe(subscription);
  feed_.unwatch(subscription);
  update_listening();
}

void ClientLoop::unsubscribe_all(Session& session) {
  for (auto* subscriptions : {&session.channels, &session.patterns, &session.shard_channels}) {
    for (auto& [name, subscription] : *subscriptions) unsubscribe(subscription);
    subscriptions->clear();
  }
}

void ClientLoop::update_listening() {
  const bool to_all = tracking_.active() || streams_.wants_changes();
  if (std::exchange(listens_to_all_, to_all) != to_all) {
    if (to_all) {
      node_.state.interest.add_all();
    } else {
      node_.state.interest.remove_all();
    }
  }
  const bool wanted = to_all || pubsub().watches() > 0;
  if (listening_.exchange(wanted) == wanted) return;
  if (wanted) {
    feed_.start(dispatcher_.reader().view());
  } else {
    feed_.stop();
  }
}

// A slice in every turn: clients and live changes are served between.
void ClientLoop::catch_up() {
  if (!feed_.lags()) return;
  LocalReader& reader = dispatcher_.reader();
  feed_.catch_up(reader.view(), reader.reader(), kCatchUpBytes);
  if (feed_.lags()) events_.look_again();
}

void ClientLoop::on_drained(Session& session) {
  feed_.has_room(session);
}

bool ClientLoop::Watches::has_room(Session& session) {
  net::Connection& connection = *session.connection;
  const size_t unsent = connection.output_bytes();
  if (unsent == 0) session.events_unsent = 0;
  const Config& config = loop_.config();
  const OutputBufferLimit& limit = config.server.output_buffer_pubsub;
  size_t bytes_max = kUnsentBytesMax;
  for (uint64_t bound : {limit.hard_bytes, limit.soft_bytes}) {
    if (bound > 0) bytes_max = std::min<size_t>(bytes_max, bound / 2);
  }
  if (unsent < bytes_max && session.events_unsent < config.watch.watcher_buffer_size) return true;
  connection.want_drained();
  return false;
}

void ClientLoop::Watches::event(Subscription& subscription, const command::HistoryEvent& event) {
  ++subscription.session->events_unsent;
  ++loop_.stats_.events_sent;
  Session& session = *subscription.session;
  if (session.closing) return;
  if (frame_.id != event.id || frame_.kind != subscription.kind ||
      frame_.protocol != session.protocol || frame_.name != subscription.name) {
    text_.set(event);
    frame_.id = event.id;
    frame_.kind = subscription.kind;
    frame_.protocol = session.protocol;
    frame_.name = subscription.name;
    frame_.bytes.clear();
    const bool pattern = subscription.kind == SubscriptionKind::kPattern;
    write_message(subscription, pattern ? text_.channel() : subscription.name, text_.payload(),
                  frame_.bytes);
  }
  session.connection->out().append(frame_.bytes);
  loop_.check_output(session);
}

void ClientLoop::Watches::mark(Subscription& subscription, WatchMark mark, EventId id) {
  if (mark == WatchMark::kLost) ++loop_.stats_.watches_lost;
  loop_.send_message(subscription, subscription.name,
                     fmt::format("{} {}", mark == WatchMark::kSync ? "sync" : "lost", id));
}

void ClientLoop::Watches::passed(const command::HistoryEvent& event) {
  loop_.tracking_.passed(event);
  loop_.streams_.passed(event);
  loop_.notify_keyspace(event);
}

void ClientLoop::Watches::gap() {
  loop_.tracking_.lost();
  loop_.streams_.gap();
  log_warning(
      "watchers were told `lost`: changes were compacted before they could be read "
      "(watch.history.max_bytes, watch.history.max_age)");
}

size_t ClientLoop::publish(std::string_view channel, std::string_view message, bool shard) {
  auto deliver = [&](Subscription& subscription) {
    ++stats_.messages_sent;
    send_message(subscription, channel, message);
  };
  return shard ? pubsub().publish_shard(channel, deliver) : pubsub().publish(channel, deliver);
}

void ClientLoop::notify_keyspace(const command::HistoryEvent& event) {
  NotifyFlags flags = config().watch.notify_keyspace_events;
  if (event.kind->notify == command::NotifyClass::kNone ||
      !flags.has(notify_bit(event.kind->notify)))
    return;
  auto publish = [&](const std::string& channel, std::string_view message) {
    pubsub().publish_change(event.key, channel, [&](Subscription& subscription) {
      ++stats_.messages_sent;
      send_message(subscription, channel, message);
    });
  };
  if (flags.has(NotifyFlags::kKeyspace)) {
    publish(fmt::format("__keyspace@0__:{}", event.key), event.kind->name);
  }
  if (flags.has(NotifyFlags::kKeyevent)) {
    publish(fmt::format("__keyevent@0__:{}", event.kind->name), event.key);
  }
}

void ClientLoop::send_message(const Subscription& subscription, std::string_view channel,
                              std::string_view message) {
  Session& session = *subscription.session;
  if (session.closing) return;
  write_message(subscription, channel, message, session.connection->out());
  check_output(session);
}

void ClientLoop::write_message(const Subscription& subscription, std::string_view channel,
                               std::string_view message, std::string& out) {
  resp::ReplyWriter writer(out, subscription.session->protocol);
  switch (subscription.kind) {
    case SubscriptionKind::kPattern:
      writer.push(4);
      writer.bulk("pmessage");
      writer.bulk(subscription.name);
      break;
    case SubscriptionKind::kChannel:
      writer.push(3);
      writer.bulk("message");
      break;
    case SubscriptionKind::kShardChannel:
      writer.push(3);
      writer.bulk("smessage");
      break;
  }
  writer.bulk(channel);
  writer.bulk(message);
}

// A watcher that is behind gets nothing more until its connection has taken what it was sent; one
// that takes nothing for long is gone for good.
void ClientLoop::cut_stalled_watcher(Session& session) {
  const size_t unsent = session.connection->output_bytes();
  if (!session.watcher.behind || unsent == 0 || unsent != session.unsent_seen) {
    session.unsent_seen = unsent;
    session.unsent_since = now();
    return;
  }
  const auto limit = std::chrono::seconds(config().watch.stalled_reader_timeout_s);
  if (limit.count() == 0 || now() - session.unsent_since < limit || session.closing) return;
  log_warning(
      "watcher {} {} closed: it has read nothing for {} s "
      "(watch.stalled_reader_timeout_s)",
      session.id, session.address, limit.count());
  ++stats_.watchers_dropped;
  close(session, false);
}

void ClientLoop::set_monitor(Session& session, bool on) {
  if (session.monitor == on) return;
  session.monitor = on;
  monitors_ += on ? 1 : size_t(-1);
  node_.monitors.fetch_add(on ? 1 : uint32_t(-1));
}

void ClientLoop::feed_monitors(const Session& session, const command::CommandSpec& spec,
                               command::Args args) {
  // Redis shows no administrative commands either: they may hold what not everyone should see.
  if ((spec.flags & (command::kFlagSkipMonitor | command::kFlagAdmin)) != 0) return;
  std::string from = session.address;
  // Redis shows "unix:<path>" here, and "<path>:0" in CLIENT LIST.
  if (from.ends_with(":0")) from = "unix:" + from.substr(0, from.size() - 2);
  auto line = std::make_shared<const std::string>(monitor_line(node_.clock.wall_us(), from, args));
  auto show = [line](ClientLoop& loop) {
    if (loop.monitors_ == 0) return;
    loop.for_each_session([&](Session& viewer) {
      if (!viewer.monitor || viewer.closing) return;
      viewer.connection->out().append(*line);
      loop.check_output(viewer);
    });
  };
  if (node_.loops.size() == 1) return show(*this);
  node_.loops.post_all(show);
}

void ClientLoop::note_slow_command(const Session& session, const command::CommandSpec& spec,
                                   command::Args args, Monotonic elapsed) {
  note_slow(
      slow_command(spec, args, node_.clock.wall_ms(), elapsed, session.address, session.name));
}

// The applier knows the command, this loop whose it was.
void ClientLoop::note_slow_writes(BatchOutcome& outcome) {
  for (SlowWrite& write : outcome.slow) {
    const WriteTarget& target = dispatcher_.writes().target(outcome.batch, write.item);
    const Session* session = find(target.slot, target.session_id);
    if (session != nullptr && !write.note.args.empty()) {
      write.note.address = session->address;
      write.note.client_name = session->name;
    }
    note_slow(std::move(write.note));
  }
}

void ClientLoop::note_slow(SlowNote note) {
  if (number_ == 0) return node_.diagnostics.add(std::move(note), config());
  node_.loops.slow(std::move(note));
}

}  // namespace kvorum::server
