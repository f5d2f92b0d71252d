// INFO: a report in sections, `name:value` lines under `# Section` headings, in the field names
// that client libraries and monitoring tools read from Redis, and sections of kvorum's own (raft,
// watch). Every value is true; what kvorum has no counterpart for is left out or has the value that
// says so.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/loop_stats.h"
#include "server/node_services.h"

namespace kvorum::server {

struct InfoRequest {
  // Lower case: section names, "default", "all", "everything". Empty is "default".
  std::vector<std::string> sections;
};

std::string info_text(const InfoRequest& request, NodeServices& node, const LoopStats& stats);

}  // namespace kvorum::server
