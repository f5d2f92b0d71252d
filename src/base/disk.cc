#include "base/disk.h"

#include <sys/statvfs.h>

namespace kvorum {

std::optional<uint64_t> free_disk_bytes(const std::string& path) {
  struct statvfs disk {};
  if (::statvfs(path.c_str(), &disk) != 0) return std::nullopt;
  return uint64_t{disk.f_bavail} * disk.f_frsize;
}

}  // namespace kvorum
