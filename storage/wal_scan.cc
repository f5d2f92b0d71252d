#include "storage/wal_scan.h"

#include <algorithm>
#include <utility>

namespace kvorum::storage::wal {

namespace {

constexpr size_t kReadAheadBytes = 1 << 20;

bool all_zero(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

// Whether every sector carries `stamp`, none does not yet carry any, or something else is there.
enum class Stamps : uint8_t { kWhole, kUnfinished, kForeign };

Stamps judge_stamps(std::string_view sectors, uint32_t stamp, size_t& foreign_at) {
  Stamps verdict = Stamps::kWhole;
  for (size_t at = 0; at + kSectorBytes <= sectors.size(); at += kSectorBytes) {
    const uint32_t found = sector_stamp(sectors.substr(at, kSectorBytes));
    if (found == stamp) continue;
    if (found != 0) {
      foreign_at = at;
      return Stamps::kForeign;
    }
    verdict = Stamps::kUnfinished;
  }
  return verdict;
}

class Scanner {
 public:
  Scanner(File& file, const std::string& path, const SegmentHeader& header,
          const FrameVisitor& visit)
      : file_(file), path_(path), visit_(visit), size_(header.file_bytes), salt_(header.salt()) {
    out_.end = kSegmentHeaderBytes;
    out_.next_frame = header.first_frame;
  }

  Result<ScannedSegment> run() {
    while (out_.end + kSectorBytes <= size_) {
      Result<bool> more = read_frame();
      if (!more) return tl::unexpected<Error>(std::move(more.error()));
      if (!*more) break;
    }
    if (out_.last_frame_at == 0) {
      return damaged(path_, kSegmentHeaderBytes,
                     "the first frame, which every segment has, is missing");
    }
    if (Status tail = check_tail(); !tail) return tl::unexpected<Error>(tail.error());
    return out_;
  }

 private:
  // Reads the frame at out_.end. False when there is none, or only an unfinished one.
  Result<bool> read_frame() {
    const uint64_t at = out_.end;
    auto sector = view(at, kSectorBytes);
    if (!sector) return tl::unexpected<Error>(std::move(sector.error()));
    const uint32_t stamp = frame_stamp(salt_, out_.next_frame);
    const uint32_t found = sector_stamp(*sector);
    if (found == 0) return false;
    if (found != stamp) {
      return damaged(path_, at,
                     fmt::format("no frame begins here, and frame {} should", out_.next_frame));
    }
    FrameHeader header;
    if (!decode_frame_header(*sector, salt_, header) || header.sequence != out_.next_frame) {
      return damaged(path_, at, fmt::format("the header of frame {} is wrong", out_.next_frame));
    }
    const uint64_t bytes = frame_disk_bytes(header.record_bytes);
    if (bytes > size_ - at) {
      return damaged(path_, at, fmt::format("frame {} is longer than its file", out_.next_frame));
    }
    auto sectors = view(at, bytes);
    if (!sectors) return tl::unexpected<Error>(std::move(sectors.error()));
    size_t foreign_at = 0;
    switch (judge_stamps(*sectors, stamp, foreign_at)) {
      case Stamps::kUnfinished:
        return false;
      case Stamps::kForeign:
        return damaged(path_, at + foreign_at,
                       fmt::format("this sector is not of frame {}, which began at offset {}",
                                   out_.next_frame, at));
      case Stamps::kWhole:
        break;
    }
    return accept(header, *sectors);
  }

  Result<bool> accept(const FrameHeader& header, std::string_view sectors) {
    const uint64_t at = out_.end;
    content_.assign(sectors);
    join_sectors(content_);
    if (!checksum_matches(content_, salt_, header)) {
      return damaged(path_, at,
                     fmt::format("frame {} was written whole, but its checksum does not match",
                                 header.sequence));
    }
    std::string_view records =
        std::string_view(content_).substr(kFrameHeaderBytes, header.record_bytes);
    if (Status visited = visit_(records); !visited) {
      return damaged(path_, at, visited.error().message);
    }
    out_.last_frame_at = at;
    out_.end = at + sectors.size();
    ++out_.next_frame;
    return true;
  }

  // After the last frame there may be sectors of the one write that was not finished. A sector of
  // any later frame proves that this one was finished once.
  Status check_tail() {
    const uint32_t unfinished = frame_stamp(salt_, out_.next_frame);
    out_.torn_end = out_.end;
    for (uint64_t at = out_.end; at + kSectorBytes <= size_;) {
      auto data_at = file_.next_data(at);
      if (!data_at) return as_error(data_at.error());
      at = std::max(at, *data_at / kSectorBytes * kSectorBytes);
      if (at >= size_) break;
      // To a round offset: what was read is in the page cache, where next_data may take it for
      // data.
      const uint64_t stop = std::min(size_, (at / kReadAheadBytes + 1) * kReadAheadBytes);
      const uint64_t count = (stop - at) / kSectorBytes * kSectorBytes;
      if (count == 0) break;
      auto sectors = view(at, count);
      if (!sectors) return tl::unexpected<Error>(std::move(sectors.error()));
      for (uint64_t i = 0; i < count; i += kSectorBytes) {
        std::string_view sector = sectors->substr(i, kSectorBytes);
        const uint32_t stamp = sector_stamp(sector);
        if (stamp != 0 && stamp != unfinished) {
          return damaged(
              path_, at + i,
              fmt::format("frame {} should be at offset {}; it is not, but something was "
                          "written behind it",
                          out_.next_frame, out_.end));
        }
        if (!all_zero(sector)) out_.torn_end = at + i + kSectorBytes;
      }
      at += count;
    }
    return ok();
  }

  // Bytes of the file, read ahead of what is asked for. Valid until the next call.
  Result<std::string_view> view(uint64_t offset, uint64_t bytes) {
    if (offset < window_at_ || offset + bytes > window_at_ + window_.size()) {
      auto read = file_.read(offset, std::max<uint64_t>(bytes, kReadAheadBytes));
      if (!read) return as_error(read.error());
      window_at_ = offset;
      window_ = std::move(*read);
      if (window_.size() < bytes) return damaged(path_, offset, "the file ends here");
    }
    return std::string_view(window_).substr(offset - window_at_, bytes);
  }

  File& file_;
  const std::string& path_;
  const FrameVisitor& visit_;
  const uint64_t size_;
  const uint32_t salt_;
  uint64_t window_at_ = 0;
  std::string window_;
  std::string content_;
  ScannedSegment out_;
};

}  // namespace

Result<SegmentHeader> read_segment_header(File& file, const std::string& path) {
  auto size = file.size();
  if (!size) return as_error(size.error());
  auto bytes = file.read(0, kSegmentHeaderBytes);
  if (!bytes) return as_error(bytes.error());
  auto header = decode_segment_header(*bytes);
  if (!header) return damaged(path, 0, header.error().message);
  if (header->file_bytes != *size) {
    return damaged(
        path, *size,
        fmt::format("the file has {} bytes and was made with {}", *size, header->file_bytes));
  }
  return header;
}

Result<ScannedSegment> scan_segment(File& file, const std::string& path,
                                    const SegmentHeader& header, const FrameVisitor& visit) {
  return Scanner(file, path, header, visit).run();
}

tl::unexpected<Error> damaged(const std::string& path, uint64_t offset, std::string_view what) {
  return fail(
      "{}: damaged at offset {}: {}. Nothing was changed. Do not cut or delete the file, it may "
      "hold "
      "acknowledged writes: start this node again on an empty data folder, as a new member that "
      "its "
      "peers bring up to date, or restore a backup",
      path, offset, what);
}

}  // namespace kvorum::storage::wal
