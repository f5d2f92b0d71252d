#include "storage/wal_format.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "base/check.h"
#include "base/crc32c.h"

namespace kvorum::storage::wal {

namespace {

constexpr std::string_view kMagic = "kvorumWL";
constexpr std::string_view kSegmentSuffix = ".wal";
constexpr size_t kSequenceDigits = 16;
// A builder that held a large batch gives its memory back when it held so much more than needed.
constexpr size_t kIdleBufferBytes = 4 << 20;

// Kinds are on disk: never used again for something else.
enum RecordKind : uint8_t { kStart = 1, kReset = 2, kHardState = 3, kEntry = 4 };

constexpr size_t kVarintBytesMax = 10;

char* put_varint(char* out, uint64_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}

}  // namespace

uint32_t SegmentHeader::salt() const {
  char bytes[16];
  put_u64_le(bytes, log_id);
  put_u64_le(bytes + 8, sequence);
  return crc32c({bytes, sizeof(bytes)});
}

// magic:8 version:u32 log_id:u64 sequence:u64 first_frame:u64 file_bytes:u64 (zero bytes)
// checksum:u32, of everything before it. Magic, version, size and checksum stay where they are in
// every version.
std::string encode(const SegmentHeader& header) {
  std::string out;
  out.reserve(kSegmentHeaderBytes);
  ByteWriter writer(out);
  writer.raw(kMagic);
  writer.u32_le(kFormatVersion);
  writer.u64_le(header.log_id);
  writer.u64_le(header.sequence);
  writer.u64_le(header.first_frame);
  writer.u64_le(header.file_bytes);
  out.resize(kSegmentHeaderBytes - sizeof(uint32_t));
  writer.u32_le(crc32c(out));
  return out;
}

Result<SegmentHeader> decode_segment_header(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes) {
    return fail("the file ends inside its header, after {} bytes", bytes.size());
  }
  bytes = bytes.substr(0, kSegmentHeaderBytes);
  const size_t covered = kSegmentHeaderBytes - sizeof(uint32_t);
  if (crc32c(bytes.substr(0, covered)) != get_u32_le(bytes.data() + covered)) {
    return fail("the checksum of the segment header does not match");
  }
  ByteReader reader(bytes);
  if (reader.raw(kMagic.size()) != kMagic) return fail("this is not a write-ahead log segment");
  uint32_t version = reader.u32_le();
  if (version != kFormatVersion) {
    return fail(
        "its format is version {}, and this program knows version {} only: start the "
        "version of kvorum that wrote it, or a later one",
        version, kFormatVersion);
  }
  SegmentHeader header;
  header.log_id = reader.u64_le();
  header.sequence = reader.u64_le();
  header.first_frame = reader.u64_le();
  header.file_bytes = reader.u64_le();
  return header;
}

std::string segment_name(uint64_t sequence) {
  return fmt::format("{:0{}x}{}", sequence, kSequenceDigits, kSegmentSuffix);
}

bool parse_segment_name(std::string_view name, uint64_t& sequence) {
  if (name.size() != kSequenceDigits + kSegmentSuffix.size()) return false;
  const char* end = name.data() + kSequenceDigits;
  auto [parsed, error] = std::from_chars(name.data(), end, sequence, 16);
  // One spelling only: no capitals, no sign.
  return error == std::errc() && parsed == end && name == segment_name(sequence);
}

uint32_t frame_stamp(uint32_t salt, uint64_t frame_sequence) {
  char bytes[8];
  put_u64_le(bytes, frame_sequence);
  uint32_t stamp = crc32c({bytes, sizeof(bytes)}, salt);
  return std::popcount(stamp) < 8 ? ~stamp : stamp;
}

bool decode_frame_header(std::string_view bytes, uint32_t salt, FrameHeader& header) {
  ByteReader reader(bytes);
  header.record_bytes = reader.u32_le();
  header.sequence = reader.u64_le();
  header.checksum = reader.u32_le();
  uint32_t header_checksum = reader.u32_le();
  return reader.ok() && header_checksum == crc32c(bytes.substr(0, kFrameHeaderBytes - 4), salt);
}

