#include "base/event_id.h"

#include "base/parse_number.h"

namespace kvorum {

std::optional<EventId> EventId::parse(std::string_view text) {
  EventId id;
  size_t dash = text.find('-');
  if (!parse_number(text.substr(0, dash), id.revision)) return std::nullopt;
  if (dash != std::string_view::npos && !parse_number(text.substr(dash + 1), id.change)) {
    return std::nullopt;
  }
  return id;
}

}  // namespace kvorum
