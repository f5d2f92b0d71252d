// Wal: the write-ahead log, the only log of a node. Entries and hard state in one stream of
// checksummed frames over segment files. One append() is one frame, one write and one fdatasync.
// Owned by one thread. A failed write or sync is returned once and never retried: the caller ends
// the process (a full disk, found before anything is written, is the exception: see append).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "raft/types.h"
#include "storage/file_system.h"

namespace kvorum::storage {

struct WalOptions {
  std::string folder;  // made if missing
  uint64_t segment_bytes = 64 << 20;
  uint64_t log_id = 0;  // of a log that is made anew; 0: drawn at random
};

struct WalRecovery {
  raft::HardState hard_state;
  raft::Index compacted;      // entries up to this one are gone: `after`, as given to open
  raft::Term compacted_term;  // of the entry at `compacted`; 0 when the log does not know it
  std::vector<raft::EntryPtr> entries;  // all that follow, contiguous
  uint64_t torn_bytes = 0;  // cut off at the end: an unfinished, never acknowledged write
};

struct WalBatch {
  std::optional<raft::HardState> hard_state;
  // Contiguous; an entry at or before the last index replaces everything from its index on.
  std::span<const raft::EntryPtr> entries;
};

enum class AppendOutcome : uint8_t {
  kWritten,
  kDiskFull,  // nothing of this batch was acknowledged or will be found again; the log is as before
};

class Wal {
 public:
  // Reads every segment. `after` is the last index the state machine's checkpoint holds: entries up
  // to it may be missing. Fails, naming the file and offset and what the operator can do, on damage
  // anywhere but in a torn tail, on a gap, on a foreign file, and on a format from a newer version;
  // a log that is refused is left as it was. An empty folder is a new log and fits after == 0 alone
  // (to begin one behind a restored store: open with 0, then reset). A log that ends before `after`
  // is one whose reset, behind an installed snapshot, was cut short: it is done now.
  static Result<std::unique_ptr<Wal>> open(FileSystem& files, WalOptions options, raft::Index after,
                                           WalRecovery& recovered);
  virtual ~Wal() = default;

  // Writes all batches as one frame and syncs once; without content, does nothing. After kWritten
  // they are durable. After an error everything but the destructor fails with that error.
  Result<AppendOutcome> append(std::span<const WalBatch> batches);
  // append() in its parts: what was written is durable when sync() succeeds. begin_sync(), which
  // may be left out, lets the disk work meanwhile. Nothing else may be called before sync().
  virtual Result<AppendOutcome> write(std::span<const WalBatch> batches) = 0;
  virtual void begin_sync() = 0;
  virtual Status sync() = 0;
  // Removes segments that hold nothing but entries up to `index` (the checkpointed index, or less),
  // oldest first. The segment in use stays.
  virtual Status compact(raft::Index index) = 0;
  // Begins anew after a snapshot was installed: the next entry is last.index + 1. The store must
  // already hold `last` durably, or an open after a crash would find a gap.
  virtual Status reset(raft::EntryId last, const raft::HardState& hard_state) = 0;

  virtual uint64_t bytes() const = 0;  // of all segments, as far as they are used
  virtual size_t segments() const = 0;
};

}  // namespace kvorum::storage
