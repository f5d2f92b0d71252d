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

void ClientLoop::subscribe(Session& session, SubscriptionKind kind, std::string_view name) {
  pubsub_.subscribe(session, kind, name);
  update_listening();
}

void ClientLoop::unsubscribe(Session& session, SubscriptionKind kind, std::string_view name) {
  pubsub_.unsubscribe(session, kind, name);
  update_listening();
}

void ClientLoop::unsubscribe_all(Session& session) {
  auto undo = [&](auto& names, SubscriptionKind kind) {
    for (const std::string& name : names) pubsub_.unsubscribe(session, kind, name);
    names.clear();
  };
  undo(session.channels, SubscriptionKind::kChannel);
  undo(session.patterns, SubscriptionKind::kPattern);
  undo(session.shard_channels, SubscriptionKind::kShardChannel);
  update_listening();
}

void ClientLoop::update_listening() {
  bool wanted = config().watch.enabled && pubsub_.has_watchers();
  if (listening_.exchange(wanted) == wanted) return;
  if (wanted) {
    node_.state.event_listeners.fetch_add(1);
  } else {
    node_.state.event_listeners.fetch_sub(1);
  }
}

size_t ClientLoop::publish(std::string_view channel, std::string_view message, bool shard) {
  auto deliver = [&](Session& session, std::string_view pattern) {
    ++stats_.messages_sent;
    deliver_message(session, pattern, channel, message, shard);
  };
  return shard ? pubsub_.publish_shard(channel, deliver) : pubsub_.publish(channel, deliver);
}

void ClientLoop::deliver(const command::Event& event) {
  if (config().watch.enabled && pubsub_.has_watchers()) {
    EventText text(event);
    pubsub_.notify(event.key, [&](Session& session, std::string_view pattern) {
      if (session.connection->output_bytes() == 0) session.events_unsent = 0;
      if (++session.events_unsent > config().watch.watcher_buffer_size) {
        return drop_watcher(session, "it reads too slowly (watch.watcher_buffer_size)");
      }
      ++stats_.events_sent;
      deliver_message(session, pattern, text.channel(), text.payload(), false);
    });
  }
  if (event.notify != command::NotifyClass::kNone) notify_keyspace(event);
}

void ClientLoop::notify_keyspace(const command::Event& event) {
  NotifyFlags flags = config().watch.notify_keyspace_events;
  if (!flags.has(notify_bit(event.notify))) return;
  if (flags.has(NotifyFlags::kKeyspace)) {
    publish("__keyspace@0__:" + event.key, event.name, false);
  }
  if (flags.has(NotifyFlags::kKeyevent)) {
    publish(fmt::format("__keyevent@0__:{}", event.name), event.key, false);
  }
}

void ClientLoop::deliver_message(Session& session, std::string_view pattern,
                                 std::string_view channel, std::string_view message, bool shard) {
  if (session.closing) return;
  resp::ReplyWriter writer(session.connection->out(), session.protocol);
  if (pattern.data() == nullptr) {
    writer.push(3);
    writer.bulk(shard ? "smessage" : "message");
  } else {
    writer.push(4);
    writer.bulk("pmessage");
    writer.bulk(pattern);
  }
  writer.bulk(channel);
  writer.bulk(message);
  check_output(session);
}

// A watcher that is cut off knows that it missed something: its connection is gone.
void ClientLoop::drop_watcher(Session& session, std::string_view why) {
  if (session.closing) return;
  log_warning("watcher {} {} closed: {}", session.id, session.address, why);
  ++stats_.watchers_dropped;
  close(session, false);
}

void ClientLoop::drop_watchers(std::string_view why) {
  for_each_session([&](Session& session) {
    if (watches_keys(session)) drop_watcher(session, why);
  });
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
