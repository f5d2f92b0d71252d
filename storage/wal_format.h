// The bytes of the write-ahead log: segment header, frames over stamped sectors, records. Encoders
// and decoders only: no files, no policy. README.md says why the format is as it is.
//
//   segment  = header:4096 frame* (zero bytes)
//   frame    = (content:508 stamp:u32)*            whole sectors of 512 bytes, none shared
//   content  = length:u32 sequence:u64 checksum:u32 header_checksum:u32 record* (zero bytes)
//   record   = kind:u8 body
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "base/result.h"
#include "raft/types.h"

namespace kvorum::storage::wal {

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr size_t kSectorBytes = 512;
inline constexpr size_t kStampBytes = 4;
inline constexpr size_t kSectorContentBytes = kSectorBytes - kStampBytes;
// A block of its own, so that writing the first frame never touches it.
inline constexpr size_t kSegmentHeaderBytes = 4096;
inline constexpr size_t kFrameHeaderBytes = 20;
// Records of one frame. A frame is one batch of the log writer, whose mailbox bounds it far below.
inline constexpr size_t kFrameRecordBytesMax = size_t{1} << 31;

struct SegmentHeader {
  uint64_t log_id = 0;       // the same in all segments of one log, drawn at random
  uint64_t sequence = 0;     // of the segment; grows by one
  uint64_t first_frame = 0;  // sequence of its first frame
  uint64_t file_bytes = 0;   // the size the file was given when it was made

  // Seeds every checksum and stamp of the segment's frames, so that a frame from elsewhere is none.
  uint32_t salt() const;
};

// kSegmentHeaderBytes long.
std::string encode(const SegmentHeader& header);
// Fails with what is wrong about the bytes, for a message that begins with the file's name.
Result<SegmentHeader> decode_segment_header(std::string_view bytes);

// "<16 hex digits>.wal", and the name under which a segment is prepared.
std::string segment_name(uint64_t sequence);
inline constexpr std::string_view kUnfinishedSuffix = ".new";
// False when `name` is not a segment's.
bool parse_segment_name(std::string_view name, uint64_t& sequence);

// The last four bytes of every sector of a frame. Never zero, which is what an unwritten sector
// has there, nor one flipped bit away from it.
uint32_t frame_stamp(uint32_t salt, uint64_t frame_sequence);
inline uint32_t sector_stamp(std::string_view sector) {
  return get_u32_le(sector.data() + kSectorContentBytes);
}

// Bytes on disk of a frame with so many bytes of records.
constexpr uint64_t frame_disk_bytes(uint64_t record_bytes) {
  return (kFrameHeaderBytes + record_bytes + kSectorContentBytes - 1) / kSectorContentBytes *
         kSectorBytes;
}

struct FrameHeader {
  uint32_t record_bytes = 0;
  uint64_t sequence = 0;
  uint32_t checksum = 0;  // of all content after the header, padding included
};
// From the first bytes of a frame. False when the header's own checksum does not match.
bool decode_frame_header(std::string_view bytes, uint32_t salt, FrameHeader& header);

// Takes the stamps out of whole sectors, in place: what is left is the content.
void join_sectors(std::string& sectors);
// Whether `content`, joined, has the checksum that its header promises.
bool checksum_matches(std::string_view content, uint32_t salt, const FrameHeader& header);

// Builds one frame in a buffer that is used again and again.
class FrameBuilder {
 public:
  FrameBuilder() { clear(); }
  void clear();
  bool empty() const { return content_.size() == kFrameHeaderBytes; }
  uint64_t disk_bytes() const { return frame_disk_bytes(content_.size() - kFrameHeaderBytes); }

  void add_start(raft::EntryId last);
  void add_reset(raft::EntryId last);
  void add(const raft::HardState& hard_state);
  void add(const raft::Entry& entry);

  // The finished frame, disk_bytes() long; valid until clear(), which must come next.
  std::string_view seal(uint32_t salt, uint64_t sequence);

 private:
  void add_marker(uint8_t kind, raft::EntryId last);

  std::string content_;
};

// The first record of a segment, unless a reset is: where the log stood when the segment was begun.
struct StartRecord {
  raft::EntryId last;
};
// The log begins anew after `last`: nothing written before counts.
struct ResetRecord {
  raft::EntryId last;
};
struct EntryRecord {
  raft::EntryId id;
  raft::EntryKind kind = raft::EntryKind::kNoop;
  UnixMillis stamp = 0;
  std::string_view data;
};
using Record = std::variant<StartRecord, ResetRecord, raft::HardState, EntryRecord>;

// Walks the records of a frame without copying.
class RecordReader {
 public:
  explicit RecordReader(std::string_view records) : in_(records) {}
  // False at the end, or when the bytes are no records (then ok() is false).
  bool next(Record& record);
  bool ok() const { return in_.ok() && known_; }

 private:
  ByteReader in_;
  bool known_ = true;
};

}  // namespace kvorum::storage::wal
