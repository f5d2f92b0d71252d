// MONITOR.

#include "server/client_context.h"
#include "server/client_loop.h"
#include "server/command_rows.h"

namespace kvorum::server {

namespace {

// A second MONITOR is not answered, as in Redis.
void monitor(ClientContext& client, command::Args) {
  if (client.session().running) {
    return client.reply().error("ERR MONITOR isn't allowed for DENY BLOCKING client");
  }
  if (client.session().monitor) return;
  client.loop().set_monitor(client.session(), true);
  client.reply().ok();
}

constexpr command::CommandSpec kMonitorRows[] = {
    {.name = "monitor",
     .arity = 1,
     .flags =
         command::kFlagAdmin | command::kFlagNoScript | command::kFlagLoading | command::kFlagStale,
     .keys = {},
     .group = "server",
     .categories = "@admin @slow @dangerous",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Show every command that the node receives, as it comes",
     .syntax = "",
     .handler = command::Local{monitor}},
};

}  // namespace

std::span<const command::CommandSpec> monitor_commands() {
  return kMonitorRows;
}

}  // namespace kvorum::server
