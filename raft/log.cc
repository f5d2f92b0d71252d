#include "raft/log.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace kvorum::raft {

RaftLog::RaftLog(EntryId base, UnixMillis base_stamp) {
  reset(base, base_stamp);
}

void RaftLog::reset(EntryId base, UnixMillis base_stamp) {
  entries_.clear();
  base_ = base;
  base_stamp_ = base_stamp;
  unwritten_ = base.index.next();
  persisted_ = committed_ = emitted_ = applied_ = base.index;
  bytes_ = uncommitted_bytes_ = unapplied_bytes_ = 0;
}

std::optional<Term> RaftLog::term_at(Index index) const {
  if (index == base_.index) return base_.term;
  if (index < base_.index || index > last_index()) return std::nullopt;
  return at(index)->id.term;
}

UnixMillis RaftLog::stamp_before(Index index) const {
  CHECK(index > base_.index, "index {}, base {}", index, base_.index);
  return index == first_index() ? base_stamp_ : at(index.prev())->stamp;
}

const EntryPtr& RaftLog::at(Index index) const {
  CHECK(index > base_.index && index <= last_index(), "index {} of ({}, {}]", index, base_.index,
        last_index());
  return entries_[index - first_index()];
}

Index RaftLog::first_of_term_at(Index index) const {
  const Term term = at(index)->id.term;
  // Terms never decrease along the log.
  auto end = entries_.begin() + static_cast<ptrdiff_t>(index - first_index());
  auto it = std::partition_point(entries_.begin(), end,
                                 [&](const EntryPtr& entry) { return entry->id.term < term; });
  return first_index() + static_cast<uint64_t>(it - entries_.begin());
}

Index RaftLog::last_at_most(Term term, Index before) const {
  if (before <= first_index()) return base_.index;
  uint64_t count = std::min(before - first_index(), last_index() - base_.index);
  auto it = std::partition_point(entries_.begin(), entries_.begin() + static_cast<ptrdiff_t>(count),
                                 [&](const EntryPtr& entry) { return entry->id.term <= term; });
  return base_.index + static_cast<uint64_t>(it - entries_.begin());
}

std::vector<EntryPtr> RaftLog::copy(Index from, Index end) const {
  auto begin = entries_.begin() + static_cast<ptrdiff_t>(from - first_index());
  return {begin, begin + static_cast<ptrdiff_t>(end - from)};
}

Index RaftLog::end_of_slice(Index from, Index last, size_t bytes_max) const {
  Index end = from;
  size_t bytes = 0;
  while (end <= last) {
    bytes += at(end)->bytes();
    if (bytes > bytes_max && end > from) break;
    ++end;
  }
  return end;
}

std::vector<EntryPtr> RaftLog::slice(Index from, size_t bytes_max) const {
  if (from > last_index()) return {};
  return copy(from, end_of_slice(from, last_index(), bytes_max));
}

void RaftLog::append(EntryPtr entry) {
  CHECK(entry->id.index == last_index().next(), "index {} after {}", entry->id.index, last_index());
  CHECK(entry->id.term >= last().term, "term {} after {}", entry->id.term, last().term);
  CHECK(entry->stamp >= last_stamp(), "stamp {} after {}", entry->stamp, last_stamp());
  bytes_ += entry->bytes();
  uncommitted_bytes_ += entry->bytes();
  entries_.push_back(std::move(entry));
}

void RaftLog::set_recovered() {
  persisted_ = last_index();
  unwritten_ = persisted_.next();
}

void RaftLog::truncate_from(Index index) {
  // Raft paper, figure 3: a committed entry is in the log of every later leader.
  CHECK(index > committed_, "truncation at {}, committed {}", index, committed_);
  while (last_index() >= index) {
    bytes_ -= entries_.back()->bytes();
    uncommitted_bytes_ -= entries_.back()->bytes();
    entries_.pop_back();
  }
  unwritten_ = std::min(unwritten_, index);
  persisted_ = std::min(persisted_, index.prev());
}

std::vector<EntryPtr> RaftLog::take_unwritten() {
  std::vector<EntryPtr> entries = copy(unwritten_, last_index().next());
  unwritten_ = last_index().next();
  return entries;
}

void RaftLog::set_persisted(Index index) {
  CHECK(index < unwritten_, "persisted {}, unwritten from {}", index, unwritten_);
  persisted_ = std::max(persisted_, index);
}

void RaftLog::commit_to(Index index) {
  CHECK(index <= last_index(), "commit {}, last {}", index, last_index());
  while (committed_ < index) {
    ++committed_;
    size_t bytes = at(committed_)->bytes();
    uncommitted_bytes_ -= bytes;
    unapplied_bytes_ += bytes;
  }
}

std::vector<EntryPtr> RaftLog::take_emittable(size_t bytes_max) {
  if (!has_emittable()) return {};
  Index end = end_of_slice(emitted_.next(), emittable(), bytes_max);
  std::vector<EntryPtr> entries = copy(emitted_.next(), end);
  emitted_ = end.prev();
  return entries;
}

void RaftLog::set_applied(Index index) {
  CHECK(index <= emitted_, "applied {}, handed out {}", index, emitted_);
  while (applied_ < index) {
    ++applied_;
    unapplied_bytes_ -= at(applied_)->bytes();
  }
}

void RaftLog::compact(const Tail& tail) {
  // `applied` is at most `persisted`.
  while (base_.index < applied_) {
    size_t kept_max = first_index() <= tail.checkpoint ? tail.soft_max : tail.hard_max;
    if (first_index() >= tail.needed_from) kept_max = std::max(kept_max, tail.needed_max);
    if (bytes_ <= kept_max) return;
    const EntryPtr& front = entries_.front();
    base_ = front->id;
    base_stamp_ = front->stamp;
    bytes_ -= front->bytes();
    entries_.pop_front();
  }
}

void RaftLog::check_invariants() const {
  CHECK(base_.index <= applied_ && applied_ <= emitted_ && emitted_ <= emittable(),
        "base {} applied {} emitted {} committed {} persisted {}", base_.index, applied_, emitted_,
        committed_, persisted_);
  CHECK(committed_ <= last_index() && persisted_ < unwritten_ && unwritten_ <= last_index().next(),
        "committed {} persisted {} unwritten {} last {}", committed_, persisted_, unwritten_,
        last_index());
  EntryId previous = base_;
  UnixMillis stamp = base_stamp_;
  size_t bytes = 0;
  size_t uncommitted = 0;
  size_t unapplied = 0;
  for (const EntryPtr& entry : entries_) {
    CHECK(entry->id.index == previous.index.next() && entry->id.term >= previous.term);
    CHECK(entry->stamp >= stamp, "stamp at {}", entry->id.index);
    previous = entry->id;
    stamp = entry->stamp;
    bytes += entry->bytes();
    if (entry->id.index > committed_) uncommitted += entry->bytes();
    if (entry->id.index > applied_ && entry->id.index <= committed_) unapplied += entry->bytes();
  }
  CHECK(bytes == bytes_ && uncommitted == uncommitted_bytes_ && unapplied == unapplied_bytes_);
}

}  // namespace kvorum::raft
