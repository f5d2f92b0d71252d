#include "storage/store_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>

#include "base/disk.h"

namespace kvorum::storage {
namespace {

namespace fs = std::filesystem;

tl::unexpected<Error> could_not(std::string_view operation, const std::string& path) {
  return fail("could not {} {}: {}", operation, path, std::strerror(errno));
}

// Tables, the engine's own files, and what it puts aside (`keys.wt.1`) when it makes a table anew
// whose making was cut short.
bool is_engine_file(const std::string& name) {
  const size_t suffix = name.rfind(".wt");
  return name.starts_with("WiredTiger") ||
         (suffix != std::string::npos &&
          (name.size() == suffix + 3 ||
           (name[suffix + 3] == '.' && name.size() > suffix + 4 &&
            std::all_of(name.begin() + static_cast<std::ptrdiff_t>(suffix) + 4, name.end(),
                        [](unsigned char c) { return std::isdigit(c) != 0; }))));
}

}  // namespace

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
  if (!opened.ok()) return could_not("open", path);
  if (::fsync(opened.number()) != 0) return could_not("sync", path);
  return ok();
}

Status sync_store_files(const std::string& folder) {
  auto names = names_in(folder);
  if (!names) return tl::unexpected(names.error());
  for (const std::string& name : *names) {
    if (Status synced = sync_path(fs::path(folder) / name); !synced) return synced;
  }
  return sync_path(folder);
}

std::string without_trailing_slash(const std::string& folder) {
  const size_t last = folder.find_last_not_of('/');
  return last == std::string::npos ? folder : folder.substr(0, last + 1);
}

std::string parent_folder(const std::string& folder) {
  return fs::absolute(without_trailing_slash(folder)).parent_path();
}

Result<bool> examine_store_folder(const std::string& folder) {
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
    recorded |= name == "WiredTiger.turtle" || name == kBackupRecord;
    data |= !name.starts_with("WiredTiger");
  }
  if (data && !recorded) {
    return fail(
        "the store in {} is damaged: its metadata (WiredTiger.turtle) is gone while data files "
        "remain. Restore the folder from a backup; on a member of a cluster, remove this member's "
        "data and let it join again",
        folder);
  }
  return recorded;
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

uint64_t free_store_bytes(const std::string& folder) {
  // The folder is not there for a moment while another takes its place.
  const std::optional<uint64_t> free = free_disk_bytes(folder);
  return free ? *free : free_disk_bytes(parent_folder(folder)).value_or(0);
}

}  // namespace kvorum::storage
