#include "net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>

#include "base/parse_number.h"

namespace kvorum::net {

namespace {

Result<uint16_t> parse_port(std::string_view text, std::string_view whole) {
  const std::optional<uint16_t> port = parse_number<uint16_t>(text);
  if (!port) return fail("'{}' is not an address: '{}' is not a port number", whole, text);
  return *port;
}

Result<SocketAddress> unix_address(const std::string& path) {
  SocketAddress result;
  sockaddr_un un{};
  if (path.size() >= sizeof(un.sun_path)) {
    return fail("unix socket path '{}' is longer than {} bytes", path, sizeof(un.sun_path) - 1);
  }
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, path.data(), path.size());
  std::memcpy(&result.storage, &un, sizeof(un));
  result.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return result;
}

SocketAddress address_of(int fd, int (*get)(int, sockaddr*, socklen_t*)) {
  SocketAddress result;
  socklen_t size = sizeof(result.storage);
  if (get(fd, reinterpret_cast<sockaddr*>(&result.storage), &size) == 0) result.size = size;
  return result;
}

std::string unix_text(int fd) {
  std::string own = address_of(fd, getsockname).text();
  return own != ":0" ? own : address_of(fd, getpeername).text();
}

std::string text_of(int fd, int (*get)(int, sockaddr*, socklen_t*)) {
  SocketAddress address = address_of(fd, get);
  if (address.size == 0) return {};
  return address.family() == AF_UNIX ? unix_text(fd) : address.text();
}

}  // namespace

std::string Address::text() const {
  if (is_unix()) return path;
  if (host.find(':') != std::string::npos) return fmt::format("[{}]:{}", host, port);
  return fmt::format("{}:{}", host, port);
}

Result<Address> parse_address(std::string_view text) {
  Address address;
  std::string_view path = text.starts_with("unix:") ? text.substr(5) : text;
  if (path.starts_with('/') || path.size() < text.size()) {
    if (path.empty()) return fail("'{}' is not an address: the path is missing", text);
    address.path = path;
    return address;
  }
  size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return fail("'{}' is not an address: no port", text);
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return fail("'{}' is not an address: write an IPv6 address as [address]:port", text);
  }
  if (host.empty()) return fail("'{}' is not an address: the host is missing", text);
  Result<uint16_t> port = parse_port(text.substr(colon + 1), text);
  if (!port) return tl::unexpected(port.error());
  address.host = host;
  address.port = *port;
  return address;
}

std::string SocketAddress::text() const {
  char ip[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &storage, sizeof(in));
    inet_ntop(AF_INET, &in.sin_addr, ip, sizeof(ip));
    return fmt::format("{}:{}", ip, ntohs(in.sin_port));
  }
  if (family() == AF_INET6) {
    sockaddr_in6 in6{};
    std::memcpy(&in6, &storage, sizeof(in6));
    inet_ntop(AF_INET6, &in6.sin6_addr, ip, sizeof(ip));
    return fmt::format("[{}]:{}", ip, ntohs(in6.sin6_port));
  }
  if (family() == AF_UNIX) {
    sockaddr_un un{};
    std::memcpy(&un, &storage, sizeof(un));
    return fmt::format("{}:0", std::string_view(un.sun_path, strnlen(un.sun_path, 107)));
  }
  return {};
}

Result<std::vector<SocketAddress>> resolve(const Address& address, bool numeric) {
  std::vector<SocketAddress> results;
  if (address.is_unix()) {
    Result<SocketAddress> one = unix_address(address.path);
    if (!one) return tl::unexpected(one.error());
    results.push_back(*one);
    return results;
  }
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (numeric ? AI_NUMERICHOST : 0);
  std::string host = address.host == "*" ? "0.0.0.0" : address.host;
  std::string port = std::to_string(address.port);
  addrinfo* list = nullptr;
  int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &list);
  if (error != 0) return fail("host '{}' can't be resolved: {}", host, gai_strerror(error));
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(list, freeaddrinfo);
  for (addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    SocketAddress one;
    std::memcpy(&one.storage, entry->ai_addr, entry->ai_addrlen);
    one.size = entry->ai_addrlen;
    results.push_back(one);
  }
  return results;
}

std::string peer_text(int fd) {
  return text_of(fd, getpeername);
}
std::string local_text(int fd) {
  return text_of(fd, getsockname);
}

bool is_connected_to_itself(int fd) {
  // A TCP socket has a port; the two ends of a unix socket have one name.
  return local_port(fd) != 0 && peer_text(fd) == local_text(fd);
}

bool peer_is_loopback(int fd) {
  SocketAddress peer = address_of(fd, getpeername);
  if (peer.size == 0) return false;
  if (peer.family() == AF_UNIX) return true;
  if (peer.family() == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &peer.storage, sizeof(in));
    return (ntohl(in.sin_addr.s_addr) >> 24) == 127;
  }
  sockaddr_in6 in6{};
  std::memcpy(&in6, &peer.storage, sizeof(in6));
  return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
}

uint16_t local_port(int fd) {
  SocketAddress local = address_of(fd, getsockname);
  if (local.family() == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &local.storage, sizeof(in));
    return ntohs(in.sin_port);
  }
  if (local.family() == AF_INET6) {
    sockaddr_in6 in6{};
    std::memcpy(&in6, &local.storage, sizeof(in6));
    return ntohs(in6.sin6_port);
  }
  return 0;
}

}  // namespace kvorum::net
