#include "command/history.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/check.h"

namespace kvorum::command {

namespace {

constexpr uint64_t kHasValue = 2;
constexpr uint64_t kEndsRevision = 1;
constexpr uint64_t kKindFactor = 4;

// A buffer that grew for large values is given back.
constexpr size_t kBufferBytesKept = size_t{1} << 20;

constexpr bool numbers_match() {
  for (size_t i = 0; i < std::size(events::kAll); ++i) {
    if (events::kAll[i].number != i + 1) return false;
  }
  return true;
}
static_assert(numbers_match(), "kinds are found by their number");

// Of the changes of one revision that an id can't count, all have the last id (Keyspace::next_id).
EventId following(EventId id, bool revision_ended) {
  if (revision_ended) return {id.revision + 1, 0};
  const bool counted = id.change < std::numeric_limits<uint32_t>::max();
  return {id.revision, counted ? id.change + 1 : id.change};
}

}  // namespace

bool HistoryRowWriter::is_next(EventId id) const {
  return empty() || id == following(last_, revision_ended_);
}

void HistoryRowWriter::add(EventId id, const EventKind& kind, std::string_view key,
                           std::optional<std::string_view> value) {
  CHECK(is_next(id) && kind.number != 0);
  if (empty()) first_ = id;
  last_ = id;
  revision_ended_ = false;
  last_head_ = buffer_.size();
  ByteWriter writer(buffer_);
  writer.varint(kind.number * kKindFactor + (value ? kHasValue : 0));
  writer.string(key);
  if (value) writer.string(*value);
}

void HistoryRowWriter::end_revision() {
  CHECK(!empty());
  // The lowest bit of a varint is in its first byte.
  buffer_[last_head_] =
      static_cast<char>(static_cast<uint8_t>(buffer_[last_head_]) | kEndsRevision);
  revision_ended_ = true;
}

std::string_view HistoryRowWriter::finish(UnixMillis stamp) {
  CHECK(!empty());
  std::string head;
  ByteWriter writer(head);
  writer.varint(stamp);
  writer.varint(last_.revision - first_.revision);
  writer.varint(last_.change);
  const size_t begin = kHeadRoom - head.size();
  std::memcpy(buffer_.data() + begin, head.data(), head.size());
  return std::string_view(buffer_).substr(begin);
}

void HistoryRowWriter::clear() {
  buffer_.resize(kHeadRoom);
  if (buffer_.capacity() > kBufferBytesKept) buffer_.shrink_to_fit();
}

HistoryRowReader::HistoryRowReader(EventId first, std::string_view row)
    : reader_(row), next_(first) {
  stamp_ = reader_.varint();
  const uint64_t revisions = reader_.varint();
  const uint64_t change = reader_.varint();
  last_ = {first.revision + revisions, static_cast<uint32_t>(change)};
  ok_ = reader_.ok() && change <= std::numeric_limits<uint32_t>::max() && first <= last_;
}

bool HistoryRowReader::next(HistoryEvent& event) {
  if (!ok_) return false;
  if (reader_.rest().empty()) {
    ok_ = met_last_;
    return false;
  }
  ok_ = read(event);
  return ok_;
}

bool HistoryRowReader::read(HistoryEvent& event) {
  const uint64_t head = reader_.varint();
  event.id = next_;
  event.kind = find_event_kind(head / kKindFactor);
  event.ends_revision = (head & kEndsRevision) != 0;
  event.key = reader_.string();
  event.value.reset();
  if ((head & kHasValue) != 0) event.value = reader_.string();
  met_last_ = event.id == last_;
  next_ = following(event.id, event.ends_revision);
  return reader_.ok() && event.kind != nullptr && event.id <= last_;
}

}  // namespace kvorum::command
