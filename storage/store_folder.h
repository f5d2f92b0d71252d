// The store's folder as files: what may be opened in it, and its size.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kvorum::storage {

// The engine's record of a backup's files: a folder without it, and without the engine's own
// metadata, can't be opened.
inline constexpr std::string_view kBackupRecord = "WiredTiger.backup";

// An open file, closed when this ends.
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

Status make_folder(const std::string& folder);
Result<std::vector<std::string>> names_in(const std::string& folder);
// Of a file, or of a folder's entries.
Status sync_path(const std::string& path);
// The folder's files, and their names.
Status sync_store_files(const std::string& folder);
std::string without_trailing_slash(const std::string& folder);
std::string parent_folder(const std::string& folder);

// True if the folder holds a store. Refuses one that holds anything else, and one whose files are
// there while the engine's record of them is not: opening that would quietly begin an empty store
// over them.
Result<bool> examine_store_folder(const std::string& folder);

uint64_t folder_bytes(const std::string& folder);

// What may still be written to the disk the folder is on.
uint64_t free_store_bytes(const std::string& folder);

}  // namespace kvorum::storage
