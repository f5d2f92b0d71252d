#include "server/diagnostics.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "server/client_context.h"
#include "server/client_loop.h"
#include "server/loop_group.h"

namespace kvorum::server {

namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

int64_t scaled(uint64_t count, int64_t nanoseconds) {
  return count > static_cast<uint64_t>(kNever / nanoseconds)
             ? kNever
             : static_cast<int64_t>(count) * nanoseconds;
}

}  // namespace

void Diagnostics::add(SlowNote note, const Config& config) {
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(note.elapsed).count();
  uint64_t threshold_ms = config.latency.monitor_threshold_ms;
  if (threshold_ms > 0 && static_cast<uint64_t>(ms) >= threshold_ms) {
    latency_.add(note.event, note.at / 1000, static_cast<uint64_t>(ms));
  }
  auto us = std::chrono::duration_cast<std::chrono::microseconds>(note.elapsed).count();
  const Config::Slowlog& slowlog = config.slowlog;
  bool shown = slowlog.slower_than_us >= 0 && us >= slowlog.slower_than_us;
  if (shown && slowlog.max_entries > 0 && !note.args.empty()) {
    slow_log_.add(note, slowlog.max_entries);
  }
}

void publish_slow_thresholds(NodeState& state, const Config& config) {
  uint64_t event_ms = config.latency.monitor_threshold_ms;
  int64_t event_ns = event_ms == 0 ? kNever : scaled(event_ms, 1'000'000);
  int64_t slower_than_us = config.slowlog.slower_than_us;
  bool logs = slower_than_us >= 0 && config.slowlog.max_entries > 0;
  int64_t command_ns = logs ? scaled(static_cast<uint64_t>(slower_than_us), 1000) : kNever;
  state.slow_event_ns.store(event_ns);
  state.slow_command_ns.store(std::min(command_ns, event_ns));
}

void answer_from_diagnostics(ClientContext& client,
                             std::function<void(Diagnostics&, resp::ReplyWriter&)> write) {
  NodeServices& node = client.node();
  if (client.loop().number() == 0) return write(node.diagnostics, client.reply());
  node.loops.loop(0).post_task(
      [deferred = client.defer(), write = std::move(write)](ClientLoop& loop) {
        deferred.reply([&](resp::ReplyWriter& reply) { write(loop.node().diagnostics, reply); });
      });
}

}  // namespace kvorum::server
