// Reads one segment file: every valid frame in order, then judges what follows the last one. An
// unfinished write at the end of the newest segment is a torn tail; everything else that is not as
// it was written is damage, and refused. README.md gives the reasoning.
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

// `newest`: no segment follows, so that a torn tail may be here. Changes nothing.
Result<ScannedSegment> scan_segment(File& file, const std::string& path,
                                    const SegmentHeader& header, bool newest,
                                    const FrameVisitor& visit);

// The message for a log that must not be used.
tl::unexpected<Error> damaged(const std::string& path, uint64_t offset, std::string_view what);

inline tl::unexpected<Error> as_error(const IoError& error) {
  return tl::unexpected<Error>(Error{error.message});
}

}  // namespace kvorum::storage::wal
