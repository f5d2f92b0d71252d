// CONFIG GET, SET, RESETSTAT, REWRITE.

#include <string>
#include <utility>
#include <vector>

#include "server/client_context.h"
#include "server/client_loop.h"
#include "server/command_rows.h"
#include "server/loop_group.h"

namespace kvorum::server {

namespace {

using command::Args;
using command::CommandSpec;

void config_get(ClientContext& client, Args args) {
  const auto found = client.node().settings.get(args.subspan(2));
  client.reply().map(found.size());
  for (const auto& [name, value] : found) {
    client.reply().bulk(name);
    client.reply().bulk(value);
  }
}

void reply_status(ClientContext& client, const Status& status) {
  if (status) return client.reply().ok();
  client.reply().error(status.error().message);
}

void config_set(ClientContext& client, Args args) {
  if (args.size() % 2 != 0) return client.reply().error("ERR syntax error");
  std::vector<RuntimeSettings::Pair> pairs;
  for (size_t i = 2; i < args.size(); i += 2) pairs.emplace_back(args[i], args[i + 1]);
  reply_status(client, client.node().settings.set(pairs));
}

void config_rewrite(ClientContext& client, Args) {
  reply_status(client, client.node().settings.rewrite());
}

void config_resetstat(ClientContext& client, Args) {
  Deferred deferred = client.defer();
  auto forget = [](ClientLoop& loop) {
    loop.reset_stats();
    return char{};
  };
  // A vector of bool would share bytes between loops.
  client.node().loops.gather<char>(client.loop(), forget, [deferred](const std::vector<char>&) {
    deferred.reply([](resp::ReplyWriter& reply) { reply.ok(); });
  });
}

void config_help(ClientContext& client, Args) {
  static constexpr std::string_view kLines[] = {
      "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "GET <pattern>",
      "    Return parameters matching the glob-like <pattern> and their values.",
      "SET <directive> <value>",
      "    Set the configuration <directive> to <value>.",
      "RESETSTAT",
      "    Reset statistics reported by the INFO command.",
      "REWRITE",
      "    Rewrite the configuration file.",
      "HELP",
      "    Print this help.",
  };
  client.reply().simple_lines(kLines);
}

constexpr LocalFamily kConfig = kServerAdmin.with(kLoadingStale);

constexpr CommandSpec kConfigRows[] = {
    container_row({"server", "@slow"}, "config", "2.0.0",
                  "A container for server configuration commands"),
    local_row(kConfig, "config|get", -3, "2.0.0",
              "O(N) where N is the number of configuration parameters",
              "Get the values of configuration parameters", "parameter [parameter ...]",
              config_get),
    local_row(kConfig, "config|set", -4, "2.0.0", "O(N) where N is the number of parameters given",
              "Set configuration parameters", "parameter value [parameter value ...]", config_set,
              "request_policy:all_nodes response_policy:all_succeeded"),
    local_row(kConfig, "config|resetstat", 2, "2.0.0", "O(1)",
              "Reset the statistics that INFO reports", "", config_resetstat),
    local_row(kConfig, "config|rewrite", 2, "2.8.0", "O(N) where N is the size of the file",
              "Write what CONFIG SET changed to the configuration file", "", config_rewrite),
    help_row({"server", "@slow", kLoadingStale}, "config|help", "5.0.0", config_help),
};

}  // namespace

std::span<const CommandSpec> config_commands() {
  return kConfigRows;
}

}  // namespace kvorum::server
