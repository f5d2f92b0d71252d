#include "server/client_loop.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "server/logger.h"
#include "server/loop_group.h"
#include "server/raft_stage.h"

namespace kvorum::server {

namespace {

// A connection whose commands wait is not read beyond this many bytes of input.
constexpr size_t kHeldInputMax = 1 << 20;

// Turns of looking for further writes before a batch is sent.
constexpr int kGatheringTurnsMax = 8;

constexpr std::chrono::milliseconds kHousekeepingPeriod{100};
// In so many periods each session is looked at.
constexpr size_t kHousekeepingRound = 10;

constexpr std::string_view kTooManyClients = "-ERR max number of clients reached\r\n";
constexpr std::string_view kProtected =
    "-DENIED kvorum is running in protected mode because protected-mode is on and no password is "
    "set. In this mode connections are only accepted from the loopback interface. To connect from "
    "other machines set a password (requirepass), or switch protected-mode off with CONFIG SET "
    "protected-mode no from a connection on this machine, or in the configuration file.\r\n";

resp::RequestLimits request_limits(const Config& config) {
  resp::RequestLimits limits;
  limits.bulk_bytes_max = config.server.max_bulk_bytes;
  limits.request_bytes_max = config.server.max_command_bytes;
  return limits;
}

}  // namespace

// A session with its socket: the loop keeps it, the socket calls it.
class ClientLoop::Client final : public net::ConnectionHandler {
 public:
  explicit Client(ClientLoop& loop) : loop_(loop) {}

  Session session;

  size_t on_input(net::Connection&, std::string_view input) override {
    return loop_.on_input(session, input);
  }
  bool on_input_end(net::Connection&) override { return loop_.on_input_end(session); }
  void on_drained(net::Connection&) override { loop_.on_drained(session); }
  void on_closed(net::Connection&, net::CloseReason) override { loop_.on_closed(session); }

