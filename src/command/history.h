// The rows of the event history: what storage::View::for_each_history() gives. A row holds events
// of one log entry that follow each other; ids are not stored, they are counted from the row's key.
//
//   row   = stamp:varint revisions:varint change:varint event+
//   event = head:varint key:string [value:string]
//   head  = kind * 4, plus 2 when a value follows, plus 1 when it is the last of its revision
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/event_id.h"
#include "command/event.h"

namespace kvorum::command {

// `stamp` is the entry's. The last event's id is <revision of the first + revisions>-<change>. The
// kinds are event.h's numbers. After an event that is not the last of its revision comes the next
// change of the same, otherwise the first of the next.
class HistoryRowWriter {
 public:
  bool empty() const { return end() == kHeadRoom; }
  size_t bytes() const { return end() - kHeadRoom; }
  EventId first() const { return first_; }
  EventId last() const { return last_; }
  // Whether an event with this id may be added.
  bool is_next(EventId id) const;
  void add(EventId id, const EventKind& kind, std::string_view key,
           std::optional<std::string_view> value);
  // The event added last is the last of its revision.
  void end_revision();
  // The row, valid until the next change.
  std::string_view finish(UnixMillis stamp);
  void clear();

 private:
  // The row's head is written in front of the events once it is known.
  static constexpr size_t kHeadRoom = 32;
  size_t end() const { return buffer_.size(); }

  std::string buffer_ = std::string(kHeadRoom, '\0');
  size_t last_head_ = 0;
  bool revision_ended_ = false;
  EventId first_;
  EventId last_;
};

// Walks a row without copying.
class HistoryRowReader {
 public:
  HistoryRowReader(EventId first, std::string_view row);
  UnixMillis stamp() const { return stamp_; }
  EventId last() const { return last_; }
  // False at the end, or when the row is damaged (then ok() is false).
  bool next(HistoryEvent& event);
  bool ok() const { return ok_; }

 private:
  bool read(HistoryEvent& event);

  ByteReader reader_;
  UnixMillis stamp_ = 0;
  EventId next_;
  EventId last_;
  bool met_last_ = false;
  bool ok_ = true;
};

}  // namespace kvorum::command
