// The rows of the local commands, one function a file, and the whole table put together.
#pragma once

#include <span>

#include "command/table.h"

namespace kvorum::server {

std::span<const command::CommandSpec> connection_commands();
std::span<const command::CommandSpec> client_commands();
std::span<const command::CommandSpec> tracking_commands();
std::span<const command::CommandSpec> config_commands();
std::span<const command::CommandSpec> command_commands();
std::span<const command::CommandSpec> slow_log_commands();
std::span<const command::CommandSpec> latency_commands();
std::span<const command::CommandSpec> monitor_commands();
std::span<const command::CommandSpec> transaction_commands();
std::span<const command::CommandSpec> pubsub_commands();
std::span<const command::CommandSpec> stream_commands();
std::span<const command::CommandSpec> server_commands();
std::span<const command::CommandSpec> raft_commands();

void add_all_rows(command::CommandTable& table);

}  // namespace kvorum::server
