#include "storage/store_folder.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace kvorum::storage {
namespace {

namespace fs = std::filesystem;

class Descriptor {
 public:
  Descriptor(const std::string& path, int flags)
      : number_(::open(path.c_str(), flags | O_CLOEXEC, 0640)) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int number() const { return number_; }
  bool ok() const { return number_ >= 0; }

 private:
  const int number_;
};

tl::unexpected<Error> failed(std::string_view operation, const std::string& path) {
  return fail("could not {} {}: {}", operation, path, std::strerror(errno));
}

Status make_folder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return fail("could not make the folder {}: {}", folder, error.message());
  return ok();
}

Result<std::vector<std::string>> names_in(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names;
  fs::directory_iterator at(folder, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    names.push_back(at->path().filename());
  }
  if (error) return fail("could not list the folder {}: {}", folder, error.message());
  return names;
}

Status sync_path(const std::string& path) {
  Descriptor opened(path, O_RDONLY);
  if (!opened.ok()) return failed("open", path);
  if (::fsync(opened.number()) != 0) return failed("sync", path);
  return ok();
}

Status copy_synced(const std::string& from, const std::string& to) {
  Descriptor source(from, O_RDONLY);
  if (!source.ok()) return failed("open", from);
  struct stat info {};
  if (::fstat(source.number(), &info) != 0) return failed("examine", from);
  Descriptor target(to, O_WRONLY | O_CREAT | O_EXCL);
  if (!target.ok()) return failed("make", to);
  // The file can grow meanwhile; what the backup needs of it was there when the backup began.
  for (off_t left = info.st_size; left > 0;) {
    constexpr off_t kChunk = off_t{8} << 20;
    ssize_t copied = ::sendfile(target.number(), source.number(), nullptr,
                                static_cast<size_t>(std::min(left, kChunk)));
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0) return failed("copy to", to);
    if (copied == 0) return fail("could not copy {}: it became shorter", from);
    left -= copied;
  }
  if (::fsync(target.number()) != 0) return failed("sync", to);
  return ok();
}

bool is_engine_file(const std::string& name) {
  return name.starts_with("WiredTiger") || name.ends_with(".wt");
}

}  // namespace

Status prepare_store_folder(const std::string& folder) {
  if (Status made = make_folder(folder); !made) return made;
  if (::access(folder.c_str(), R_OK | W_OK | X_OK) != 0) {
    return fail("no permission to use the folder {}: {}", folder, std::strerror(errno));
  }
  auto names = names_in(folder);
  if (!names) return tl::unexpected(names.error());
  bool recorded = false;  // the engine's metadata, or a backup's
  bool data = false;
  for (const std::string& name : *names) {
    if (!is_engine_file(name)) {
      return fail("the folder {} is not a store: it holds {}", folder, name);
    }
    recorded |= name == "WiredTiger.turtle" || name == "WiredTiger.backup";
    data |= !name.starts_with("WiredTiger");
  }
  if (data && !recorded) {
    return fail(
        "the store in {} is damaged: its metadata (WiredTiger.turtle) is gone while data files "
        "remain. Restore the folder from a backup; on a member of a cluster, remove this member's "
        "data and let it join again",
        folder);
  }
  return ok();
}

uint64_t folder_bytes(const std::string& folder) {
  uint64_t bytes = 0;
  auto names = names_in(folder);
  if (!names) return 0;
  for (const std::string& name : *names) {
    std::error_code error;
    uint64_t size = fs::file_size(fs::path(folder) / name, error);
    if (!error) bytes += size;
  }
  return bytes;
}

uint64_t free_disk_bytes(const std::string& folder) {
  struct statvfs disk {};
  if (::statvfs(folder.c_str(), &disk) != 0) return 0;
  return uint64_t{disk.f_bavail} * disk.f_frsize;
}

Status copy_store_files(const std::string& from, const std::string& to,
                        const std::vector<std::string>& names) {
  if (Status made = make_folder(to); !made) return made;
  auto present = names_in(to);
  if (!present) return tl::unexpected(present.error());
  if (!present->empty()) return fail("the folder {} is not empty", to);
  for (const std::string& name : names) {
    if (Status copied = copy_synced(fs::path(from) / name, fs::path(to) / name); !copied)
      return copied;
  }
  if (Status synced = sync_path(to); !synced) return synced;
  return sync_path(fs::absolute(to).parent_path());
}

}  // namespace kvorum::storage