void join_sectors(std::string& sectors) {
  const size_t count = sectors.size() / kSectorBytes;
  for (size_t i = 1; i < count; ++i) {
    std::memmove(sectors.data() + i * kSectorContentBytes, sectors.data() + i * kSectorBytes,
                 kSectorContentBytes);
  }
  sectors.resize(count * kSectorContentBytes);
}

bool checksum_matches(std::string_view content, uint32_t salt, const FrameHeader& header) {
  return crc32c(content.substr(kFrameHeaderBytes), salt) == header.checksum;
}

void FrameBuilder::clear() {
  if (content_.capacity() > kIdleBufferBytes && content_.size() < content_.capacity() / 4) {
    std::string().swap(content_);
  }
  content_.assign(kFrameHeaderBytes, '\0');
}

void FrameBuilder::add_marker(uint8_t kind, raft::EntryId last) {
  ByteWriter writer(content_);
  writer.u8(kind);
  writer.varint(last.term.value());
  writer.varint(last.index.value());
}

void FrameBuilder::add_start(raft::EntryId last) {
  add_marker(kStart, last);
}
void FrameBuilder::add_reset(raft::EntryId last) {
  add_marker(kReset, last);
}

void FrameBuilder::add(const raft::HardState& hard_state) {
  ByteWriter writer(content_);
  writer.u8(kHardState);
  writer.varint(hard_state.term.value());
  writer.varint(hard_state.vote.value());
  writer.varint(hard_state.commit.value());
}

void FrameBuilder::add(const raft::Entry& entry) {
  char head[2 + 4 * kVarintBytesMax];
  head[0] = kEntry;
  char* end = put_varint(head + 1, entry.id.term.value());
  end = put_varint(end, entry.id.index.value());
  *end++ = static_cast<char>(entry.kind);
  end = put_varint(end, entry.stamp);
  end = put_varint(end, entry.data.size());
  content_.append(head, static_cast<size_t>(end - head));
  content_.append(entry.data);
}

std::string_view FrameBuilder::seal(uint32_t salt, uint64_t sequence) {
  const size_t record_bytes = content_.size() - kFrameHeaderBytes;
  CHECK(record_bytes <= kFrameRecordBytesMax, "a frame of {} bytes", record_bytes);
  const size_t sectors = disk_bytes() / kSectorBytes;
  content_.resize(sectors * kSectorContentBytes);

  std::string_view covered = std::string_view(content_).substr(kFrameHeaderBytes);
  char* header = content_.data();
  put_u32_le(header, static_cast<uint32_t>(record_bytes));
  put_u64_le(header + 4, sequence);
  put_u32_le(header + 12, crc32c(covered, salt));
  put_u32_le(header + 16, crc32c({header, kFrameHeaderBytes - 4}, salt));

  // From the last sector to the first, so that nothing is overwritten before it was moved.
  content_.resize(sectors * kSectorBytes);
  const uint32_t stamp = frame_stamp(salt, sequence);
  for (size_t i = sectors; i-- > 0;) {
    char* sector = content_.data() + i * kSectorBytes;
    std::memmove(sector, content_.data() + i * kSectorContentBytes, kSectorContentBytes);
    put_u32_le(sector + kSectorContentBytes, stamp);
  }
  return content_;
}

bool RecordReader::next(Record& record) {
  if (!ok() || in_.rest().empty()) return false;
  const uint8_t kind = in_.u8();
  switch (kind) {
    case kStart:
    case kReset: {
      raft::EntryId last;
      last.term = raft::Term(in_.varint());
      last.index = raft::Index(in_.varint());
      if (kind == kStart) {
        record = StartRecord{last};
      } else {
        record = ResetRecord{last};
      }
      break;
    }
    case kHardState: {
      raft::HardState hard_state;
      hard_state.term = raft::Term(in_.varint());
      hard_state.vote = raft::NodeId(in_.varint());
      hard_state.commit = raft::Index(in_.varint());
      record = hard_state;
      break;
    }
    case kEntry: {
      EntryRecord entry;
      entry.id.term = raft::Term(in_.varint());
      entry.id.index = raft::Index(in_.varint());
      entry.kind = static_cast<raft::EntryKind>(in_.u8());
      entry.stamp = in_.varint();
      entry.data = in_.string();
      record = entry;
      break;
    }
    default:
      known_ = false;
  }
  return ok();
}

}  // namespace kvorum::storage::wal
