// INFO, TIME, ROLE, WAIT, LASTSAVE, SAVE, BGSAVE, SHUTDOWN, DEBUG, LOLWUT, CLUSTER.

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "resp/decimal.h"
#include "server/client_context.h"
#include "server/client_loop.h"
#include "server/command_rows.h"
#include "server/info.h"
#include "server/loop_group.h"
#include "server/snapshotter.h"
#include "server/text.h"

namespace kvorum::server {

namespace {

using command::Args;
using command::CommandSpec;

void info(ClientContext& client, Args args) {
  InfoRequest request;
  for (std::string_view arg : args.subspan(1)) request.sections.push_back(lower(arg));
  NodeServices& node = client.node();
  Deferred deferred = client.defer();
  node.loops.gather<LoopStats>(
      client.loop(), [](ClientLoop& loop) { return loop.collect_stats(); },
      [deferred, request, &node](std::vector<LoopStats> loops) {
        LoopStats all;
        for (const LoopStats& stats : loops) all.add(stats);
        deferred.reply([&](resp::ReplyWriter& reply) {
          reply.verbatim("txt", info_text(request, node, all));
        });
      });
}

void time(ClientContext& client, Args) {
  uint64_t now_us = client.node().clock.wall_us();
  client.reply().array(2);
  client.reply().bulk(std::to_string(now_us / 1'000'000));
  client.reply().bulk(std::to_string(now_us % 1'000'000));
}

// A node of one is a master without replicas, as Redis describes it.
void role(ClientContext& client, Args) {
  client.reply().array(3);
  client.reply().bulk("master");
  client.reply().integer(static_cast<int64_t>(client.node().state.applied_index.load()));
  client.reply().array(0);
}

// How many other nodes have every write of this connection: since all of them were acknowledged,
// a majority has. A wait for more ends with its timeout.
void wait(ClientContext& client, Args args) {
  std::optional<int64_t> replicas = resp::parse_integer(args[1]);
  std::optional<int64_t> timeout_ms = resp::parse_integer(args[2]);
  if (!replicas || !timeout_ms) {
    return client.reply().error("ERR value is not an integer or out of range");
  }
  if (*timeout_ms < 0) return client.reply().error("ERR timeout is negative");
  bool in_transaction = client.session().running.has_value();
  const auto have = static_cast<int64_t>(client.node().state.replicas_of_acknowledged.load());
  if (*replicas <= have || in_transaction) return client.reply().integer(have);
  Deferred deferred = client.defer();
  // Without a timeout Redis waits for ever too.
  if (*timeout_ms == 0) return;
  client.loop().after(std::chrono::milliseconds(*timeout_ms), [deferred, have] {
    deferred.reply([have](resp::ReplyWriter& reply) { reply.integer(have); });
  });
}

void lastsave(ClientContext& client, Args) {
  client.reply().integer(static_cast<int64_t>(client.node().state.checkpoint_unix_s.load()));
}

void save(ClientContext& client, Args) {
  Deferred deferred = client.defer();
  client.node().snapshotter.post_checkpoint([deferred](Status taken) {
    deferred.reply([&](resp::ReplyWriter& reply) {
      if (taken) return reply.ok();
      reply.error("ERR " + taken.error().message);
    });
  });
}

void bgsave(ClientContext& client, Args args) {
  if (args.size() > 2 || (args.size() == 2 && !same_word(args[1], "schedule"))) {
    return client.reply().error("ERR syntax error");
  }
  client.node().snapshotter.post_checkpoint({});
  client.reply().simple("Background saving started");
}

// SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]. Nothing acknowledged is lost either way: NOSAVE
// only leaves the checkpoint out, and the next start replays the log.
void shutdown(ClientContext& client, Args args) {
  ShutdownMode mode = ShutdownMode::kCheckpoint;
  bool abort = false;
  bool save = false;
  for (std::string_view arg : args.subspan(1)) {
    if (same_word(arg, "nosave")) {
      mode = ShutdownMode::kNoCheckpoint;
    } else if (same_word(arg, "save")) {
      save = true;
    } else if (same_word(arg, "abort")) {
      abort = true;
    } else if (!same_word(arg, "now") && !same_word(arg, "force")) {
      return client.reply().error("ERR syntax error");
    }
  }
  if ((abort && args.size() > 2) || (save && mode == ShutdownMode::kNoCheckpoint)) {
    return client.reply().error("ERR syntax error");
  }
  if (abort) return client.reply().error("ERR No shutdown in progress.");
  client.defer();
  client.node().shutdown(mode);
}

void debug_sleep(ClientContext& client, Args args) {
  std::optional<double> seconds;
  try {
    seconds = std::stod(std::string(args[2]));
  } catch (const std::exception&) {
    return client.reply().error("ERR value is not a valid float");
  }
  constexpr double kSecondsMax = 3600;
  if (!(*seconds >= 0 && *seconds <= kSecondsMax)) {
    return client.reply().error("ERR value is out of range");
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(*seconds));
  client.reply().ok();
}

void debug_help(ClientContext& client, Args) {
  static constexpr std::string_view kLines[] = {
      "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "SLEEP <seconds>",
      "    Stop this client loop for <seconds>. Decimals allowed.",
      "HELP",
      "    Print this help.",
  };
  client.reply().simple_lines(kLines);
}

void lolwut(ClientContext& client, Args) {
  client.reply().verbatim("txt",
                          "     o\n"
                          "    / \\      one is enough to start,\n"
                          "   o---o     two of three decide.\n"
                          "kvorum ver. " KVORUM_VERSION "\n");
}

void cluster(ClientContext& client, Args) {
  client.reply().error("ERR This instance has cluster support disabled");
}

constexpr LocalFamily kFastAdmin{"server", "@admin @fast @dangerous",
                                 kLoadingStale | command::kFlagFast};

constexpr CommandSpec kServerRows[] = {
    local_row({"server", "@slow @dangerous", kLoadingStale}, "info", -1, "1.0.0", "O(1)",
              "Get information and statistics about the server", "[section [section ...]]", info),
    local_row({"server", "@fast", kLoadingStale | command::kFlagFast}, "time", 1, "2.6.0", "O(1)",
              "Return the current server time", "", time),
    local_row(kFastAdmin.with(command::kFlagNoScript), "role", 1, "2.8.12", "O(1)",
              "Return the role of the instance in the context of replication", "", role),
    local_row(
        {"generic", "@slow @connection", command::kFlagNoScript}, "wait", 3, "3.0.0", "O(1)",
        "Wait for the synchronous replication of all the write commands sent in the context of the "
        "current connection",
        "numreplicas timeout", wait),
    local_row(kFastAdmin, "lastsave", 1, "1.0.0", "O(1)",
              "Get the UNIX time stamp of the last successful save to disk", "", lastsave),
    local_row(kServerAdmin.with(command::kFlagNoMulti), "save", 1, "1.0.0",
              "O(N) where N is what changed since the last checkpoint",
              "Synchronously take a checkpoint", "", save),
    local_row(kServerAdmin, "bgsave", -1, "1.0.0", "O(1)", "Take a checkpoint in the background",
              "[SCHEDULE]", bgsave),
    local_row(kServerAdmin.with(kLoadingStale | command::kFlagNoMulti), "shutdown", -1, "1.0.0",
              "O(N) where N is what changed since the last checkpoint",
              "Take a checkpoint and shut down the server", "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
              shutdown),
    local_row({"server", "@read @fast", command::kFlagFast}, "lolwut", -1, "5.0.0", "O(1)",
              "Display some computer art and the version", "[VERSION version]", lolwut),
    local_row({"cluster", "@slow", kLoadingStale}, "cluster", -2, "3.0.0", "O(1)",
              "Redis Cluster is not what kvorum is: see RAFT", "subcommand", cluster),
    container_row(kServerAdmin.with(kLoadingStale), "debug", "1.0.0",
                  "A container for debugging commands"),
    local_row(kServerAdmin, "debug|sleep", 3, "1.0.0", "O(1)",
              "Stop a client loop for some seconds", "seconds", debug_sleep),
    help_row(kServerAdmin, "debug|help", "6.2.0", debug_help),
};

}  // namespace

std::span<const CommandSpec> server_commands() {
  return kServerRows;
}

}  // namespace kvorum::server
