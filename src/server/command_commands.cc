// COMMAND: what the table of commands holds.

#include "command/command_introspection.h"
#include "server/client_context.h"
#include "server/command_rows.h"

namespace kvorum::server {

namespace {

using command::Args;
using command::CommandSpec;
using command::CommandTable;

template <void (*kWrite)(const CommandTable&, resp::ReplyWriter&)>
void answer(ClientContext& client, Args) {
  kWrite(client.node().table, client.reply());
}

template <void (*kWrite)(const CommandTable&, Args, resp::ReplyWriter&)>
void answer(ClientContext& client, Args args) {
  kWrite(client.node().table, args, client.reply());
}

void command_help(ClientContext& client, Args) {
  command::command_help(client.reply());
}

constexpr CommandSpec command_row(std::string_view name, int arity, std::string_view since,
                                  std::string_view complexity, std::string_view summary,
                                  std::string_view syntax, void (*run)(ClientContext&, Args),
                                  std::string_view tips = {}) {
  return {.name = name,
          .arity = arity,
          .flags = command::kFlagLoading | command::kFlagStale,
          .keys = {},
          .group = "server",
          .categories = "@slow @connection",
          .since = since,
          .complexity = complexity,
          .summary = summary,
          .syntax = syntax,
          .tips = tips,
          .handler = command::Local{run}};
}

constexpr std::string_view kPerCommand = "O(N) where N is the number of commands";
constexpr std::string_view kAsked = "O(N) where N is the number of commands asked for";
constexpr std::string_view kArguments = "O(N) where N is the number of arguments of the command";
constexpr std::string_view kUnordered = "nondeterministic_output_order";

constexpr CommandSpec kCommandRows[] = {
    command_row("command", -1, "2.8.13", kPerCommand, "Describe all commands", "",
                answer<command::command_all>, kUnordered),
    command_row("command|count", 2, "2.8.13", "O(1)", "Count the commands", "",
                answer<command::command_count>),
    command_row("command|info", -2, "2.8.13", kAsked, "Describe some or all commands",
                "[command-name [command-name ...]]", answer<command::command_info>, kUnordered),
    command_row("command|docs", -2, "7.0.0", kAsked, "Document some or all commands",
                "[command-name [command-name ...]]", answer<command::command_docs>, kUnordered),
    command_row("command|list", -2, "7.0.0", kPerCommand, "List the names of commands",
                "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
                answer<command::command_list>, kUnordered),
    command_row("command|getkeys", -4, "2.8.13", kArguments, "Find the keys in a call",
                "command [arg [arg ...]]", answer<command::command_getkeys>),
    command_row("command|getkeysandflags", -4, "7.0.0", kArguments,
                "Find the keys in a call, and what is done to them", "command [arg [arg ...]]",
                answer<command::command_getkeysandflags>),
    command_row("command|help", 2, "5.0.0", "O(1)", "Show helpful text about the subcommands", "",
                command_help),
};

}  // namespace

std::span<const CommandSpec> command_commands() {
  return kCommandRows;
}

}  // namespace kvorum::server