 private:
  ClientLoop& loop_;
};

ClientLoop::ClientLoop(uint32_t number, NodeServices& node)
    : number_(number),
      node_(node),
      settings_(node.settings),
      // Completions are bounded by what loops have under way, events by watch.event_queue_size.
      mailbox_(kUnboundedMailbox, events_.waker()),
      watches_(*this),
      feed_(watches_, node.state.interest),
      dispatcher_(*this, number, node, stats_),
      tracking_(*this, dispatcher_.reader(), dispatcher_.writes()),
      streams_(*this, events_, dispatcher_.reader(), feed_),
      housekeeping_(events_, [this] { housekeeping(); }),
      event_queue_max_(config().watch.event_queue_size) {
  events_.host(*this);
  events_.on_turn_end([this] { finish_turn(); });
}

ClientLoop::~ClientLoop() {
  stop();
}

void ClientLoop::start() {
  housekeeping_.every(kHousekeepingPeriod);
  thread_ = std::thread([this] { events_.run(); });
  pthread_setname_np(thread_.native_handle(), fmt::format("client-{}", number_).c_str());
}

void ClientLoop::stop() {
  if (!thread_.joinable()) return;
  events_.stop();
  thread_.join();
}

void ClientLoop::post_socket(net::Fd socket, uint64_t session_id) {
  mailbox_.post(Accepted{std::move(socket), session_id});
}
void ClientLoop::post_task(Task task) {
  mailbox_.post(std::move(task));
}
void ClientLoop::post_outcome(BatchOutcome outcome) {
  mailbox_.post(std::move(outcome));
}
void ClientLoop::post_read_granted(uint64_t context, bool granted, raft::Index index) {
  mailbox_.post(ReadGranted{context, granted, index});
}
void ClientLoop::post_deferred(uint32_t slot, uint64_t session_id, std::string reply) {
  mailbox_.post(DeferredReply{{slot, session_id}, std::move(reply)});
}

void ClientLoop::post_applied(raft::Index index) {
  uint64_t waits_for = waits_for_index_.load();
  if (waits_for != 0 && waits_for <= index.value()) mailbox_.post(Applied{index});
}

void ClientLoop::post_executed(uint64_t batch,
                               const std::vector<command::ReachedRevision>& reached) {
  if (tracking_.wants_writers()) mailbox_.post(Executed{batch, reached});
}

// What finds no room in the queue is read from the history.
void ClientLoop::post_events(Events events) {
  if (!listening_.load() && !node_.state.keyspace_notifications.load()) return;
  const size_t count = events->events.size();
  if (queued_events_.load() > event_queue_max_.load(std::memory_order_relaxed)) {
    if (!events_dropped_.exchange(true)) post_events_skipped();
    return;
  }
  queued_events_.fetch_add(count);
  mailbox_.post(std::move(events));
}

bool ClientLoop::drain() {
  if (!mailbox_.drain(inbox_)) return false;
  for (Message& message : inbox_) {
    std::visit([this](auto& content) { handle(content); }, message);
  }
  inbox_.clear();
  return true;
}

void ClientLoop::handle(BatchOutcome& outcome) {
  if (!outcome.slow.empty()) note_slow_writes(outcome);
  dispatcher_.writes().complete(
      std::move(outcome), [this](const WriteTarget& target, const WriteReply& reply) {
        Session* session = find(target.slot, target.session_id);
        if (session == nullptr) return;
        dispatcher_.write_done(*session, target, reply);
        if (session->writes_in_flight > 0) return;
        if (session->connection->input_bytes() > 0 || session->input_ended) {
          session->connection->process_again();
        }
      });
  if (!dispatcher_.writes().congested()) resume(congested_);
}

void ClientLoop::handle(Events& events) {
  queued_events_.fetch_sub(events->events.size());
  if (listening_.load()) return feed_.live(*events);
  for (const command::HistoryEvent& event : events->events) notify_keyspace(event);
}

void ClientLoop::handle(EventsSkipped&) {
  events_dropped_.store(false);
  feed_.missed();
}

void ClientLoop::handle(Executed& message) {
  tracking_.note_executed(message.batch, message.reached);
}

void ClientLoop::handle(Task& task) {
  task(*this);
}

void ClientLoop::handle(DeferredReply& message) {
  Session* session = find(message.session.slot, message.session.session_id);
  if (session == nullptr) return;
  dispatcher_.deferred_done(*session, message.reply);
  session->connection->process_again();
}

void ClientLoop::handle(Accepted& message) {
  uint32_t slot = 0;
  if (free_slots_.empty()) {
    slot = static_cast<uint32_t>(clients_.size());
    clients_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  clients_[slot] = std::make_unique<Client>(*this);
  Client& client = *clients_[slot];
  net::ConnectionOptions options;
  options.keepalive_s = static_cast<int>(config().server.tcp_keepalive_s);
  net::Connection& connection =
      events_.connections().add(std::move(message.socket), client, options);
  Session& session = client.session;
  session.id = message.session_id;
  session.slot = slot;
  session.connection = &connection;
  session.parser = resp::RequestParser(request_limits(config()));
  session.address = connection.peer();
  session.local_address = connection.local();
  session.connected_at = session.last_command_at = now();
  ++stats_.connections_accepted;
  node_.loops.clients().fetch_add(1);
  reset(session);
  if (turn_away(connection)) close(session, true);
}

// True if the connection may not stay: it has been told why.
bool ClientLoop::turn_away(net::Connection& connection) {
  if (node_.loops.clients().load() > config().server.max_clients) {
    connection.out().append(kTooManyClients);
    ++stats_.connections_rejected;
    return true;
  }
  if (config().server.protected_mode && config().server.requirepass.empty() &&
      !connection.peer_is_loopback()) {
    connection.out().append(kProtected);
    ++stats_.connections_rejected;
    return true;
  }
  return false;
}

void ClientLoop::reset(Session& session) {
  tracking_.stop(session);
  unsubscribe_all(session);
  set_monitor(session, false);
  session.end_transaction();
  session.protocol = resp::Protocol::kResp2;
  session.authenticated = config().server.requirepass.empty();
  session.parser.set_authenticated(session.authenticated);
  session.name.clear();
  session.consistency = config().reads.default_consistency;
  session.max_stale_ms.reset();
  session.reply_mode = ReplyMode::kOn;
  session.no_evict = false;
  session.no_touch = false;
}

size_t ClientLoop::on_input(Session& session, std::string_view input) {
  stats_.input_bytes_max = std::max<uint64_t>(stats_.input_bytes_max, input.size());
  size_t consumed = run_commands(session, input);
  bound_input(session, input.size() - consumed);
  check_output(session);
  if (session.input_ended && !owes(session)) close(session, true);
  return consumed;
}

// Whether something the client asked for is still to be answered.
bool ClientLoop::owes(const Session& session) const {
  return session.writes_in_flight > 0 || session.deferred || session.waits ||
         session.read_point_asked;
}

size_t ClientLoop::run_commands(Session& session, std::string_view input) {
  size_t consumed = 0;
  dispatcher_.begin_commands();
  while (!session.deferred && !session.closing) {
    std::string_view rest = input.substr(consumed);
    resp::ParseResult parsed = session.parser.next(rest, args_);
    if (parsed.status == resp::ParseStatus::kIncomplete) {
      consumed += parsed.consumed;
      size_t wanted = session.parser.wanted();
      if (wanted > 1) session.connection->want_input(rest.size() - parsed.consumed + wanted);
      break;
    }
    if (parsed.status == resp::ParseStatus::kError) {
      if (session.writes_in_flight > 0) break;
      resp::ReplyWriter(session.connection->out(), session.protocol).error(parsed.error);
      close(session, true);
      return input.size();
    }
    if (dispatcher_.run(session, args_, rest.size()) == Verdict::kWait) break;
    session.read_point_bytes -= std::min(session.read_point_bytes, parsed.consumed);
    consumed += parsed.consumed;
  }
  // A command that asked for the end (CLIENT KILL of oneself) may still be answered later.
  if (session.closing && !session.deferred) {
    close(session, true);
    return input.size();
  }
  return consumed;
}

// A client that sends on while its commands wait is slowed down, not buffered without end.
void ClientLoop::bound_input(Session& session, size_t held) {
  if (owes(session) && held > kHeldInputMax) {
    session.connection->pause_reading();
  } else if (session.connection->reading_paused()) {
    session.connection->resume_reading();
  }
}

// The client sends no more, as `printf … | nc` does: what it asked for is still answered.
bool ClientLoop::on_input_end(Session& session) {
  session.input_ended = true;
  streams_.stop_blocking(session);
  if (!owes(session)) close(session, true);
  return true;
}

void ClientLoop::on_closed(Session& session) {
  streams_.drop(session);
  tracking_.stop(session);
  unsubscribe_all(session);
  set_monitor(session, false);
  node_.loops.clients().fetch_sub(1);
  uint32_t slot = session.slot;
  free_slots_.push_back(slot);
  clients_[slot].reset();
}

void ClientLoop::close(Session& session, bool after_flush) {
  session.closing = true;
  if (after_flush) {
    session.connection->close_when_flushed();
  } else {
    session.connection->close_now();
  }
}

void ClientLoop::drop_http(Session& session) {
  log_warning("client {} {} closed: it speaks HTTP, perhaps a cross-protocol attack", session.id,
              session.address);
  close(session, false);
}

Session* ClientLoop::find(uint32_t slot, uint64_t session_id) {
  if (slot >= clients_.size() || !clients_[slot]) return nullptr;
  Session& session = clients_[slot]->session;
  return session.id == session_id ? &session : nullptr;
}

// Requests come in bursts, because replies leave in bursts: a batch waits until a look at the
// sockets finds no further write, and shares its log entry and its sync with what came meanwhile.
void ClientLoop::send_writes() {
  WriteBatcher& writes = dispatcher_.writes();
  const size_t gathered = writes.building();
  const bool grew = gathered > std::exchange(gathered_writes_, gathered);
  if (grew && ++gathering_turns_ < kGatheringTurnsMax) return events_.look_again();
  gathered_writes_ = 0;
  gathering_turns_ = 0;
  writes.flush();
}

void ClientLoop::finish_turn() {
  catch_up();
  streams_.finish_turn();
  tracking_.finish_turn();
  send_writes();
  send_reads();
  dispatcher_.reader().finish_turn();
}

// Some of them each time: to look at ten thousand takes milliseconds.
void ClientLoop::look_after_sessions() {
  for (size_t left = clients_.size() / kHousekeepingRound + 1; left > 0; --left) {
    if (looked_after_ >= clients_.size()) looked_after_ = 0;
    if (looked_after_ == clients_.size()) return;
    if (const auto& client = clients_[looked_after_++]) look_after(client->session);
  }
}

void ClientLoop::for_each_session(const std::function<void(Session&)>& visit) {
  for (const auto& client : clients_) {
    if (client) visit(client->session);
  }
}

LoopStats ClientLoop::collect_stats() {
  LoopStats stats = stats_;
  stats.input_bytes = events_.connections().bytes_read() - input_bytes_before_;
  stats.output_bytes = events_.connections().bytes_written() - output_bytes_before_;
  stats.channels = pubsub().channels({}, false).size();
  stats.patterns = pubsub().patterns().size();
  stats.watchers = pubsub().watches();
  stats.watchers_behind = feed_.watchers_behind();
  stats.watch_catch_ups = feed_.catch_ups();
  stats.events_queued = queued_events_.load();
  stats.blocked_clients = streams_.blocked();
  tracking_.count(stats);
  for (const auto& client : clients_) {
    if (!client) continue;
    ++stats.clients;
    stats.subscribers += client->session.subscribed() ? 1 : 0;
    stats.watching_transactions += client->session.watched.empty() ? 0 : 1;
  }
  return stats;
}

void ClientLoop::reset_stats() {
  stats_ = {};
  input_bytes_before_ = events_.connections().bytes_read();
  output_bytes_before_ = events_.connections().bytes_written();
  rate_commands_ = 0;
}

}  // namespace kvorum::server
