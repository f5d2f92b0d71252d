#include "storage/wal_recovery.h"

#include <utility>

#include "storage/wal_format.h"
#include "storage/wal_replay.h"
#include "storage/wal_scan.h"

namespace kvorum::storage::wal {

namespace {

std::string parent_of(const std::string& folder) {
  const size_t end = folder.find_last_not_of('/');
  const size_t slash = end == std::string::npos ? end : folder.rfind('/', end);
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : folder.substr(0, slash);
}

struct Listing {
  std::vector<Segment> segments;
  std::vector<std::string> unfinished;  // paths of segments that were never put in place
};

Result<Listing> list_log(FileSystem& files, const std::string& folder) {
  auto names = files.list(folder);
  if (!names) return as_error(names.error());
  Listing listing;
  for (const std::string& name : *names) {
    const std::string path = fmt::format("{}/{}", folder, name);
    uint64_t sequence = 0;
    std::string_view stem = name;
    const bool unfinished = stem.ends_with(kUnfinishedSuffix);
    if (unfinished) stem.remove_suffix(kUnfinishedSuffix.size());
    // A folder of its own disk has this one from the start.
    if (name == "lost+found") continue;
    if (!parse_segment_name(stem, sequence)) {
      return fail("{}: this file does not belong to the write-ahead log: move it out of the folder",
                  path);
    }
    if (unfinished) {
      listing.unfinished.push_back(path);
    } else {
      listing.segments.push_back(Segment{sequence, path, 0, {}});
    }
  }
  const auto& segments = listing.segments;
  for (size_t i = 1; i < segments.size(); ++i) {
    const uint64_t expected = segments[i - 1].sequence + 1;
    if (segments[i].sequence != expected) {
      return fail(
          "{}/{}: this segment of the write-ahead log is missing, and {} is there: put the "
          "missing files back, or start this node again on an empty data folder as a new "
          "member",
          folder, segment_name(expected), segment_name(segments[i].sequence));
    }
  }
  return listing;
}

class Recovery {
 public:
  Recovery(FileSystem& files, const std::string& folder, raft::Index after)
      : files_(files), folder_(folder), after_(after), replay_(after) {}

  Result<RecoveredLog> run() {
    if (IoStatus made = make_folder(); !made) return as_error(made.error());
    auto listing = list_log(files_, folder_);
    if (!listing) return tl::unexpected<Error>(std::move(listing.error()));
    log_.segments = std::move(listing->segments);
    for (size_t i = 0; i < log_.segments.size(); ++i) {
      if (Status read = read_segment(i); !read) return tl::unexpected<Error>(read.error());
    }
    if (Status complete = check_complete(); !complete) {
      return tl::unexpected<Error>(complete.error());
    }
    if (IoStatus settled = settle(listing->unfinished); !settled) return as_error(settled.error());
    fill_in();
    return std::move(log_);
  }

 private:
  IoStatus make_folder() {
    IoStatus made = files_.make_folder(folder_);
    if (!made) return made;
    return files_.sync_folder(parent_of(folder_));
  }

  Status read_segment(size_t i) {
    Segment& segment = log_.segments[i];
    const bool newest = i + 1 == log_.segments.size();
    auto file = files_.open(segment.path, FileSystem::Mode::kOpenExisting);
    if (!file) return as_error(file.error());
    // A former process may have died before its sync; File::next_data wants bytes that are synced.
    if (newest) {
      if (IoStatus synced = (*file)->sync_data(); !synced) return as_error(synced.error());
    }
    auto header = read_segment_header(**file, segment.path);
    if (!header) return tl::unexpected<Error>(std::move(header.error()));
    if (Status fits = check_fits(i, *header); !fits) return fits;
    replay_.begin_segment();
    auto scanned = scan_segment(**file, segment.path, *header, [this](std::string_view records) {
      return replay_.apply(records);
    });
    if (!scanned) return tl::unexpected<Error>(std::move(scanned.error()));
    segment.end = scanned->end;
    segment.highest = replay_.highest_in_segment();
    log_.log_id = header->log_id;
    log_.next_frame = scanned->next_frame;
    if (newest) {
      log_.newest = OpenSegment{std::move(*file), header->file_bytes, header->salt()};
      newest_scan_ = *scanned;
    }
    return ok();
  }

  Status check_fits(size_t i, const SegmentHeader& header) const {
    const Segment& segment = log_.segments[i];
    if (header.sequence != segment.sequence) {
      return damaged(segment.path, 0,
                     fmt::format("by its header this is {}", segment_name(header.sequence)));
    }
    if (i == 0) return ok();
    if (header.log_id != log_.log_id) {
      return damaged(segment.path, 0, "this segment is of another node's log");
    }
    if (header.first_frame != log_.next_frame) {
      return damaged(log_.segments[i - 1].path, log_.segments[i - 1].end,
                     fmt::format("frame {} should be here; the next segment begins with frame {}",
                                 log_.next_frame, header.first_frame));
    }
    return ok();
  }

  Status check_complete() const {
    if (log_.segments.empty()) {
      if (after_ == raft::Index()) return ok();
      return fail(
          "{}: the write-ahead log is empty, but the store holds entries up to {}: put the "
          "log's files back, or start this node again on an empty data folder as a new "
          "member",
          folder_, after_);
    }
    if (replay_.compacted() > after_) {
      return fail(
          "{}: entries {} to {} are missing between the store and the write-ahead log: put "
          "the older segments, or the store that belongs to this log, back; or start this "
          "node again on an empty data folder as a new member",
          log_.segments.front().path, after_.next(), replay_.compacted());
    }
    return ok();
  }

  // Everything that the recovery reports must be durable before it is reported: the names, and the
  // last frame. All frames before it were synced before it was written. It is written again, for
  // after a failed sync a kernel may show pages that it will not write any more.
  IoStatus settle(const std::vector<std::string>& unfinished) {
    for (const std::string& path : unfinished) {
      if (IoStatus removed = files_.remove(path); !removed) return removed;
    }
    if (IoStatus synced = files_.sync_folder(folder_); !synced) return synced;
    if (log_.newest.file == nullptr) return {};
    File& file = *log_.newest.file;
    const ScannedSegment& scan = newest_scan_;
    auto frame = file.read(scan.last_frame_at, scan.end - scan.last_frame_at);
    if (!frame) return tl::unexpected<IoError>(std::move(frame.error()));
    if (IoStatus written = file.write(scan.last_frame_at, *frame); !written) return written;
    // Zeroed before anything is appended: leftovers could pass for a part of the next frame, which
    // has the same sequence and so the same stamp.
    if (IoStatus cut = write_zeros(file, scan.end, scan.torn_end); !cut) return cut;
    return file.sync_data();
  }

  void fill_in() {
    log_.last = replay_.last();
    WalRecovery& recovery = log_.recovery;
    recovery.hard_state = replay_.hard_state();
    recovery.compacted = after_;
    recovery.compacted_term = replay_.after_term();
    recovery.entries = replay_.take_entries();
    recovery.torn_bytes = newest_scan_.torn_end - newest_scan_.end;
  }

  FileSystem& files_;
  const std::string& folder_;
  const raft::Index after_;
  Replay replay_;
  RecoveredLog log_;
  ScannedSegment newest_scan_;
};

}  // namespace

Result<RecoveredLog> recover_log(FileSystem& files, const std::string& folder, raft::Index after) {
  return Recovery(files, folder, after).run();
}

}  // namespace kvorum::storage::wal
