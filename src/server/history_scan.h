// HistoryScan: reads a part of the event history a slice at a time, each from a newer view, as if
// it all came from one: nothing twice, nothing left out but what it says was compacted. Rows never
// change and only the oldest go, so what it began with bounds what it gives.
//
// Used by one thread; reads and decides nothing but that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/event_id.h"
#include "command/history.h"
#include "storage/store.h"

namespace kvorum::server {

class HistoryScan {
 public:
  // What follows `after`, up to `through`. `needed`: it is of no use when what follows this id is
  // not all there; without it, the scan begins with the oldest change that is held.
  static HistoryScan forward(EventId after, EventId through, std::optional<EventId> needed);
  // From `through` back to `from`, both included.
  static HistoryScan backward(EventId from, EventId through, std::optional<EventId> needed);

  enum class Stop : uint8_t {
    kEnd,        // that was all, or all that is wanted
    kBudget,     // there may be more: go on with a later view
    kCompacted,  // what is needed is gone
  };
  // Gives `take` every event, in order, until it returns false. Reads about `budget` bytes of rows
  // and takes them off it. The view is the reader's.
  using Take = std::function<bool(const command::HistoryEvent& event)>;
  Stop advance(storage::View& view, const storage::Reader& reader, size_t& budget,
               const Take& take);

  // Of a forward scan. Everything up to here was given.
  EventId position() const { return position_; }
  // What is up to `id` is wanted as well.
  void extend(EventId id);
  // What follows the position is not held until after `floor`. False: it was needed.
  bool skip(EventId floor);

  EventId through() const { return through_; }
  // The newest change that was found missing before the scan came to it.
  EventId floor() const { return floor_; }

 private:
  HistoryScan(bool forwards, EventId from, EventId through, std::optional<EventId> needed);

  struct Slice;
  Stop advance_forward(Slice& slice);
  Stop advance_backward(Slice& slice, EventId floor);
  bool take_row(Slice& slice, EventId first, std::string_view row);
  bool take_row_back(Slice& slice, EventId first, std::string_view row, EventId lowest);

  bool forwards_;
  // Forwards: everything at or before it was given. Backwards: everything at or after it.
  EventId position_;
  EventId from_;  // of a backward scan
  EventId through_;
  std::optional<EventId> needed_;
  EventId floor_;
  std::vector<command::HistoryEvent> reversed_;  // of one row
};

}  // namespace kvorum::server
