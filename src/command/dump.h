// The format of DUMP's reply, read by RESTORE. Ours, not Redis': a value dumped there is refused by
// its checksum.
//
//   payload  = type:u8 value version:u8 crc32c:u32le        the checksum covers all before it
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "storage/store.h"

namespace kvorum::command {

inline constexpr size_t kDumpFrameBytes = 6;

std::string dump(storage::ValueType type, std::string_view value);

struct Dumped {
  storage::ValueType type;
  std::string_view value;  // points into the payload
};
// Nothing when the payload is damaged, foreign, or of another version.
std::optional<Dumped> parse_dump(std::string_view payload);

}  // namespace kvorum::command
