#include "server/stream_id.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

#include "base/parse_number.h"

namespace kvorum::server {

namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
constexpr uint32_t kChangeMax = std::numeric_limits<uint32_t>::max();

// As Redis has it.
struct StreamId {
  uint64_t revision = 0;
  uint64_t change = 0;
};

std::optional<StreamId> parse(std::string_view text, uint64_t missing_change) {
  StreamId id{0, missing_change};
  const size_t dash = text.find('-');
  if (!parse_number(text.substr(0, dash), id.revision)) return std::nullopt;
  if (dash != std::string_view::npos && !parse_number(text.substr(dash + 1), id.change)) {
    return std::nullopt;
  }
  return id;
}

// Where a range begins or ends; `exclusive`: not with the id itself.
struct Edge {
  StreamId id;
  bool exclusive = false;
};

std::optional<Edge> parse_edge(std::string_view text, uint64_t missing_change) {
  if (text == "-") return Edge{{0, 0}};
  if (text == "+") return Edge{{kMax, kMax}};
  const bool exclusive = text.size() > 1 && text.front() == '(';
  if (exclusive) text.remove_prefix(1);
  const std::optional<StreamId> id = parse(text, missing_change);
  if (!id) return std::nullopt;
  return Edge{*id, exclusive};
}

tl::unexpected<Error> invalid_id() {
  return fail("ERR Invalid stream ID specified as stream command argument");
}

EventId at_most(StreamId id) {
  return {id.revision, static_cast<uint32_t>(std::min<uint64_t>(id.change, kChangeMax))};
}

EventId at_least(StreamId id) {
  if (id.change <= kChangeMax || id.revision == kMax) return at_most(id);
  return {id.revision + 1, 0};
}

}  // namespace

Result<EventId> parse_range_start(std::string_view text) {
  std::optional<Edge> edge = parse_edge(text, 0);
  if (!edge) return invalid_id();
  if (!edge->exclusive) return at_least(edge->id);
  if (edge->id.change < kMax) return at_least({edge->id.revision, edge->id.change + 1});
  if (edge->id.revision == kMax) return fail("ERR invalid start ID for the interval");
  return EventId{edge->id.revision + 1, 0};
}

Result<EventId> parse_range_end(std::string_view text) {
  std::optional<Edge> edge = parse_edge(text, kMax);
  if (!edge) return invalid_id();
  if (!edge->exclusive) return at_most(edge->id);
  if (edge->id.change > 0) return at_most({edge->id.revision, edge->id.change - 1});
  if (edge->id.revision == 0) return fail("ERR invalid end ID for the interval");
  return EventId{edge->id.revision - 1, kChangeMax};
}

Result<EventId> parse_read_position(std::string_view text) {
  if (text == ">") {
    return fail(
        "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> "
        "<consumer> option.");
  }
  const std::optional<StreamId> id = parse(text, 0);
  if (!id) return invalid_id();
  return at_most(*id);
}

EventId id_before(EventId id) {
  if (id.change > 0) return {id.revision, id.change - 1};
  if (id.revision > 0) return {id.revision - 1, kChangeMax};
  return id;
}

}  // namespace kvorum::server
