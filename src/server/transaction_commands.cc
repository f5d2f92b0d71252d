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

constexpr LocalFamily kTransaction{"transactions", "@fast @transaction",
                                   command::kFlagNoScript | command::kFlagFast | kLoadingStale};
constexpr LocalFamily kExec{"transactions", "@slow @transaction",
                            command::kFlagNoScript | command::kFlagNoSlowlog | kLoadingStale};
constexpr LocalFamily kWatch{
    kTransaction.group, kTransaction.categories, kTransaction.flags, {1, -1, 1}};

constexpr CommandSpec kTransactionRows[] = {
    local_row(kTransaction, "multi", 1, "1.2.0", "O(1)", "Mark the start of a transaction block",
              "", multi),
    local_row(kExec, "exec", 1, "1.2.0", "Depends on commands in the transaction",
              "Execute all commands issued after MULTI", "", exec),
    local_row(kTransaction, "discard", 1, "2.0.0", "O(N), when N is the number of queued commands",
              "Discard all commands issued after MULTI", "", discard),
    local_row(kWatch, "watch", -2, "2.2.0", "O(1) for every key.",
              "Watch the given keys to determine execution of the MULTI/EXEC block",
              "key [key ...]", watch),
    local_row(kTransaction, "unwatch", 1, "2.2.0", "O(1)", "Forget about all watched keys", "",
              unwatch),
};

}  // namespace

std::span<const CommandSpec> transaction_commands() {
  return kTransactionRows;
}

}  // namespace kvorum::server
