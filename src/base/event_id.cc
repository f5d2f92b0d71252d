#include "base/event_id.h"

#include <charconv>

namespace kvorum {

namespace {

template <class T>
bool parse_whole(std::string_view text, T& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

std::optional<EventId> EventId::parse(std::string_view text) {
  EventId id;
  size_t dash = text.find('-');
  if (!parse_whole(text.substr(0, dash), id.revision)) return std::nullopt;
  if (dash != std::string_view::npos && !parse_whole(text.substr(dash + 1), id.change)) {
    return std::nullopt;
  }
  return id;
}

}  // namespace kvorum
