// Which commands of a log entry were slow, when all that was measured is the entry.
#pragma once

#include <vector>

#include "base/clock.h"
#include "command/table.h"
#include "raft/types.h"
#include "server/stage_messages.h"

namespace kvorum::server {

// The commands of a kCommands entry that took `elapsed`, those of a transaction one by one. If each
// took the threshold on average all are noted, with the average (of very many, the last ones);
// otherwise the one with most to do, with the whole time: which it was can't be known better.
std::vector<SlowWrite> slow_writes(const raft::Entry& entry, const command::CommandTable& table,
                                   UnixMillis at, Monotonic elapsed, Monotonic threshold);

}  // namespace kvorum::server
