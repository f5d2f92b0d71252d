// Address: where to listen or connect, read from text, and sockets' addresses as Redis prints them.
//
//   address := host ":" port | "[" ipv6 "]:" port | "unix:" path | "/" path
//   host    := IPv4 address | host name | "*" (every IPv4 address)
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kvorum::net {

struct Address {
  bool is_unix() const { return !path.empty(); }
  // `host:port`, `[v6]:port`, or the path: what parse_address reads.
  std::string text() const;

  std::string host;
  uint16_t port = 0;
  std::string path;
};

Result<Address> parse_address(std::string_view text);

// One address the kernel understands.
struct SocketAddress {
  int family() const { return storage.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  // `ip:port`, `[v6]:port`, or for a unix socket `path:0`.
  std::string text() const;

  sockaddr_storage storage{};
  socklen_t size = 0;
};

// `numeric` refuses host names, so that it never blocks; otherwise names are looked up, which may.
Result<std::vector<SocketAddress>> resolve(const Address& address, bool numeric);

// The addresses of a connected socket, as CLIENT LIST shows them; a unix socket shows the path that
// the server listens on, at both ends. Empty if the socket is no longer connected.
std::string peer_text(int fd);
std::string local_text(int fd);

// TCP's simultaneous open can connect a socket to itself, where nobody listens on a port that is in
// the range for outgoing connections.
bool is_connected_to_itself(int fd);

// The peer is on this machine, by loopback or a unix socket.
bool peer_is_loopback(int fd);

// The port a socket is bound to; 0 for a unix socket.
uint16_t local_port(int fd);

}  // namespace kvorum::net
