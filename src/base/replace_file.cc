#include "base/replace_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace kvorum {

namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Status system_failure(const std::string& path) {
  return fail("{}: {}", path, std::strerror(errno));
}

Status write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_failure(path);
    text.remove_prefix(static_cast<size_t>(written));
  }
  return ok();
}

Status fill_like(int fd, const std::string& path, const std::string& target,
                 std::string_view text) {
  struct stat info {};
  if (stat(target.c_str(), &info) == 0) {
    if (fchmod(fd, info.st_mode & 07777) != 0) return system_failure(path);
    // Only root may give files away; for others the file becomes theirs.
    (void)!fchown(fd, info.st_uid, info.st_gid);
  }
  if (Status status = write_all(fd, text, path); !status) return status;
  if (fsync(fd) != 0) return system_failure(path);
  return ok();
}

}  // namespace

Status replace_file(const std::string& path, std::string_view text) {
  std::error_code error;
  std::filesystem::path target = std::filesystem::canonical(path, error);
  if (error) target = std::filesystem::absolute(path);
  const std::string folder = target.parent_path().string();
  std::string temporary = target.string() + ".XXXXXX";
  {
    Descriptor file(mkostemp(temporary.data(), O_CLOEXEC));
    if (file.get() < 0) return system_failure(temporary);
    if (Status status = fill_like(file.get(), temporary, target.string(), text); !status) {
      unlink(temporary.c_str());
      return status;
    }
  }
  if (rename(temporary.c_str(), target.c_str()) != 0) {
    Status status = system_failure(target.string());
    unlink(temporary.c_str());
    return status;
  }
  Descriptor parent(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent.get() < 0 || fsync(parent.get()) != 0) return system_failure(folder);
  return ok();
}

}  // namespace kvorum
