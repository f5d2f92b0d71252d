// What a disk has left.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace kvorum {

// Bytes that may still be written to the disk that `path` is on; nothing when that can't be said
// (then errno says why).
std::optional<uint64_t> free_disk_bytes(const std::string& path);

}  // namespace kvorum
