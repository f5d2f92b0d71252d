// Diagnostics: what SLOWLOG and LATENCY remember. Lives on loop 0, whose thread alone may touch it;
// notes come there from every thread through LoopGroup::slow.
#pragma once

#include <cstdint>
#include <functional>

#include "config/config.h"
#include "resp/reply_writer.h"
#include "server/latency.h"
#include "server/node_state.h"
#include "server/slow_log.h"

namespace kvorum::server {

class ClientContext;

class Diagnostics {
 public:
  void add(SlowNote note, const Config& config);
  SlowLog& slow_log() { return slow_log_; }
  Latency& latency() { return latency_; }

 private:
  SlowLog slow_log_;
  Latency latency_;
};

// Publishes from which durations on the threads of the node write notes at all.
void publish_slow_thresholds(NodeState& state, const Config& config);

// Answers a command with what `write` makes of the node's diagnostics, now or later.
void answer_from_diagnostics(ClientContext& client,
                             std::function<void(Diagnostics&, resp::ReplyWriter&)> write);

}  // namespace kvorum::server
