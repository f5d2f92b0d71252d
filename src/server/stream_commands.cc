// XREAD, XRANGE, XREVRANGE, XLEN, XINFO: the history of changes as a stream; CLIENT UNBLOCK.

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "command/parse.h"
#include "resp/decimal.h"
#include "server/client_context.h"
#include "server/client_loop.h"
#include "server/command_rows.h"
#include "server/dispatcher.h"
#include "server/loop_group.h"
#include "server/stream_id.h"
#include "server/text.h"
#include "server/watch_channel.h"

namespace kvorum::server {

namespace {

using command::Args;
using command::CommandSpec;

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

// The key or glob that a stream's name stands for. Nothing: an error was written.
std::optional<std::string_view> target_of(ClientContext& client, std::string_view name) {
  if (!name.starts_with(kWatchPrefix)) {
    client.reply().error(
        "ERR only the history of changes can be read as a stream: __watch__:<key or glob>");
    return std::nullopt;
  }
  if (!client.loop().config().watch.enabled) {
    client.reply().error("ERR watches are switched off here (watch.enabled)");
    return std::nullopt;
  }
  return name.substr(kWatchPrefix.size());
}

EventId last_change(ClientContext& client) {
  return client.dispatcher().reader().view().applied_state().history.last;
}

// What must be held of the history for one who asked from `id` on.
std::optional<EventId> needed_from(EventId id) {
  return is_beginning(id) ? std::nullopt : std::optional(id);
}

// Entries that one reply may have: well below where the connection would be closed for it, and at
// most as much as a request.
size_t reply_bytes_max(ClientContext& client) {
  const uint64_t closed_at = client.loop().output_limit(client.session()).hard_bytes;
  const uint64_t most = client.loop().config().server.max_command_bytes;
  return closed_at == 0 ? most : std::min(most, closed_at / 2);
}

// COUNT of XRANGE; `most` stays as it is without. False: an error was written.
bool parse_range_count(ClientContext& client, Args options, int64_t& most) {
  for (size_t i = 0; i < options.size(); i += 2) {
    if (!same_word(options[i], "count") || i + 1 == options.size()) {
      client.reply().error(command::errors::kSyntax);
      return false;
    }
    const std::optional<int64_t> count = command::parse_integer(options[i + 1], client.reply());
    if (!count) return false;
    most = *count;
  }
  return true;
}

template <bool kBack>
void range(ClientContext& client, Args args) {
  const Result<EventId> from = parse_range_start(args[kBack ? 3 : 2]);
  if (!from) return client.reply().error(from.error().message);
  const Result<EventId> to = parse_range_end(args[kBack ? 2 : 3]);
  if (!to) return client.reply().error(to.error().message);
  int64_t most = std::numeric_limits<int64_t>::max();
  if (!parse_range_count(client, args.subspan(4), most)) return;
  const std::optional<std::string_view> target = target_of(client, args[1]);
  if (!target) return;
  if (most <= 0) return client.reply().null_array();
  const EventId through = std::min(*to, last_change(client));
  const std::optional<EventId> needed = needed_from(*from);
  HistoryScan scan = kBack ? HistoryScan::backward(*from, through, needed)
                           : HistoryScan::forward(id_before(*from), through, needed);
  client.loop().streams().start(
      client, std::move(scan),
      std::make_unique<RangeQuestion>(client.session(), *target, static_cast<uint64_t>(most),
                                      reply_bytes_max(client)));
}

template <class Question>
void ask_about_all(ClientContext& client, std::string_view name) {
  const std::optional<std::string_view> target = target_of(client, name);
  if (!target) return;
  client.loop().streams().start(client, HistoryScan::forward({}, last_change(client), std::nullopt),
                                std::make_unique<Question>(client.session(), *target));
}

void xlen(ClientContext& client, Args args) {
  ask_about_all<LengthQuestion>(client, args[1]);
}

void xinfo_stream(ClientContext& client, Args args) {
  if (args.size() > 3) {
    return client.reply().error(fmt::format(
        "ERR unknown subcommand or wrong number of arguments for '{}'. Try XINFO HELP.", args[1]));
  }
  ask_about_all<InfoQuestion>(client, args[2]);
}

void xinfo_help(ClientContext& client, Args) {
  static constexpr std::string_view kLines[] = {
      "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "STREAM <key>",
      "    Show information about the stream.",
      "HELP",
      "    Print this help.",
  };
  client.reply().simple_lines(kLines);
}

// XREAD as it was sent.
struct ReadRequest {
  uint64_t most = kUnlimited;
  std::optional<int64_t> block_ms;  // 0: for ever
  Args names;
  Args ids;
};

bool parse_block(ClientContext& client, std::string_view text, ReadRequest& request) {
  request.block_ms = resp::parse_integer(text);
  if (!request.block_ms) {
    client.reply().error("ERR timeout is not an integer or out of range");
  } else if (*request.block_ms < 0) {
    client.reply().error("ERR timeout is negative");
  } else {
    return true;
  }
  return false;
}

bool parse_read_count(ClientContext& client, std::string_view text, ReadRequest& request) {
  const std::optional<int64_t> count = command::parse_integer(text, client.reply());
  if (count) request.most = *count > 0 ? static_cast<uint64_t>(*count) : kUnlimited;
  return count.has_value();
}

bool parse_streams(ClientContext& client, Args streams, ReadRequest& request) {
  if (streams.size() % 2 != 0) {
    client.reply().error(
        "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be "
        "specified.");
    return false;
  }
  request.names = streams.first(streams.size() / 2);
  request.ids = streams.subspan(streams.size() / 2);
  return true;
}

// False: an error was written.
bool parse_read(ClientContext& client, Args args, ReadRequest& request) {
  for (size_t i = 1; i + 1 < args.size(); i += 2) {
    if (same_word(args[i], "streams")) return parse_streams(client, args.subspan(i + 1), request);
    if (same_word(args[i], "block")) {
      if (!parse_block(client, args[i + 1], request)) return false;
    } else if (same_word(args[i], "count")) {
      if (!parse_read_count(client, args[i + 1], request)) return false;
    } else {
      break;
    }
  }
  client.reply().error(command::errors::kSyntax);
  return false;
}

// Fills the names of a read. False: an error was written.
bool fill_names(ClientContext& client, const ReadRequest& request, std::vector<ReadName>& names) {
  const EventId last = last_change(client);
  for (size_t i = 0; i < request.names.size(); ++i) {
    const Result<EventId> after =
        request.ids[i] == "$" ? last : parse_read_position(request.ids[i]);
    if (!after) {
      client.reply().error(after.error().message);
      return false;
    }
    const std::optional<std::string_view> target = target_of(client, request.names[i]);
    if (!target) return false;
    ReadName& name = names.emplace_back();
    name.session = &client.session();
    name.name = request.names[i];
    name.target = *target;
    name.after = *after;
  }
  return true;
}

// Of the names that do not begin with the oldest change, the one that goes back furthest.
std::optional<EventId> needed_by(const std::vector<ReadName>& names) {
  std::optional<EventId> needed;
  for (const ReadName& name : names) {
    if (is_beginning(name.after)) continue;
    needed = needed ? std::min(*needed, name.after) : name.after;
  }
  return needed;
}

void xread(ClientContext& client, Args args) {
  ReadRequest request;
  if (!parse_read(client, args, request)) return;
  std::vector<ReadName> names;
  if (!fill_names(client, request, names)) return;
  const EventId after = std::ranges::min(names, {}, &ReadName::after).after;
  HistoryScan scan = HistoryScan::forward(after, last_change(client), needed_by(names));
  auto question =
      std::make_unique<ReadQuestion>(std::move(names), request.most, reply_bytes_max(client));
  StreamReads& streams = client.loop().streams();
  const Session& session = client.session();
  // A transaction waits for nothing, nor does a client that may have gone.
  if (!request.block_ms || session.running || session.input_ended) {
    return streams.start(client, std::move(scan), std::move(question));
  }
  std::optional<std::chrono::milliseconds> timeout;
  if (*request.block_ms > 0) timeout = std::chrono::milliseconds(*request.block_ms);
  streams.start_blocking(client, std::move(scan), std::move(question), timeout);
}

void client_unblock(ClientContext& client, Args args) {
  StreamReads::Unblock how = StreamReads::Unblock::kTimeout;
  if (args.size() > 4) {
    return client.reply().error(fmt::format(
        "ERR unknown subcommand or wrong number of arguments for '{}'. Try CLIENT HELP.", args[1]));
  }
  if (args.size() == 4 && same_word(args[3], "error")) {
    how = StreamReads::Unblock::kError;
  } else if (args.size() == 4 && !same_word(args[3], "timeout")) {
    return client.reply().error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
  }
  const std::optional<int64_t> number = command::parse_integer(args[2], client.reply());
  if (!number) return;
  const auto id = static_cast<uint64_t>(*number);
  ClientLoop& there = client.node().loops.loop_of(id);
  if (&there == &client.loop()) {
    return client.reply().integer(there.streams().unblock(id, how) ? 1 : 0);
  }
  there.post_task([deferred = client.defer(), id, how](ClientLoop& loop) {
    const bool unblocked = loop.streams().unblock(id, how);
    deferred.reply([&](resp::ReplyWriter& reply) { reply.integer(unblocked ? 1 : 0); });
  });
}

constexpr std::string_view kOfHistory =
    "O(N) where N is the number of changes in the part of the history that is read, whichever "
    "keys they are of.";

// As Redis says of commands that give nothing of what a key holds.
constexpr CommandSpec without_access(CommandSpec spec) {
  spec.key_flags = "RO";
  return spec;
}

constexpr LocalFamily kHistory{"stream", "@read @stream @slow", command::kFlagReadOnly,
                               command::kOneKey};

constexpr CommandSpec kStreamRows[] = {
    {.name = "xread",
     .arity = -4,
     .flags = command::kFlagReadOnly | command::kFlagBlocking | command::kFlagMovableKeys,
     .key_keyword = "STREAMS",
     .key_flags = "RO access",
     .group = "stream",
     .categories = "@read @stream @slow @blocking",
     .since = "5.0.0",
     .complexity = kOfHistory,
     .summary = "Get the changes of keys after given ones, or wait for the next",
     .syntax = "[COUNT count] [BLOCK milliseconds] STREAMS <key [key ...] id [id ...]>",
     .handler = command::Local{xread}},
    local_row(kHistory, "xrange", -4, "5.0.0", kOfHistory,
              "Get the changes of keys in a range of ids",
              "key start:string end:string [COUNT count]", range<false>),
    local_row(kHistory, "xrevrange", -4, "5.0.0", kOfHistory,
              "Get the changes of keys in a range of ids, the newest first",
              "key end:string start:string [COUNT count]", range<true>),
    without_access(local_row({"stream", "@read @stream @fast",
                              command::kFlagReadOnly | command::kFlagFast, command::kOneKey},
                             "xlen", 2, "5.0.0", kOfHistory,
                             "Count the changes of keys that are held", "key", xlen)),
    container_row({"stream", "@slow"}, "xinfo", "5.0.0",
                  "A container for commands that describe streams"),
    local_row({"stream", "@read @stream @slow", command::kFlagReadOnly, {2, 2, 1}}, "xinfo|stream",
              -3, "5.0.0", kOfHistory, "Describe the changes of keys that are held", "key",
              xinfo_stream),
    help_row({"stream", "@stream @slow", kLoadingStale}, "xinfo|help", "5.0.0", xinfo_help),
    local_row(kConnectionAdmin, "client|unblock", -3, "5.0.0", "O(1)",
              "End the waiting of another connection", "client-id [TIMEOUT | ERROR]",
              client_unblock),
};

}  // namespace

std::span<const CommandSpec> stream_commands() {
  return kStreamRows;
}

}  // namespace kvorum::server
