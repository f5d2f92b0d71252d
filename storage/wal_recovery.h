// recover_log: from a folder to a log that can be appended to. Judges everything first and changes
// nothing if it refuses; then makes durable what a former process may not have, and cuts a torn
// tail.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "raft/types.h"
#include "storage/file_system.h"
#include "storage/wal.h"

namespace kvorum::storage::wal {

struct Segment {
  uint64_t sequence = 0;
  std::string path;
  uint64_t end = 0;     // bytes used
  raft::Index highest;  // of all entries in it, overwritten ones too; 0 when it has none
};

// The newest segment, open for appending. Without any segment `file` is null.
struct OpenSegment {
  std::unique_ptr<File> file;
  uint64_t file_bytes = 0;
  uint32_t salt = 0;
};

struct RecoveredLog {
  std::vector<Segment> segments;  // oldest first
  OpenSegment newest;
  uint64_t log_id = 0;
  uint64_t next_frame = 1;
  raft::EntryId last;
  WalRecovery recovery;
};

// Makes `folder` if it is missing.
Result<RecoveredLog> recover_log(FileSystem& files, const std::string& folder, raft::Index after);

}  // namespace kvorum::storage::wal
