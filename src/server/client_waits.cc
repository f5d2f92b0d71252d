// The ClientLoop's part in waiting: read points, pauses, congestion, and the regular look around.

#include <algorithm>
#include <utility>

#include "server/client_loop.h"
#include "server/logger.h"
#include "server/loop_group.h"
#include "server/raft_stage.h"

namespace kvorum::server {

void ClientLoop::wait(Session& session, std::vector<Reference>& list) {
  session.waits = true;
  list.push_back(reference(session));
}

void ClientLoop::resume(const Reference& waiting) {
  Session* session = find(waiting.slot, waiting.session_id);
  if (session == nullptr) return;
  session->waits = false;
  session->connection->process_again();
}

void ClientLoop::resume(std::vector<Reference>& waiting) {
  for (const Reference& session : std::exchange(waiting, {})) resume(session);
}

void ClientLoop::unpause() {
  resume(paused_);
}

void ClientLoop::ask_read_point(Session& session, size_t unconsumed) {
  session.read_point_asked = true;
  session.read_point_asked_bytes = unconsumed;
  if (session.read_waits_since.count() == 0) session.read_waits_since = now();
  const bool lease = session.consistency == Consistency::kLease;
  (lease ? lease_reads_ : linearizable_reads_).push_back(reference(session));
}

// One read point serves all reads that were asked for in a turn.
void ClientLoop::send_reads() {
  for (bool lease : {true, false}) {
    std::vector<Reference>& reads = lease ? lease_reads_ : linearizable_reads_;
    if (reads.empty()) continue;
    const uint64_t context = ++last_read_context_;
    asked_reads_.push_back({context, std::exchange(reads, {})});
    node_.raft.post_read(number_, context, lease);
  }
}

void ClientLoop::handle(ReadGranted& message) {
  auto asked = std::ranges::find(asked_reads_, message.context, &AskedRead::context);
  if (asked == asked_reads_.end()) return;
  const std::vector<Reference> sessions = std::move(asked->sessions);
  asked_reads_.erase(asked);
  if (!message.granted) {
    // No leader that could say: the housekeeping has it asked again.
    retry_reads_.insert(retry_reads_.end(), sessions.begin(), sessions.end());
    return;
  }
  const bool applied = node_.state.applied_index.load() >= message.index.value();
  for (const Reference& session : sessions) {
    if (applied) {
      grant({message.index, session});
    } else {
      granted_reads_.push_back({message.index, session});
    }
  }
  if (applied) return;
  uint64_t waits_for = waits_for_index_.load();
  if (waits_for == 0 || message.index.value() < waits_for) {
    waits_for_index_.store(message.index.value());
  }
  // The applier may have passed the index before it saw that someone waits for it.
  Applied now{raft::Index(node_.state.applied_index.load())};
  handle(now);
}

void ClientLoop::handle(Applied& message) {
  auto ready = std::partition(granted_reads_.begin(), granted_reads_.end(),
                              [&](const GrantedRead& read) { return read.index > message.index; });
  std::vector<GrantedRead> reads(ready, granted_reads_.end());
  granted_reads_.erase(ready, granted_reads_.end());
  uint64_t lowest = 0;
  for (const GrantedRead& read : granted_reads_) {
    if (lowest == 0 || read.index.value() < lowest) lowest = read.index.value();
  }
  waits_for_index_.store(lowest);
  for (const GrantedRead& read : reads) grant(read);
}

void ClientLoop::grant(const GrantedRead& read) {
  Session* session = find(read.session.slot, read.session.session_id);
  if (session == nullptr) return;
  session->read_point_asked = false;
  session->read_waits_since = Monotonic(0);
  session->read_point_bytes = session->read_point_asked_bytes;
  session->connection->process_again();
}

void ClientLoop::after(std::chrono::milliseconds delay, std::function<void()> task) {
  auto place = timers_.emplace(timers_.end());
  *place = std::make_unique<net::Timer>(events_, [this, place, task = std::move(task)] {
    task();
    timers_.erase(place);
  });
  (*place)->once(delay);
}

void ClientLoop::measure_rate() {
  if (now() - rate_since_ < std::chrono::seconds(1)) return;
  auto elapsed_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now() - rate_since_);
  uint64_t since = stats_.commands - rate_commands_;
  stats_.commands_per_second = since * 1000 / static_cast<uint64_t>(elapsed_ms.count());
  rate_since_ = now();
  rate_commands_ = stats_.commands;
}

void ClientLoop::housekeeping() {
  measure_rate();
  Monotonic request_timeout = std::chrono::milliseconds(config().server.request_timeout_ms);
  for (const Reference& waiting : std::exchange(retry_reads_, {})) {
    Session* session = find(waiting.slot, waiting.session_id);
    if (session == nullptr) continue;
    session->read_point_asked = false;
    if (now() - session->read_waits_since > request_timeout) {
      session->read_waits_since = Monotonic(0);
      session->read_timed_out = true;
    }
    session->connection->process_again();
  }
  int64_t paused_until = node_.paused_until_ns.load();
  if (paused_until == 0 || node_.clock.monotonic().count() >= paused_until) unpause();
  event_queue_max_.store(config().watch.event_queue_size, std::memory_order_relaxed);
  if (now() - progress_marked_at_ >=
      std::chrono::milliseconds(config().watch.progress_interval_ms)) {
    progress_marked_at_ = now();
    feed_.mark_progress();
  }
  events_.connections().trim();
  look_after_sessions();
}

void ClientLoop::look_after(Session& session) {
  check_output(session);
  cut_stalled_watcher(session);
  const Monotonic idle_limit = std::chrono::seconds(config().server.idle_timeout_s);
  bool idle = idle_limit.count() > 0 && now() - session.last_command_at > idle_limit;
  // As in Redis: subscribers and clients that wait for an answer are not idle.
  if (idle && !session.subscribed() && !session.monitor && !session.deferred) {
    close(session, false);
  }
}

const OutputBufferLimit& ClientLoop::output_limit(const Session& session) const {
  const Config::Server& server = config().server;
  // Who is sent what it did not ask for one by one.
  const bool listens =
      session.subscribed() || (session.tracking != nullptr && session.tracking->options.broadcast);
  return listens ? server.output_buffer_pubsub : server.output_buffer_normal;
}

void ClientLoop::check_output(Session& session) {
  size_t unsent = session.connection->output_bytes();
  stats_.output_bytes_max = std::max<uint64_t>(stats_.output_bytes_max, unsent);
  const OutputBufferLimit& limit = output_limit(session);
  bool over_soft = limit.soft_bytes > 0 && unsent > limit.soft_bytes;
  if (!over_soft) {
    session.over_soft_limit_since.reset();
  } else if (!session.over_soft_limit_since) {
    session.over_soft_limit_since = now();
  }
  bool over = limit.hard_bytes > 0 && unsent > limit.hard_bytes;
  over |= session.over_soft_limit_since &&
          now() - *session.over_soft_limit_since > std::chrono::seconds(limit.soft_s);
  if (!over || session.closing) return;
  log_warning("client {} {} closed: {} bytes unsent are over client-output-buffer-limit",
              session.id, session.address, unsent);
  ++stats_.closed_for_output;
  close(session, false);
}

}  // namespace kvorum::server
