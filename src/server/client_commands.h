// The CLIENT subcommands that look at all connections of the node.
#pragma once

#include "command/spec.h"
#include "server/client_context.h"

namespace kvorum::server {

void client_list(ClientContext& client, command::Args args);
void client_info(ClientContext& client, command::Args args);
void client_kill(ClientContext& client, command::Args args);

}  // namespace kvorum::server
