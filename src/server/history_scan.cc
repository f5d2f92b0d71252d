#include "server/history_scan.h"

#include <algorithm>

#include "base/check.h"

namespace kvorum::server {

namespace {

// Gives `visit` every event of a row until it returns false; false then.
template <class Visit>
bool for_each_event(EventId first, std::string_view row, const Visit& visit) {
  command::HistoryRowReader reader(first, row);
  command::HistoryEvent event;
  while (reader.next(event)) {
    if (!visit(event)) return false;
  }
  CHECK(reader.ok(), "a row of the event history is damaged");
  return true;
}

}  // namespace

struct HistoryScan::Slice {
  storage::View& view;
  const storage::Reader& reader;
  size_t& budget;
  const Take& take;
  bool ended = false;  // nothing that follows is wanted
  bool cut = false;    // what follows is for a later view

  // Whether a row may be read. What the view has turned out to miss is not.
  bool begin_row(size_t bytes) {
    cut = budget == 0 || !reader.consistent();
    if (!cut) budget -= std::min(budget, bytes);
    return !cut;
  }
  Stop stop() const {
    if (ended) return Stop::kEnd;
    return cut || !reader.consistent() ? Stop::kBudget : Stop::kEnd;
  }
};

HistoryScan::HistoryScan(bool forwards, EventId from, EventId through,
                         std::optional<EventId> needed)
    : forwards_(forwards),
      position_(forwards ? from : through.next()),
      from_(from),
      through_(through),
      needed_(needed) {}

HistoryScan HistoryScan::forward(EventId after, EventId through, std::optional<EventId> needed) {
  return {true, after, through, needed};
}

HistoryScan HistoryScan::backward(EventId from, EventId through, std::optional<EventId> needed) {
  return {false, from, through, needed};
}

void HistoryScan::extend(EventId id) {
  CHECK(forwards_);
  through_ = std::max(through_, id);
}

bool HistoryScan::skip(EventId floor) {
  if (position_ >= floor) return true;
  if (needed_ && *needed_ < floor) return false;
  position_ = floor_ = floor;
  return true;
}

HistoryScan::Stop HistoryScan::advance(storage::View& view, const storage::Reader& reader,
                                       size_t& budget, const Take& take) {
  const EventId floor = view.applied_state().history.floor;
  Slice slice{view, reader, budget, take};
  if (!forwards_) return advance_backward(slice, floor);
  if (!skip(floor)) return Stop::kCompacted;
  return advance_forward(slice);
}

HistoryScan::Stop HistoryScan::advance_forward(Slice& slice) {
  if (position_ >= through_) return Stop::kEnd;
  slice.view.for_each_history(position_, [&](EventId first, std::string_view row) {
    // The row of the position costs nothing, or a long one would be all that a budget gets to.
    if (command::HistoryRowReader(first, row).last() <= position_) return true;
    slice.ended = first > through_;
    if (slice.ended || !slice.begin_row(row.size())) return false;
    slice.ended = !take_row(slice, first, row);
    return !slice.ended;
  });
  if (slice.stop() == Stop::kEnd) position_ = std::max(position_, through_);
  return slice.stop();
}

// False when nothing that follows is wanted.
bool HistoryScan::take_row(Slice& slice, EventId first, std::string_view row) {
  return for_each_event(first, row, [&, seen = position_](const command::HistoryEvent& event) {
    if (event.id <= seen) return true;
    if (event.id > through_ || !slice.take(event)) return false;
    position_ = event.id;
    return true;
  });
}

HistoryScan::Stop HistoryScan::advance_backward(Slice& slice, EventId floor) {
  if (position_ <= from_) return Stop::kEnd;
  if (needed_ && *needed_ < floor) return Stop::kCompacted;
  const EventId lowest = std::max(from_, floor.next());
  slice.view.for_each_history_back(position_, [&](EventId first, std::string_view row) {
    if (!slice.begin_row(row.size())) return false;
    slice.ended = !take_row_back(slice, first, row, lowest) || first <= lowest;
    return !slice.ended;
  });
  return slice.stop();
}

bool HistoryScan::take_row_back(Slice& slice, EventId first, std::string_view row, EventId lowest) {
  reversed_.clear();
  for_each_event(first, row, [&](const command::HistoryEvent& event) {
    if (event.id >= lowest && event.id < position_) reversed_.push_back(event);
    return true;
  });
  position_ = first;
  return std::all_of(reversed_.rbegin(), reversed_.rend(), std::ref(slice.take));
}

}  // namespace kvorum::server
