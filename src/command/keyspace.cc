#include "command/keyspace.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/splitmix64.h"

namespace kvorum::command {

namespace {

// What the engine keeps of a change besides its key and value, roughly.
constexpr uint64_t kChangeOverhead = 128;

}  // namespace

using storage::KeyHeader;
using storage::Record;

Keyspace::Keyspace(storage::View& view, UnixMillis now, uint64_t random)
    : view_(view),
      transaction_(nullptr),
      now_(now),
      random_(random),
      value_bytes_max_(0),
      events_(nullptr),
      history_(nullptr) {}

Keyspace::Keyspace(storage::Transaction& transaction, UnixMillis now, uint64_t random,
                   uint64_t value_bytes_max, EventBatch* events, HistoryRecorder& history)
    : view_(transaction),
      transaction_(&transaction),
      now_(now),
      random_(random),
      value_bytes_max_(value_bytes_max),
      events_(events),
      history_(&history) {}

uint64_t Keyspace::next_random() {
  return splitmix64(random_);
}

std::optional<Record> Keyspace::find(std::string_view key) {
  std::optional<Record> record = view_.get(key);
  if (record && due(record->header)) record.reset();
  ++(record ? hits_ : misses_);
  return record;
}

std::optional<KeyHeader> Keyspace::find_header(std::string_view key) {
  std::optional<KeyHeader> header = view_.header(key);
  if (header && due(*header)) header.reset();
  ++(header ? hits_ : misses_);
  return header;
}

std::optional<Record> Keyspace::open(std::string_view key) {
  std::optional<Record> record = view_.get(key);
  if (record && due(record->header)) {
    expire(key);
    return std::nullopt;
  }
  return record;
}

std::optional<KeyHeader> Keyspace::open_header(std::string_view key) {
  std::optional<KeyHeader> header = view_.header(key);
  if (header && due(*header)) {
    expire(key);
    return std::nullopt;
  }
  return header;
}

void Keyspace::put(std::string_view key, const Old& old, std::string_view value, const Put& put) {
  CHECK(transaction_ != nullptr);
  const EventId id = next_id();
  const EventId last = put.announce_deadline ? next_id() : id;
  KeyHeader header;
  header.type = put.type;
  header.created = created_for(key, old, id);
  header.modified = last;
  header.deadline = put.deadline;
  transaction_->put(key, header, value);
  weigh(key.size() + value.size());
  emit(id, put.event, key, value);
  if (put.announce_deadline) emit(last, events::kExpire, key);
}

void Keyspace::set_deadline(std::string_view key, const KeyHeader& old, UnixMillis deadline,
                            EventKind event) {
  CHECK(transaction_ != nullptr);
  KeyHeader header = old;
  header.modified = next_id();
  header.deadline = deadline;
  weigh(key.size() + transaction_->put_header(key, header));
  emit(header.modified, event, key);
}

void Keyspace::remove(std::string_view key, const KeyHeader& old, EventKind event) {
  CHECK(transaction_ != nullptr);
  if (atomic_) created_before_.try_emplace(std::string(key), old.created);
  transaction_->erase(key);
  weigh(key.size());
  emit(next_id(), event, key);
}

// Ids must not depend on whether anyone wants the events, so the keys are counted, not met.
void Keyspace::clear() {
  CHECK(transaction_ != nullptr);
  const uint64_t keys = transaction_->applied_state().key_count;
  if (keys > kHistoryFlushKeysMax) history_->leave_gap();
  if (wants_events()) {
    const uint64_t changes_before = changes_;
    transaction_->for_each("", [&](std::string_view key, const Record&) {
      emit(next_id(), events::kFlushed, key);
      return wants_events();
    });
    changes_ = changes_before;
  }
  changes_ += keys;
  transaction_->erase_all();
}

void Keyspace::begin(uint64_t revision, bool atomic) {
  revision_ = revision;
  changes_ = 0;
  atomic_ = atomic;
  created_before_.clear();
}

void Keyspace::expire(std::string_view key) {
  CHECK(transaction_ != nullptr);
  transaction_->erase(key);
  weigh(key.size());
  ++expired_;
  emit(next_id(), events::kExpired, key);
}

void Keyspace::note_created(std::string_view key) {
  std::optional<KeyHeader> header = find_header(key);
  if (header) created_before_.try_emplace(std::string(key), header->created);
}

EventId Keyspace::next_id() {
  ++changes_;
  return last_change();
}

void Keyspace::weigh(size_t bytes) {
  weight_ += bytes + kChangeOverhead;
}

EventId Keyspace::last_change() const {
  // More changes than an id can count share the last one: only a FLUSHALL could make so many.
  const uint64_t change = std::min<uint64_t>(changes_ - 1, std::numeric_limits<uint32_t>::max());
  return {revision_, static_cast<uint32_t>(change)};
}

void Keyspace::emit(EventId id, const EventKind& kind, std::string_view key,
                    std::optional<std::string_view> value) {
  history_->add(id, kind, key, value);
  if (events_ != nullptr) events_->add(id, kind, key, value);
}

EventId Keyspace::created_for(std::string_view key, const Old& old, EventId id) const {
  if (old) return old->created;
  if (!created_before_.empty()) {
    auto before = created_before_.find(std::string(key));
    if (before != created_before_.end()) return before->second;
  }
  return id;
}

}  // namespace kvorum::command
