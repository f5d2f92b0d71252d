// Session: what the server knows of one client connection. Lives on the connection's loop, touched
// by nothing else. Waiting is one mechanism: a command that can't run yet is left unconsumed, and
// the connection is asked again when what it waits for has happened.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "command/batch.h"
#include "config/config.h"
#include "resp/protocol.h"
#include "resp/request_parser.h"
#include "server/subscription.h"
#include "server/tracking_state.h"

namespace kvorum::net {
class Connection;
}

namespace kvorum::server {

// CLIENT REPLY. kSkipNext turns into kSkip for one command.
enum class ReplyMode : uint8_t { kOn, kOff, kSkipNext, kSkip };

struct QueuedCommand {
  const command::CommandSpec* spec = nullptr;
  std::vector<std::string> args;
};

// MULTI … EXEC.
struct QueuedTransaction {
  bool open = false;
  bool broken = false;  // a command was refused while queuing: EXEC aborts
  std::vector<QueuedCommand> commands;
  size_t bytes = 0;
};

// An EXEC whose commands on data are done, or under way, and whose local commands run one after the
// other into the same reply.
struct RunningTransaction {
  std::vector<QueuedCommand> commands;
  size_t next = 0;
  std::vector<std::string> data_replies;  // of the commands on data, in order
  size_t next_data_reply = 0;
  std::vector<EventId> data_seen;  // the last change before each of them
  std::string reply;
  bool silent = false;  // CLIENT REPLY said so when EXEC came
};

// What a WatchFeed knows of a session.
struct Watcher {
  size_t watches = 0;
  bool behind = false;  // it reads the history; what happens now is not for it
  bool queued = false;  // for its turn to read on
  bool early = false;   // its watches begin after everything there is
  bool slow = false;    // it is behind because it had no room
  EventId position;     // it was given all it wants up to here
  EventId last_event;   // the newest it was given
};

struct Session {
  uint64_t id = 0;    // CLIENT ID; never used again
  uint32_t slot = 0;  // where the loop keeps it
  net::Connection* connection = nullptr;
  resp::RequestParser parser;
  resp::Protocol protocol = resp::Protocol::kResp2;

  bool authenticated = false;
  std::string name;
  std::string library_name;
  std::string library_version;
  std::string address;
  std::string local_address;
  Monotonic connected_at{0};
  Monotonic last_command_at{0};
  std::string_view last_command = "NULL";  // a row's name, or "NULL" as Redis says
  uint64_t commands = 0;

  Consistency consistency = Consistency::kLease;
  std::optional<uint64_t> max_stale_ms;
  ReplyMode reply_mode = ReplyMode::kOn;
  bool no_evict = false;
  bool no_touch = false;
  bool monitor = false;
  bool input_ended = false;  // the client sends no more
  bool waits = false;        // on one of the loop's lists
  bool closing = false;      // close once what is in the output buffer was sent; no more input

  // Writes sent for replication and not answered yet. Everything but another write waits for them.
  uint32_t writes_in_flight = 0;
  // A command was taken that will be answered later (Deferred); nothing else runs until then.
  bool deferred = false;
  bool deferred_silent = false;
  // A read waits for its read point. Once it is granted, the bytes of input that were there when it
  // was asked for may run under it.
  bool read_point_asked = false;
  size_t read_point_asked_bytes = 0;
  Monotonic read_waits_since{0};  // when the command that waits for it asked first; 0: none waits
  bool read_timed_out = false;
  size_t read_point_bytes = 0;

  QueuedTransaction transaction;
  std::optional<RunningTransaction> running;
  std::vector<command::Watched> watched;
  // There was no leader to WATCH at: who ignores that error must not get an unguarded EXEC.
  bool watch_refused = false;
  void unwatch() {
    watched.clear();
    watch_refused = false;
  }
  // MULTI and WATCH are over.
  void end_transaction() {
    transaction = {};
    unwatch();
  }

  // Ordered, so that UNSUBSCRIBE without names confirms in a stable order.
  using Subscriptions = std::map<std::string, Subscription, std::less<>>;
  Subscriptions channels;
  Subscriptions patterns;
  Subscriptions shard_channels;
  Watcher watcher;
  std::unique_ptr<TrackingState> tracking;  // null while CLIENT TRACKING is off
  size_t subscriptions() const { return channels.size() + patterns.size(); }
  // Replies are dropped.
  bool silent() const { return reply_mode == ReplyMode::kOff || reply_mode == ReplyMode::kSkip; }
  bool subscribed() const { return subscriptions() + shard_channels.size() > 0; }

  // Events appended since the output was last seen empty.
  uint64_t events_unsent = 0;
  // Of a watcher that is behind: what it had not taken when that last changed, and when.
  size_t unsent_seen = 0;
  Monotonic unsent_since{0};
  // When the output buffer went over its soft limit; nothing while below.
  std::optional<Monotonic> over_soft_limit_since;
};

}  // namespace kvorum::server
