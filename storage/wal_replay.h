// Replay: what the records of a log, read in order, come to. Overwritten entries give way, the last
// hard state stands, a reset voids what was before. Keeps no entry that the store already holds.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "raft/types.h"
#include "storage/wal_format.h"

namespace kvorum::storage::wal {

class Replay {
 public:
  // The store holds everything up to `after`.
  explicit Replay(raft::Index after) : after_(after) {}

  // The next frame is the first of a segment.
  void begin_segment();
  // Fails with what is wrong with the records, half a sentence.
  Status apply(std::string_view records);

  raft::EntryId last() const { return last_; }
  // Entries up to this one are not in the log.
  raft::Index compacted() const { return compacted_; }
  // The highest index of any entry in this segment, overwritten or not; 0 when it has none.
  raft::Index highest_in_segment() const { return highest_in_segment_; }
  const raft::HardState& hard_state() const { return hard_state_; }
  // Of the entry at `after`; 0 when the log does not know it.
  raft::Term after_term() const { return after_term_; }
  // Those after `after`.
  std::vector<raft::EntryPtr> take_entries() { return std::move(entries_); }

 private:
  Status begin_with(const Record& record);
  Status start(raft::EntryId last);
  void reset(raft::EntryId last);
  Status add(const EntryRecord& entry);

  const raft::Index after_;
  bool any_segment_ = false;
  bool at_segment_start_ = false;
  raft::EntryId last_;
  raft::Index compacted_;
  raft::Index highest_in_segment_;
  raft::Term after_term_;
  raft::HardState hard_state_;
  std::vector<raft::EntryPtr> entries_;
};

}  // namespace kvorum::storage::wal
