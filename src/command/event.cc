#include "command/event.h"

#include "base/check.h"

namespace kvorum::command {

void EventBatch::add(EventId id, const EventKind& kind, std::string_view key,
                     std::optional<std::string_view> value) {
  if (interest_ != nullptr && !interest_->has(key)) {
    dropped_any_ = true;
    return;
  }
  // What is kept points to the kinds themselves: the caller's may be a copy.
  Piece piece{.id = id, .kind = find_event_kind(kind.number), .has_value = value.has_value()};
  CHECK(piece.kind != nullptr, "an event of kind {}", kind.number);
  piece.key_at = bytes_.size();
  bytes_.append(key);
  piece.value_at = bytes_.size();
  if (value) bytes_.append(*value);
  piece.end = bytes_.size();
  events_.push_back(piece);
}

HistoryEvent EventBatch::operator[](size_t number) const {
  const Piece& piece = events_[number];
  const std::string_view bytes = bytes_;
  HistoryEvent event{.id = piece.id, .kind = piece.kind, .key = {}, .value = {}};
  event.key = bytes.substr(piece.key_at, piece.value_at - piece.key_at);
  if (piece.has_value) event.value = bytes.substr(piece.value_at, piece.end - piece.value_at);
  return event;
}

void EventBatch::cut(size_t size) {
  if (size >= events_.size()) return;
  bytes_.resize(events_[size].key_at);
  events_.resize(size);
}

}  // namespace kvorum::command
