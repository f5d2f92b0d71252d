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
    local_row(kServerAdmin.with(kLoadingStale), "monitor", 1, "1.0.0", "O(1)",
              "Show every command that the node receives, as it comes", "", monitor),
};

}  // namespace

std::span<const command::CommandSpec> monitor_commands() {
  return kMonitorRows;
}

}  // namespace kvorum::server
