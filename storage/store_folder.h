// The store's folder as files: what may be opened in it, its size, and copying a backup out of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace kvorum::storage {

// Makes the folder if missing. Refuses one that is not a store, and one whose files are there while
// the engine's record of them is not: opening that would quietly begin an empty store over them.
Status prepare_store_folder(const std::string& folder);

uint64_t folder_bytes(const std::string& folder);

// What may still be written to the disk the folder is on.
uint64_t free_disk_bytes(const std::string& folder);

// Copies `names` from `from` into `to`, which is made and must be empty, and syncs everything. The
// names come in the order in which they make the copy usable: until the last, it can't be opened.
Status copy_store_files(const std::string& from, const std::string& to,
                        const std::vector<std::string>& names);

}  // namespace kvorum::storage
