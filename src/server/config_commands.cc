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

constexpr CommandSpec config_row(std::string_view name, int arity, std::string_view complexity,
                                 std::string_view since, std::string_view summary,
                                 std::string_view syntax, void (*run)(ClientContext&, Args),
                                 std::string_view tips = {}) {
  return {.name = name,
          .arity = arity,
          .flags = command::kFlagAdmin | command::kFlagNoScript | command::kFlagLoading |
                   command::kFlagStale,
          .keys = {},
          .group = "server",
          .categories = "@admin @slow @dangerous",
          .since = since,
          .complexity = complexity,
          .summary = summary,
          .syntax = syntax,
          .tips = tips,
          .handler = command::Local{run}};
}

constexpr CommandSpec kConfigRows[] = {
    {.name = "config",
     .arity = -2,
     .flags = 0,
     .keys = {},
     .group = "server",
     .categories = "@slow",
     .since = "2.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for server configuration commands",
     .syntax = "",
     .handler = command::Container{}},
    config_row("config|get", -3, "O(N) where N is the number of configuration parameters", "2.0.0",
               "Get the values of configuration parameters", "parameter [parameter ...]",
               config_get),
    config_row("config|set", -4, "O(N) where N is the number of parameters given", "2.0.0",
               "Set configuration parameters", "parameter value [parameter value ...]", config_set,
               "request_policy:all_nodes response_policy:all_succeeded"),
    config_row("config|resetstat", 2, "O(1)", "2.0.0", "Reset the statistics that INFO reports", "",
               config_resetstat),
    config_row("config|rewrite", 2, "O(N) where N is the size of the file", "2.8.0",
               "Write what CONFIG SET changed to the configuration file", "", config_rewrite),
    {.name = "config|help",
     .arity = 2,
     .flags = command::kFlagLoading | command::kFlagStale,
     .keys = {},
     .group = "server",
     .categories = "@slow",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Show helpful text about the subcommands",
     .syntax = "",
     .handler = command::Local{config_help}},
};

}  // namespace

std::span<const CommandSpec> config_commands() {
  return kConfigRows;
}

}  // namespace kvorum::server
