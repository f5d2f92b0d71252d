#include "server/process.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <utility>

#include "net/fd.h"
#include "server/logger.h"

namespace kvorum::server {

Result<PidFile> PidFile::write(const std::string& path) {
  if (path.empty()) return PidFile({});
  std::ofstream file(path, std::ios::trunc);
  file << getpid() << "\n";
  file.close();
  if (!file) return fail("can't write the pid file {}", path);
  return PidFile(path);
}

PidFile::PidFile(PidFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}

PidFile::~PidFile() {
  if (path_.empty()) return;
  pid_t holder = 0;
  if (std::ifstream(path_) >> holder && holder == getpid()) unlink(path_.c_str());
}

void notify_service_manager(std::string_view state) {
  const char* target = std::getenv("NOTIFY_SOCKET");
  if (target == nullptr || *target == '\0') return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  size_t length = std::strlen(target);
  if (length >= sizeof(address.sun_path)) return;
  std::memcpy(address.sun_path, target, length);
  // A leading @ stands for the abstract namespace.
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  net::Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  if (!socket.valid() || sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
                                reinterpret_cast<sockaddr*>(&address), size) < 0) {
    log_warning("could not notify the service manager: {}", net::errno_text(errno));
  }
}

}  // namespace kvorum::server
