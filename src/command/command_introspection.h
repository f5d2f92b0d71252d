// COMMAND and its subcommands, as functions over the table: src/server's rows call them. `args` is
// the whole call: args[0] is COMMAND, args[1] the subcommand.
#pragma once

#include "command/table.h"
#include "resp/reply_writer.h"

namespace kvorum::command {

void command_all(const CommandTable& table, resp::ReplyWriter& reply);  // COMMAND alone
void command_count(const CommandTable& table, resp::ReplyWriter& reply);
void command_info(const CommandTable& table, Args args, resp::ReplyWriter& reply);
void command_docs(const CommandTable& table, Args args, resp::ReplyWriter& reply);
void command_list(const CommandTable& table, Args args, resp::ReplyWriter& reply);
void command_getkeys(const CommandTable& table, Args args, resp::ReplyWriter& reply);
void command_getkeysandflags(const CommandTable& table, Args args, resp::ReplyWriter& reply);
void command_help(resp::ReplyWriter& reply);

}  // namespace kvorum::command
