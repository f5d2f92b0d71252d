// RaftLog: the tail of the log that is kept in memory, and how far it is written, durable,
// committed, handed out and applied. Owned by the core; knows nothing of terms beyond its entries.
//
// Always: base <= applied <= emitted <= min(committed, persisted), persisted < unwritten,
// committed <= last, unwritten <= last + 1. Entries at or before `committed` never change.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "raft/types.h"

namespace kvorum::raft {

class RaftLog {
 public:
  // Nothing in memory; everything up to `base` is durable, committed and applied.
  RaftLog(EntryId base, UnixMillis base_stamp);

  // The entry before the first in memory.
  EntryId base() const { return base_; }
  Index first_index() const { return base_.index.next(); }
  Index last_index() const { return base_.index + entries_.size(); }
  EntryId last() const { return entries_.empty() ? base_ : entries_.back()->id; }
  UnixMillis last_stamp() const { return entries_.empty() ? base_stamp_ : entries_.back()->stamp; }
  Index committed() const { return committed_; }
  Index persisted() const { return persisted_; }
  Index emitted() const { return emitted_; }
  Index applied() const { return applied_; }
  size_t bytes() const { return bytes_; }
  size_t uncommitted_bytes() const { return uncommitted_bytes_; }
  size_t unapplied_bytes() const { return unapplied_bytes_; }

  // Nothing for an index that is compacted away or past the end.
  std::optional<Term> term_at(Index index) const;
  bool contains(EntryId id) const { return term_at(id.index) == id.term; }
  UnixMillis stamp_before(Index index) const;
  // The entry at `index`, which is in memory.
  const EntryPtr& at(Index index) const;
  // The first index in memory, at or after which all entries up to `index` are of its term.
  Index first_of_term_at(Index index) const;
  // The last index before `before` whose term is at most `term`; the base when there is none.
  Index last_at_most(Term term, Index before) const;
  // From `from` on, at least one and then as many as fit into `bytes_max`.
  std::vector<EntryPtr> slice(Index from, size_t bytes_max) const;

  void append(EntryPtr entry);
  // Everything in memory came from disk.
  void set_recovered();
  // Removes the entry at `index` and all after it. None of them is committed.
  void truncate_from(Index index);

  bool has_unwritten() const { return unwritten_ <= last_index(); }
  // Everything that was never handed out to be written.
  std::vector<EntryPtr> take_unwritten();
  void set_persisted(Index index);
  void commit_to(Index index);

  bool has_emittable() const { return emitted_ < emittable(); }
  // Committed and durable here, in order, each once; bounded like slice().
  std::vector<EntryPtr> take_emittable(size_t bytes_max);
  void set_applied(Index index);

  // So many bytes may be kept of what is applied.
  struct Tail {
    Index checkpoint;
    size_t soft_max = 0;     // while the first is at or before the checkpoint
    size_t hard_max = 0;     // while it is behind
    Index needed_from = {};  // while it is at or behind this index: needed_max, if that is more
    size_t needed_max = 0;
  };
  // Forgets applied and durable entries from the front.
  void compact(const Tail& tail);
  // Begins anew after a snapshot.
  void reset(EntryId base, UnixMillis base_stamp);

  void check_invariants() const;

 private:
  Index emittable() const { return std::min(committed_, persisted_); }
  std::vector<EntryPtr> copy(Index from, Index end) const;
  Index end_of_slice(Index from, Index last, size_t bytes_max) const;

  std::deque<EntryPtr> entries_;  // entries_[i] has index base_.index + 1 + i
  EntryId base_;
  UnixMillis base_stamp_;
  Index unwritten_;  // the first index not yet handed out to be written
  Index persisted_;
  Index committed_;
  Index emitted_;
  Index applied_;
  size_t bytes_ = 0;
  size_t uncommitted_bytes_ = 0;  // of (committed_, last]
  size_t unapplied_bytes_ = 0;    // of (applied_, committed_]
};

}  // namespace kvorum::raft
