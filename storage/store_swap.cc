#include "storage/store_swap.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "storage/store_folder.h"

namespace kvorum::storage {
namespace {

namespace fs = std::filesystem;

std::string old_folder(const std::string& folder) {
  return without_trailing_slash(folder) + ".old";
}

Result<bool> is_there(const std::string& path) {
  std::error_code error;
  const fs::file_type type = fs::symlink_status(path, error).type();
  if (type == fs::file_type::none) {
    return fail("could not examine {}: {}", path, error.message());
  }
  return type != fs::file_type::not_found;
}

Status rename_synced(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) return fail("could not rename {} to {}: {}", from, to, error.message());
  const std::string parent = parent_folder(to);
  if (Status synced = sync_path(parent); !synced) return synced;
  const std::string parent_before = parent_folder(from);
  return parent_before == parent ? ok() : sync_path(parent_before);
}

}  // namespace

Result<bool> settle_swap(const std::string& folder) {
  const std::string store = without_trailing_slash(folder);
  const std::string old = old_folder(folder);
  Result<bool> old_there = is_there(old);
  if (!old_there) return old_there;
  if (!*old_there) return false;
  Result<bool> store_there = is_there(store);
  if (!store_there) return store_there;
  if (*store_there) return true;
  if (Status back = rename_synced(old, store); !back) return tl::unexpected(back.error());
  return false;
}

Status prepare_swap(const std::string& folder, const std::string& replacement) {
  struct stat ours {};
  struct stat theirs {};
  if (::stat(folder.c_str(), &ours) != 0) {
    return fail("could not examine {}: {}", folder, std::strerror(errno));
  }
  if (::stat(replacement.c_str(), &theirs) != 0) {
    return fail("could not examine {}: {}", replacement, std::strerror(errno));
  }
  if (ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino) {
    return fail("the store in {} can't take its own place", folder);
  }
  if (ours.st_dev != theirs.st_dev) {
    return fail("{} is not on the same file system as {}", replacement, folder);
  }
  for (const std::string& parent : {parent_folder(folder), parent_folder(replacement)}) {
    if (::access(parent.c_str(), W_OK | X_OK) != 0) {
      return fail("no permission to rename in {}: {}", parent, std::strerror(errno));
    }
  }
  return remove_swapped(folder);
}

Status swap_store_folders(const std::string& folder, const std::string& replacement) {
  const std::string store = without_trailing_slash(folder);
  if (Status moved = rename_synced(store, old_folder(folder)); !moved) return moved;
  return rename_synced(without_trailing_slash(replacement), store);
}

Status remove_swapped(const std::string& folder) {
  const std::string old = old_folder(folder);
  Result<bool> there = is_there(old);
  if (!there) return tl::unexpected(there.error());
  if (!*there) return ok();
  std::error_code error;
  fs::remove_all(old, error);
  if (error) return fail("could not remove {}: {}", old, error.message());
  return sync_path(parent_folder(folder));
}

}  // namespace kvorum::storage
