#include "net/port_owner.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace kvorum::net {

namespace {

namespace fs = std::filesystem;

// The address as /proc/net/tcp prints it: 32-bit words in host order, then the port.
std::string proc_text(const SocketAddress& address) {
  if (address.family() == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address.storage, sizeof(in));
    return fmt::format("{:08X}:{:04X}", in.sin_addr.s_addr, ntohs(in.sin_port));
  }
  sockaddr_in6 in6{};
  std::memcpy(&in6, &address.storage, sizeof(in6));
  std::array<uint32_t, 4> words{};
  std::memcpy(words.data(), &in6.sin6_addr, sizeof(in6.sin6_addr));
  return fmt::format("{:08X}{:08X}{:08X}{:08X}:{:04X}", words[0], words[1], words[2], words[3],
                     ntohs(in6.sin6_port));
}

bool is_wildcard(std::string_view proc_address) {
  return proc_address.substr(0, proc_address.find(':')).find_first_not_of('0') ==
         std::string_view::npos;
}

// The inodes of listening sockets that stand in the way of binding `wanted`.
void add_inodes(const char* table, const std::string& wanted, std::set<std::string>& inodes) {
  std::ifstream in(table);
  std::string line;
  std::getline(in, line);
  std::string port = wanted.substr(wanted.find(':'));
  while (std::getline(in, line)) {
    std::istringstream fields(line);
    std::array<std::string, 10> field;
    for (std::string& one : field) fields >> one;
    const std::string& local = field[1];
    constexpr const char* kListening = "0A";
    if (field[3] != kListening || !local.ends_with(port)) continue;
    if (local == wanted || is_wildcard(local) || is_wildcard(wanted)) inodes.insert(field[9]);
  }
}

bool holds_any(const fs::path& process, const std::set<std::string>& inodes) {
  std::error_code error;
  for (fs::directory_iterator it(process / "fd", error), end; !error && it != end;
       it.increment(error)) {
    std::error_code unreadable;
    std::string target = fs::read_symlink(it->path(), unreadable).string();
    constexpr std::string_view kPrefix = "socket:[";
    if (!target.starts_with(kPrefix)) continue;
    if (inodes.contains(target.substr(kPrefix.size(), target.size() - kPrefix.size() - 1))) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string process_text(pid_t pid) {
  std::string name;
  std::ifstream in(fmt::format("/proc/{}/comm", pid));
  std::getline(in, name);
  return name.empty() ? fmt::format("process {}", pid) : fmt::format("process {} ({})", pid, name);
}

std::string port_owner(const SocketAddress& address) {
  std::set<std::string> inodes;
  std::string wanted = proc_text(address);
  add_inodes("/proc/net/tcp", wanted, inodes);
  add_inodes("/proc/net/tcp6", wanted, inodes);
  if (inodes.empty()) return {};
  std::error_code error;
  for (fs::directory_iterator it("/proc", error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    pid_t pid = 0;
    auto [rest, failed] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (failed != std::errc() || rest != name.data() + name.size()) continue;
    if (holds_any(it->path(), inodes)) return process_text(pid);
  }
  return {};
}

}  // namespace kvorum::net
