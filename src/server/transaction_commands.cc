// MULTI, EXEC, DISCARD, WATCH, UNWATCH.

#include "server/client_context.h"
#include "server/command_rows.h"
#include "server/dispatcher.h"

namespace kvorum::server {

namespace {

using command::Args;
using command::CommandSpec;

void multi(ClientContext& client, Args) {
  QueuedTransaction& transaction = client.session().transaction;
  if (transaction.open) return client.reply().error("ERR MULTI calls can not be nested");
  transaction.open = true;
  client.reply().ok();
}

void exec(ClientContext& client, Args) {
  client.dispatcher().execute_transaction(client);
}

void discard(ClientContext& client, Args) {
  Session& session = client.session();
  if (!session.transaction.open) return client.reply().error("ERR DISCARD without MULTI");
  session.end_transaction();
  client.reply().ok();
}

void watch(ClientContext& client, Args args) {
  if (client.session().transaction.open) {
    return client.reply().error("ERR WATCH inside MULTI is not allowed");
  }
  client.dispatcher().watch(client, args.subspan(1));
  client.reply().ok();
}

void unwatch(ClientContext& client, Args) {
  client.session().unwatch();
  client.reply().ok();
}

constexpr uint32_t kTransactionFlags =
    command::kFlagNoScript | command::kFlagLoading | command::kFlagStale | command::kFlagFast;
constexpr std::string_view kFastTransaction = "@fast @transaction";

constexpr CommandSpec kTransactionRows[] = {
    {.name = "multi",
     .arity = 1,
     .flags = kTransactionFlags,
     .keys = {},
     .group = "transactions",
     .categories = kFastTransaction,
     .since = "1.2.0",
     .complexity = "O(1)",
     .summary = "Mark the start of a transaction block",
     .syntax = "",
     .handler = command::Local{multi}},
    {.name = "exec",
     .arity = 1,
     .flags = command::kFlagNoScript | command::kFlagLoading | command::kFlagStale |
              command::kFlagNoSlowlog,
     .keys = {},
     .group = "transactions",
     .categories = "@slow @transaction",
     .since = "1.2.0",
     .complexity = "Depends on commands in the transaction",
     .summary = "Execute all commands issued after MULTI",
     .syntax = "",
     .handler = command::Local{exec}},
    {.name = "discard",
     .arity = 1,
     .flags = kTransactionFlags,
     .keys = {},
     .group = "transactions",
     .categories = kFastTransaction,
     .since = "2.0.0",
     .complexity = "O(N), when N is the number of queued commands",
     .summary = "Discard all commands issued after MULTI",
     .syntax = "",
     .handler = command::Local{discard}},
    {.name = "watch",
     .arity = -2,
     .flags = kTransactionFlags,
     .keys = {1, -1, 1},
     .group = "transactions",
     .categories = kFastTransaction,
     .since = "2.2.0",
     .complexity = "O(1) for every key.",
     .summary = "Watch the given keys to determine execution of the MULTI/EXEC block",
     .syntax = "key [key ...]",
     .handler = command::Local{watch}},
    {.name = "unwatch",
     .arity = 1,
     .flags = kTransactionFlags,
     .keys = {},
     .group = "transactions",
     .categories = kFastTransaction,
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Forget about all watched keys",
     .syntax = "",
     .handler = command::Local{unwatch}},
};

}  // namespace

std::span<const CommandSpec> transaction_commands() {
  return kTransactionRows;
}

}  // namespace kvorum::server
