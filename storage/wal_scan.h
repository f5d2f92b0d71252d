// Reads one segment file: every valid frame in order, then judges what follows the last one. What
// a single unfinished write may have left there is told from damage, which is refused. README.md
// gives the reasoning.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "storage/file_system.h"
#include "storage/wal_format.h"

namespace kvorum::storage::wal {

struct ScannedSegment {
  uint64_t last_frame_at = 0;  // offset of the last valid frame
  uint64_t end = 0;            // where the next frame goes
  uint64_t next_frame = 0;     // its sequence
  uint64_t torn_end = 0;       // an unfinished write left something in [end, torn_end)
};

// Given the records of each frame; fails with what is wrong with them.
using FrameVisitor = std::function<Status(std::string_view records)>;

// Checks that the file has the size it was made with, too.
Result<SegmentHeader> read_segment_header(File& file, const std::string& path);

// Changes nothing. That the frames go on in the next segment is for the caller to check: only then
// is what an unfinished write left in an older segment no loss.
Result<ScannedSegment> scan_segment(File& file, const std::string& path,
                                    const SegmentHeader& header, const FrameVisitor& visit);

// The message for a log that must not be used.
tl::unexpected<Error> damaged(const std::string& path, uint64_t offset, std::string_view what);

inline tl::unexpected<Error> as_error(const IoError& error) {
  return tl::unexpected<Error>(Error{error.message});
}

}  // namespace kvorum::storage::wal
