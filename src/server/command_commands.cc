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

constexpr LocalFamily kCommand{"server", "@slow @connection", kLoadingStale};
constexpr std::string_view kPerCommand = "O(N) where N is the number of commands";
constexpr std::string_view kAsked = "O(N) where N is the number of commands asked for";
constexpr std::string_view kArguments = "O(N) where N is the number of arguments of the command";
constexpr std::string_view kUnordered = "nondeterministic_output_order";

constexpr CommandSpec kCommandRows[] = {
    local_row(kCommand, "command", -1, "2.8.13", kPerCommand, "Describe all commands", "",
              answer<command::command_all>, kUnordered),
    local_row(kCommand, "command|count", 2, "2.8.13", "O(1)", "Count the commands", "",
              answer<command::command_count>),
    local_row(kCommand, "command|info", -2, "2.8.13", kAsked, "Describe some or all commands",
              "[command-name [command-name ...]]", answer<command::command_info>, kUnordered),
    local_row(kCommand, "command|docs", -2, "7.0.0", kAsked, "Document some or all commands",
              "[command-name [command-name ...]]", answer<command::command_docs>, kUnordered),
    local_row(kCommand, "command|list", -2, "7.0.0", kPerCommand, "List the names of commands",
              "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
              answer<command::command_list>, kUnordered),
    local_row(kCommand, "command|getkeys", -4, "2.8.13", kArguments, "Find the keys in a call",
              "command [arg [arg ...]]", answer<command::command_getkeys>),
    local_row(kCommand, "command|getkeysandflags", -4, "7.0.0", kArguments,
              "Find the keys in a call, and what is done to them", "command [arg [arg ...]]",
              answer<command::command_getkeysandflags>),
    help_row(kCommand, "command|help", "5.0.0", command_help),
};

}  // namespace

std::span<const CommandSpec> command_commands() {
  return kCommandRows;
}

}  // namespace kvorum::server
