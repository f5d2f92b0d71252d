#include "storage/wal.h"

#include <algorithm>
#include <cerrno>
#include <random>
#include <utility>

#include "base/check.h"
#include "storage/wal_format.h"
#include "storage/wal_recovery.h"
#include "storage/wal_scan.h"

namespace kvorum::storage {

namespace {

using wal::FrameBuilder;
using wal::kSectorBytes;
using wal::Segment;

// So much of a segment is filled with zeros at once, ahead of frames that are no larger than the
// second number. Bytes that were written before cost a sync less: a file system has nothing of its
// own to write then. A large frame is not worth writing its room twice.
constexpr uint64_t kZerosAhead = 1 << 20;
constexpr uint64_t kZeroedFrameMax = 16 << 10;

bool is_disk_full(const IoError& error) {
  return error.number == ENOSPC || error.number == EDQUOT;
}

uint64_t draw_log_id() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

class SegmentedWal final : public Wal {
 public:
  SegmentedWal(FileSystem& files, WalOptions options, wal::RecoveredLog& log)
      : files_(files),
        options_(std::move(options)),
        log_id_(log.log_id),
        segments_(std::move(log.segments)),
        newest_(std::move(log.newest)),
        next_frame_(log.next_frame),
        last_(log.last),
        hard_state_(log.recovery.hard_state) {}

  // A folder without segments gets its first.
  Status make_first_segment() {
    log_id_ = options_.log_id != 0 ? options_.log_id : draw_log_id();
    return started(start_segment(0));
  }

  Result<AppendOutcome> write(std::span<const WalBatch> batches) override {
    if (failed_) return tl::unexpected<Error>(*failed_);
    CHECK(!unsynced_, "a frame was written and not synced");
    const Tail tail = encode(batches);
    if (frame_.empty()) return AppendOutcome::kWritten;
    const uint64_t bytes = frame_.disk_bytes();
    if (bytes > newest_.file_bytes - segments_.back().end) {
      auto begun = start_segment(bytes);
      if (!begun || *begun == AppendOutcome::kDiskFull) return begun;
    }
    auto outcome = write_frame();
    if (outcome && *outcome == AppendOutcome::kWritten) {
      last_ = tail.last;
      hard_state_ = tail.hard_state;
      segments_.back().highest = std::max(segments_.back().highest, tail.highest);
      unsynced_ = true;
    }
    return outcome;
  }

  void begin_sync() override {
    if (unsynced_) newest_.file->begin_sync_data();
  }

  Status sync() override {
    if (failed_) return tl::unexpected<Error>(*failed_);
    if (!std::exchange(unsynced_, false)) return ok();
    if (IoStatus synced = newest_.file->finish_sync_data(); !synced) return give_up(synced.error());
    return ok();
  }

  Status compact(raft::Index index) override {
    if (failed_) return tl::unexpected<Error>(*failed_);
    size_t obsolete = 0;
    while (obsolete + 1 < segments_.size() && segments_[obsolete].highest <= index) ++obsolete;
    return remove_oldest(obsolete);
  }

  Status reset(raft::EntryId last, const raft::HardState& hard_state) override {
    if (failed_) return tl::unexpected<Error>(*failed_);
    const size_t obsolete = segments_.size();
    auto begun = start_over(last, hard_state, options_.segment_bytes);
    // The snapshot may have taken the last room; a segment with this one frame is enough for now.
    if (begun && *begun == AppendOutcome::kDiskFull) begun = start_over(last, hard_state, 0);
    if (Status status = started(begun); !status) return status;
    last_ = last;
    hard_state_ = hard_state;
    return remove_oldest(obsolete);
  }

  uint64_t bytes() const override {
    uint64_t sum = 0;
    for (const Segment& segment : segments_) sum += segment.end;
    return sum;
  }
  size_t segments() const override { return segments_.size(); }

 private:
  // What the log comes to with the frame that is being written.
  struct Tail {
    raft::EntryId last;
    raft::HardState hard_state;
    raft::Index highest;
  };

