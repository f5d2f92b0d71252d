// Who holds a TCP port or a unix socket, for error messages. Best effort: what /proc shows to us.
#pragma once

#include <sys/types.h>

#include <string>

#include "net/address.h"

namespace kvorum::net {

// `process 123 (name)`, or empty.
std::string port_owner(const SocketAddress& address);
std::string process_text(pid_t pid);

}  // namespace kvorum::net
