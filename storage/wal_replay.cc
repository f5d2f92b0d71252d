#include "storage/wal_replay.h"

#include <algorithm>
#include <memory>
#include <string>

namespace kvorum::storage::wal {

void Replay::begin_segment() {
  at_segment_start_ = true;
  highest_in_segment_ = raft::Index();
}

Status Replay::apply(std::string_view records) {
  RecordReader reader(records);
  Record record;
  while (reader.next(record)) {
    Status applied = ok();
    if (at_segment_start_) {
      applied = begin_with(record);
    } else if (const auto* hard_state = std::get_if<raft::HardState>(&record)) {
      hard_state_ = *hard_state;
    } else if (const auto* entry = std::get_if<EntryRecord>(&record)) {
      applied = add(*entry);
    } else {
      applied = fail("a record that begins a segment is inside of one");
    }
    if (!applied) return applied;
  }
  if (!reader.ok()) return fail("the frame is intact, but its records make no sense");
  return ok();
}

Status Replay::begin_with(const Record& record) {
  at_segment_start_ = false;
  Status begun = fail("the segment does not begin with the record that says what it continues");
  if (const auto* started = std::get_if<StartRecord>(&record)) {
    begun = start(started->last);
  } else if (const auto* voided = std::get_if<ResetRecord>(&record)) {
    reset(voided->last);
    begun = ok();
  }
  any_segment_ = true;
  return begun;
}

Status Replay::start(raft::EntryId last) {
  if (!any_segment_) {
    reset(last);
    return ok();
  }
  if (last != last_) {
    return fail(
        "the segment continues after entry {} of term {}, but the one before ends with entry "
        "{} of term {}",
        last.index, last.term, last_.index, last_.term);
  }
  return ok();
}

void Replay::reset(raft::EntryId last) {
  last_ = last;
  compacted_ = last.index;
  after_term_ = last.index == after_ ? last.term : raft::Term();
  entries_.clear();
}

Status Replay::add(const EntryRecord& entry) {
  const raft::Index index = entry.id.index;
  if (index == raft::Index() || index.value() - 1 > last_.index.value()) {
    return fail("entry {} does not follow entry {}", index, last_.index);
  }
  compacted_ = std::min(compacted_, index.prev());
  if (index == after_) {
    after_term_ = entry.id.term;
  } else if (index < after_) {
    after_term_ = raft::Term();
  }
  if (!entries_.empty()) {
    const raft::Index first = entries_.front()->id.index;
    entries_.resize(std::min<size_t>(entries_.size(), index > first ? index - first : 0));
  }
  if (index > after_) {
    auto kept = std::make_shared<raft::Entry>();
    kept->id = entry.id;
    kept->kind = entry.kind;
    kept->stamp = entry.stamp;
    kept->data = std::string(entry.data);
    entries_.push_back(std::move(kept));
  }
  last_ = entry.id;
  highest_in_segment_ = std::max(highest_in_segment_, index);
  return ok();
}

}  // namespace kvorum::storage::wal