  Tail encode(std::span<const WalBatch> batches) {
    Tail tail{last_, hard_state_, {}};
    frame_.clear();
    for (const WalBatch& batch : batches) {
      if (batch.hard_state) {
        tail.hard_state = *batch.hard_state;
        frame_.add(tail.hard_state);
      }
      for (const raft::EntryPtr& entry : batch.entries) {
        const raft::Index index = entry->id.index;
        CHECK(index != raft::Index() && index.prev() <= tail.last.index,
              "entry {} does not follow entry {}", index, tail.last.index);
        frame_.add(*entry);
        tail.last = entry->id;
        tail.highest = std::max(tail.highest, index);
      }
    }
    return tail;
  }

  Result<AppendOutcome> write_frame() {
    const uint64_t at = segments_.back().end;
    const std::string_view frame = frame_.seal(newest_.salt, next_frame_);
    if (Status zeroed = zero_ahead(at + frame.size()); !zeroed) {
      return tl::unexpected<Error>(std::move(zeroed.error()));
    }
    if (IoStatus written = newest_.file->write(at, frame); !written) {
      if (!is_disk_full(written.error())) return give_up(written.error());
      return take_back(at, frame.size());
    }
    segments_.back().end = at + frame.size();
    ++next_frame_;
    return AppendOutcome::kWritten;
  }

  // Before a frame is written up to `end`: the room behind it is made ready for the next ones.
  Status zero_ahead(uint64_t end) {
    if (end <= written_ || frame_.disk_bytes() > kZeroedFrameMax) return ok();
    const uint64_t ahead = std::min(end + kZerosAhead, newest_.file_bytes);
    IoStatus zeroed = write_zeros(*newest_.file, end, ahead);
    if (zeroed) written_ = ahead;
    // It was a favour: where there is no room for it, frames may still fit.
    if (!zeroed && !is_disk_full(zeroed.error())) return give_up(zeroed.error());
    return ok();
  }

  // Some file systems find out only when writing that there is no room, and may have written a
  // part. That part must be gone for good before the next frame, which gets the same sequence.
  Result<AppendOutcome> take_back(uint64_t at, uint64_t bytes) {
    if (IoStatus zeroed = write_zeros(*newest_.file, at, at + bytes); !zeroed) {
      return give_up(zeroed.error());
    }
    if (IoStatus synced = newest_.file->sync_data(); !synced) return give_up(synced.error());
    return AppendOutcome::kDiskFull;
  }

  // A segment that continues the log and has room for a frame of `frame_bytes`. It repeats the hard
  // state, so that the segments before it are never needed for that.
  Result<AppendOutcome> start_segment(uint64_t frame_bytes) {
    first_.clear();
    first_.add_start(last_);
    first_.add(hard_state_);
    const uint64_t needed = wal::kSegmentHeaderBytes + first_.disk_bytes() + frame_bytes;
    return write_segment(std::max(options_.segment_bytes, needed));
  }

  Result<AppendOutcome> start_over(raft::EntryId last, const raft::HardState& hard_state,
                                   uint64_t file_bytes) {
    first_.clear();
    first_.add_reset(last);
    first_.add(hard_state);
    return write_segment(file_bytes);
  }

