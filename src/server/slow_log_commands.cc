// SLOWLOG GET, LEN, RESET.

#include <algorithm>
#include <limits>
#include <optional>

#include "resp/decimal.h"
#include "server/client_context.h"
#include "server/command_rows.h"
#include "server/diagnostics.h"

namespace kvorum::server {

namespace {

using command::Args;
using command::CommandSpec;

void write_entries(const SlowLog& log, size_t count, resp::ReplyWriter& reply) {
  count = std::min(count, log.size());
  reply.array(count);
  for (const SlowLog::Entry& entry : log.entries()) {
    if (count-- == 0) break;
    reply.array(6);
    reply.integer(static_cast<int64_t>(entry.id));
    reply.integer(static_cast<int64_t>(entry.unix_s));
    reply.integer(entry.elapsed_us);
    reply.array(entry.args.size());
    for (const std::string& arg : entry.args) reply.bulk(arg);
    reply.bulk(entry.address);
    reply.bulk(entry.client_name);
  }
}

void slowlog_get(ClientContext& client, Args args) {
  if (args.size() > 3) {
    return client.reply().error(fmt::format(
        "ERR unknown subcommand or wrong number of arguments for '{}'. Try SLOWLOG HELP.",
        args[1]));
  }
  constexpr int64_t kCountDefault = 10;
  const std::optional<int64_t> count =
      args.size() == 3 ? resp::parse_integer(args[2]) : kCountDefault;
  if (!count || *count < -1) {
    return client.reply().error("ERR count should be greater than or equal to -1");
  }
  const size_t most =
      *count == -1 ? std::numeric_limits<size_t>::max() : static_cast<size_t>(*count);
  answer_from_diagnostics(client, [most](Diagnostics& diagnostics, resp::ReplyWriter& reply) {
    write_entries(diagnostics.slow_log(), most, reply);
  });
}

void slowlog_len(ClientContext& client, Args) {
  answer_from_diagnostics(client, [](Diagnostics& diagnostics, resp::ReplyWriter& reply) {
    reply.integer(static_cast<int64_t>(diagnostics.slow_log().size()));
  });
}

void slowlog_reset(ClientContext& client, Args) {
  answer_from_diagnostics(client, [](Diagnostics& diagnostics, resp::ReplyWriter& reply) {
    diagnostics.slow_log().reset();
    reply.ok();
  });
}

void slowlog_help(ClientContext& client, Args) {
  static constexpr std::string_view kLines[] = {
      "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "GET [<count>]",
      "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
      "    Entries are made of:",
      "    id, timestamp, time in microseconds, arguments array, client IP and port,",
      "    client name",
      "LEN",
      "    Return the length of the slowlog.",
      "RESET",
      "    Reset the slowlog.",
      "HELP",
      "    Print this help.",
  };
  client.reply().simple_lines(kLines);
}

constexpr LocalFamily kSlowLog{"server", "@admin @slow @dangerous",
                               command::kFlagAdmin | kLoadingStale};

constexpr CommandSpec kSlowLogRows[] = {
    container_row({"server", "@slow"}, "slowlog", "2.2.12", "A container for slow log commands"),
    local_row(kSlowLog, "slowlog|get", -2, "2.2.12",
              "O(N) where N is the number of entries returned",
              "Get the latest entries of the slow log", "[count]", slowlog_get,
              "request_policy:all_nodes nondeterministic_output"),
    local_row(kSlowLog, "slowlog|len", 2, "2.2.12", "O(1)", "Count the entries of the slow log", "",
              slowlog_len,
              "request_policy:all_nodes response_policy:agg_sum nondeterministic_output"),
    local_row(kSlowLog, "slowlog|reset", 2, "2.2.12",
              "O(N) where N is the number of entries in the slow log",
              "Forget all entries of the slow log", "", slowlog_reset,
              "request_policy:all_nodes response_policy:all_succeeded"),
    help_row({"server", "@slow", kLoadingStale}, "slowlog|help", "6.2.0", slowlog_help),
};

}  // namespace

std::span<const CommandSpec> slow_log_commands() {
  return kSlowLogRows;
}

}  // namespace kvorum::server
