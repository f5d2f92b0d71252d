// Ids of a stream's entries as clients write them, read as Redis does. There the part behind the
// dash has 64 bits; what is beyond an EventId's stands for all changes of its revision.
#pragma once

#include <string_view>

#include "base/event_id.h"
#include "base/result.h"

namespace kvorum::server {

// The first id that a range has: `-`, `+`, `42-3`, `42` for 42-0, or `(` and an id for what follows
// it. Errors are complete error replies, here and below.
Result<EventId> parse_range_start(std::string_view text);
// The last id that a range has; `42` is the last of revision 42, and `(` is for what comes before.
Result<EventId> parse_range_end(std::string_view text);
// The id that XREAD reads on from: what follows it is wanted.
Result<EventId> parse_read_position(std::string_view text);

// No change has revision 0: who gives such an id wants all there is.
inline bool is_beginning(EventId id) {
  return id.revision == 0;
}

// The greatest id that is smaller; of 0-0, itself.
EventId id_before(EventId id);

}  // namespace kvorum::server