  // A segment of about `file_bytes` that begins with the frame in first_. It gets its name when it
  // is complete and durable, so a segment with a name is never half made.
  Result<AppendOutcome> write_segment(uint64_t file_bytes) {
    wal::SegmentHeader header;
    header.log_id = log_id_;
    header.sequence = segments_.empty() ? 1 : segments_.back().sequence + 1;
    header.first_frame = next_frame_;
    const uint64_t used = wal::kSegmentHeaderBytes + first_.disk_bytes();
    header.file_bytes =
        (std::max(file_bytes, used) + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
    const std::string path = options_.folder + "/" + wal::segment_name(header.sequence);
    const std::string unfinished = path + std::string(wal::kUnfinishedSuffix);

    auto file = fill_segment(unfinished, header);
    IoStatus in_place;
    if (file) in_place = files_.rename(unfinished, path);
    if (!file || !in_place) {
      const IoError& error = file ? in_place.error() : file.error();
      if (!is_disk_full(error)) return give_up(error);
      // Nothing was promised about this file. If it can't be removed, the next attempt will say so.
      (void)files_.remove(unfinished);
      return AppendOutcome::kDiskFull;
    }
    if (IoStatus synced = files_.sync_folder(options_.folder); !synced) {
      return give_up(synced.error());
    }
    segments_.push_back(Segment{header.sequence, path, used, {}});
    newest_ = wal::OpenSegment{std::move(*file), header.file_bytes, header.salt()};
    written_ = used;
    ++next_frame_;
    return AppendOutcome::kWritten;
  }

  IoResult<std::unique_ptr<File>> fill_segment(const std::string& path,
                                               const wal::SegmentHeader& header) {
    auto file = files_.open(path, FileSystem::Mode::kCreateNew);
    if (!file) return file;
    IoStatus done = (*file)->allocate(header.file_bytes);
    if (done) {
      std::string bytes = wal::encode(header);
      bytes.append(first_.seal(header.salt(), header.first_frame));
      done = (*file)->write(0, bytes);
    }
    if (done) done = (*file)->sync_data();
    if (!done) return tl::unexpected<IoError>(std::move(done.error()));
    return file;
  }

  // Oldest first and each removal made durable by itself: whatever a crash leaves is contiguous.
  Status remove_oldest(size_t count) {
    for (; count > 0; --count) {
      if (IoStatus removed = files_.remove(segments_.front().path); !removed) {
        return wal::as_error(removed.error());
      }
      segments_.erase(segments_.begin());
      if (IoStatus synced = files_.sync_folder(options_.folder); !synced) {
        return give_up(synced.error());
      }
    }
    return ok();
  }

  static Status started(const Result<AppendOutcome>& begun) {
    if (!begun) return tl::unexpected<Error>(begun.error());
    if (*begun == AppendOutcome::kDiskFull) {
      return fail("there is no room on the disk for a segment of the write-ahead log");
    }
    return ok();
  }

  tl::unexpected<Error> give_up(const IoError& error) {
    failed_ = Error{fmt::format("the write-ahead log can't be written: {}", error.message)};
    return tl::unexpected<Error>(*failed_);
  }

  FileSystem& files_;
  const WalOptions options_;
  uint64_t log_id_ = 0;
  std::vector<Segment> segments_;  // oldest first; the last one is newest_
  wal::OpenSegment newest_;
  uint64_t written_ = 0;  // up to here something was written in it, if only zeros
  uint64_t next_frame_;
  raft::EntryId last_;
  raft::HardState hard_state_;
  FrameBuilder frame_;
  FrameBuilder first_;     // the first frame of a new segment
  bool unsynced_ = false;  // the last frame
  std::optional<Error> failed_;
};

}  // namespace

Result<AppendOutcome> Wal::append(std::span<const WalBatch> batches) {
  Result<AppendOutcome> outcome = write(batches);
  if (!outcome) return outcome;
  if (Status synced = sync(); !synced) return tl::unexpected(synced.error());
  return outcome;
}

Result<std::unique_ptr<Wal>> Wal::open(FileSystem& files, WalOptions options, raft::Index after,
                                       WalRecovery& recovered) {
  auto log = wal::recover_log(files, options.folder, after);
  if (!log) return tl::unexpected<Error>(std::move(log.error()));
  const bool is_new = log->segments.empty();
  const bool behind = log->last.index < after;
  auto wal = std::make_unique<SegmentedWal>(files, std::move(options), *log);
  recovered = std::move(log->recovery);
  Status ready = ok();
  if (is_new) {
    ready = wal->make_first_segment();
  } else if (behind) {
    ready = wal->reset(raft::EntryId{raft::Term(), after}, recovered.hard_state);
  }
  if (!ready) return tl::unexpected<Error>(std::move(ready.error()));
  return wal;
}

}  // namespace kvorum::storage
