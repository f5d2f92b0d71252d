// A library that is loaded before all others (LD_PRELOAD) and makes the disk of one process slow or
// failing: it stands before fsync and fdatasync of files under $KVORUM_FAULTY_FOLDER. What they do
// is read from the file $KVORUM_DISK_FAULTS at each call, so a test may change it at any time:
//
//   control = ""                  as always
//           | "delay" ms          the disk needs so much longer
//           | "fail" errno        nothing is synced, and that is said

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>

namespace {

using Sync = int (*)(int);

bool is_in_folder(int fd) {
  const char* folder = std::getenv("KVORUM_FAULTY_FOLDER");
  if (folder == nullptr) return false;
  std::array<char, 64> link{};
  std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", fd);
  std::array<char, 4096> path{};
  const ssize_t size = readlink(link.data(), path.data(), path.size());
  return size > 0 && std::string_view(path.data(), static_cast<size_t>(size)).starts_with(folder);
}

std::string read_control() {
  const char* path = std::getenv("KVORUM_DISK_FAULTS");
  const int fd = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::array<char, 64> text{};
  const ssize_t size = read(fd, text.data(), text.size() - 1);
  close(fd);
  return {text.data(), static_cast<size_t>(size > 0 ? size : 0)};
}

int faulty(Sync sync, int fd) {
  if (!is_in_folder(fd)) return sync(fd);
  const std::string control = read_control();
  int number = 0;
  if (std::sscanf(control.c_str(), "delay %d", &number) == 1) {
    std::this_thread::sleep_for(std::chrono::milliseconds(number));
  } else if (std::sscanf(control.c_str(), "fail %d", &number) == 1) {
    errno = number;
    return -1;
  }
  return sync(fd);
}

Sync next(const char* name) {
  return reinterpret_cast<Sync>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" int fsync(int fd) {
  static const Sync sync = next("fsync");
  return faulty(sync, fd);
}

extern "C" int fdatasync(int fd) {
  static const Sync sync = next("fdatasync");
  return faulty(sync, fd);
}
