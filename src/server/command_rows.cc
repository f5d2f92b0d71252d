#include "server/command_rows.h"

namespace kvorum::server {

void add_all_rows(command::CommandTable& table) {
  table.add(command::string_commands());
  table.add(command::key_commands());
  table.add(connection_commands());
  table.add(client_commands());
  table.add(tracking_commands());
  table.add(config_commands());
  table.add(command_commands());
  table.add(slow_log_commands());
  table.add(latency_commands());
  table.add(monitor_commands());
  table.add(transaction_commands());
  table.add(pubsub_commands());
  table.add(stream_commands());
  table.add(server_commands());
  table.add(raft_commands());
}

}  // namespace kvorum::server
