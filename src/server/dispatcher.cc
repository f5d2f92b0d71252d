#include "server/dispatcher.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/splitmix64.h"
#include "net/connection.h"
#include "server/client_loop.h"
#include "server/raft_stage.h"
#include "server/text.h"

namespace kvorum::server {

namespace {

using command::CommandSpec;

constexpr std::string_view kNoLeaderToRead =
    "CLUSTERDOWN no leader answered within server.request_timeout_ms; nothing was read, try again";

bool is_write(const CommandSpec& spec) {
  return std::holds_alternative<command::Write>(spec.handler);
}
bool is_local(const CommandSpec& spec) {
  return std::holds_alternative<command::Local>(spec.handler);
}
bool has_flag(const CommandSpec& spec, command::Flag flag) {
  return (spec.flags & flag) != 0;
}
// A local command that answers from the store, under the session's consistency.
bool reads_store(const CommandSpec& spec) {
  return is_local(spec) && has_flag(spec, command::kFlagReadOnly);
}

std::string subscriber_refusal(const CommandSpec& spec) {
  return fmt::format(
      "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
      "allowed in this context",
      spec.name.substr(0, spec.name.find('|')));
}

// A web page that makes a browser post to this port must not reach a command: its first line ends
// the connection, as in Redis.
bool is_http(std::string_view name) {
  return same_word(name, "post") || same_word(name, "host:");
}

bool allowed_while_subscribed(std::string_view name) {
  static constexpr std::string_view kAllowed[] = {"subscribe",    "unsubscribe", "psubscribe",
                                                  "punsubscribe", "ssubscribe",  "sunsubscribe",
                                                  "ping",         "quit",        "reset"};
  return std::ranges::find(kAllowed, name) != std::end(kAllowed);
}

}  // namespace

Dispatcher::Dispatcher(ClientLoop& loop, uint32_t loop_number, NodeServices& node, LoopStats& stats)
    : loop_(loop),
      node_(node),
      stats_(stats),
      reader_(node.store, node.state, node.clock),
      writes_(loop_number, node.raft, kEntryBytesMax,
              node.settings.snapshot()->server.max_inflight_bytes,
              node.settings.snapshot()->storage.max_value_bytes),
      random_(node.clock.wall_us() + loop_number),
      exec_(node.table.find_name("exec")),
      watch_(node.table.find_name("watch")) {
  for (std::string_view name : {"multi", "exec", "discard", "watch", "quit", "reset"}) {
    never_queued_.push_back(node.table.find_name(name));
  }
}

command::ArgumentLimits Dispatcher::limits() const {
  const Config::Storage& storage = loop_.config().storage;
  return {storage.max_key_bytes, storage.max_value_bytes};
}

uint64_t Dispatcher::next_random() {
  return splitmix64(random_);
}

Verdict Dispatcher::run(Session& session, command::Args args, size_t unconsumed) {
  Row row{node_.table.find(args), args, unconsumed};
  if (row.spec == nullptr && is_http(args[0])) {
    loop_.drop_http(session);
    return Verdict::kDone;
  }
  std::string error = refusal(session, row);
  // Replies keep the order of requests. Only a write may follow a write that is under way.
  bool pipelines =
      error.empty() && is_write(*row.spec) && !session.transaction.open && !session.running;
  if (session.writes_in_flight > 0 && !pipelines) return Verdict::kWait;
  if (!error.empty()) return refuse(session, row, error);
  if (paused(*row.spec, session)) {
    loop_.wait_for_unpause(session);
    return Verdict::kWait;
  }
  if (queues(session, row)) {
    queue(session, row);
    after_command(session, row);
    return Verdict::kDone;
  }
  if (node_.monitors.load(std::memory_order_relaxed) > 0) return run_shown(session, row);
  Verdict verdict = run_row(session, row);
  if (verdict == Verdict::kDone) after_command(session, row);
  return verdict;
}

// MONITOR shows a command after it ran, and the commands of a transaction before its EXEC.
Verdict Dispatcher::run_shown(Session& session, const Row& row) {
  std::vector<QueuedCommand> queued;
  if (row.spec == exec_ && !session.transaction.broken) queued = session.transaction.commands;
  Verdict verdict = run_row(session, row);
  if (verdict == Verdict::kWait) return verdict;
  for (const QueuedCommand& command : queued) {
    std::vector<std::string_view> args(command.args.begin(), command.args.end());
    loop_.feed_monitors(session, *command.spec, args);
  }
  loop_.feed_monitors(session, *row.spec, row.args);
  after_command(session, row);
  return verdict;
}

void Dispatcher::after_command(Session& session, const Row& row) {
  ++stats_.commands;
  ++session.commands;
  session.last_command = row.spec->name;
  session.last_command_at = loop_.now();
  if (session.reply_mode == ReplyMode::kSkip) session.reply_mode = ReplyMode::kOn;
  if (session.reply_mode == ReplyMode::kSkipNext) session.reply_mode = ReplyMode::kSkip;
  if (session.tracking != nullptr) end_caching(session, row.spec);
}

// CLIENT CACHING is for the next command that is not CLIENT, or the next transaction.
void Dispatcher::end_caching(Session& session, const CommandSpec* spec) {
  if (session.transaction.open || session.running) return;
  if (spec != nullptr && spec->name.starts_with("client|")) return;
  session.tracking->caching = false;
}

std::string Dispatcher::refusal(const Session& session, const Row& row) const {
  std::string error = node_.table.refusal(row.spec, row.args);
  if (!error.empty()) return error;
  const CommandSpec& spec = *row.spec;
  if (!session.authenticated && !has_flag(spec, command::kFlagNoAuth)) {
    return "NOAUTH Authentication required.";
  }
  if (is_write(spec) && node_.state.refuses_writes()) {
    return "NOSPACE the disk is full: reads work, writes are refused until there is room again";
  }
  if (session.protocol == resp::Protocol::kResp2 && session.subscribed() &&
      !allowed_while_subscribed(spec.name)) {
    return subscriber_refusal(spec);
  }
  if (session.monitor &&
      (!is_local(spec) || reads_store(spec) || has_flag(spec, command::kFlagPubSub))) {
    return "ERR Replica can't interact with the keyspace";
  }
  if (session.transaction.open && has_flag(spec, command::kFlagNoMulti)) {
    return "ERR Command not allowed inside a transaction";
  }
  return {};
}

Verdict Dispatcher::refuse(Session& session, const Row& row, std::string_view error) {
  if (session.transaction.open) session.transaction.broken = true;
  if (row.spec != nullptr) ++stats_.by_command[row.spec].rejected;
  std::string& out = output(session);
  size_t before = out.size();
  resp::ReplyWriter(out, session.protocol).error(error);
  stats_.note_error(std::string_view(out).substr(before));
  ++stats_.commands;
  if (session.reply_mode == ReplyMode::kSkip) session.reply_mode = ReplyMode::kOn;
  if (session.tracking != nullptr) end_caching(session, row.spec);
  return Verdict::kDone;
}

bool Dispatcher::queues(const Session& session, const Row& row) const {
  return session.transaction.open &&
         std::ranges::find(never_queued_, row.spec) == never_queued_.end();
}

Verdict Dispatcher::queue(Session& session, const Row& row) {
  QueuedTransaction& transaction = session.transaction;
  // Mistakes in arguments are found when the command runs, as in Redis: the others run all the
  // same.
  size_t bytes = 0;
  for (std::string_view arg : row.args) bytes += arg.size() + sizeof(std::string);
  if (transaction.bytes + bytes > loop_.config().server.max_command_bytes) {
    return refuse(session, row, "ERR transaction is larger than server.max_command_bytes");
  }
  transaction.bytes += bytes;
  transaction.commands.push_back({row.spec, {row.args.begin(), row.args.end()}});
  resp::ReplyWriter(output(session), session.protocol).simple("QUEUED");
  return Verdict::kDone;
}

Verdict Dispatcher::run_row(Session& session, const Row& row) {
  if (is_write(*row.spec)) return run_write(session, row);
  if (is_local(*row.spec)) return run_local(session, row);
  return run_read(session, row);
}

Verdict Dispatcher::run_read(Session& session, const Row& row) {
  if (read_timed_out(session)) return refuse(session, row, kNoLeaderToRead);
  if (!may_read(session, row.unconsumed)) return Verdict::kWait;
  if (std::string stale = staleness(session); !stale.empty()) return refuse(session, row, stale);
  lap();
  std::string& out = output(session);
  size_t before = out.size();
  resp::ReplyWriter reply(out, session.protocol);
  if (command::admissible(*row.spec, row.args, limits(), reply)) {
    command::Keyspace keys = keys_of_view();
    std::get<command::Read>(row.spec->handler).run(keys, row.args, reply);
    stats_.keyspace_hits += keys.hits();
    stats_.keyspace_misses += keys.misses();
  }
  account(session, row, std::string_view(out).substr(before));
  if (session.tracking != nullptr) {
    loop_.tracking().note_read(session, *row.spec, row.args, last_change_of(reader_.revision()));
  }
  return Verdict::kDone;
}

Verdict Dispatcher::run_write(Session& session, const Row& row) {
  if (writes_.congested()) {
    loop_.wait_for_writes(session);
    return Verdict::kWait;
  }
  scratch_.clear();
  resp::ReplyWriter error(scratch_, session.protocol);
  if (!command::admissible(*row.spec, row.args, limits(), error)) {
    if (session.writes_in_flight > 0) return Verdict::kWait;
    if (!session.silent()) session.connection->out().append(scratch_);
    stats_.note_error(scratch_);
    ++stats_.by_command[row.spec].failed;
    return Verdict::kDone;
  }
  ++session.writes_in_flight;
  writes_.add({session.slot, session.id, session.silent(), false, row.spec}, session.protocol,
              row.args);
  return Verdict::kDone;
}

Verdict Dispatcher::run_local(Session& session, const Row& row) {
  if (needs_read_point(session, row)) {
    if (read_timed_out(session)) {
      // As whatever else EXEC answers: the transaction is over.
      if (row.spec == exec_) session.end_transaction();
      session.watch_refused |= row.spec == watch_;
      return refuse(session, row, kNoLeaderToRead);
    }
    if (!may_read(session, row.unconsumed)) return Verdict::kWait;
  }
  if (reads_store(*row.spec)) {
    if (std::string stale = staleness(session); !stale.empty()) return refuse(session, row, stale);
  }
  if (row.spec == exec_ && writes_.congested()) {
    loop_.wait_for_writes(session);
    return Verdict::kWait;
  }
  lap();
  std::string& out = output(session);
  size_t before = out.size();
  resp::ReplyWriter reply(out, session.protocol);
  ClientContext client(session, loop_, *this, node_, reply);
  std::get<command::Local>(row.spec->handler).run(client, row.args);
  // Output that was shared with other connections meanwhile has left this buffer.
  account(session, row, std::string_view(out).substr(std::min(before, out.size())));
  return Verdict::kDone;
}

bool Dispatcher::needs_read_point(const Session& session, const Row& row) const {
  if (row.spec == exec_) return session.transaction.open && !will_abort(session);
  return row.spec == watch_ || reads_store(*row.spec);
}

// True once, for the command that waited for its read point as long as a request may.
bool Dispatcher::read_timed_out(Session& session) {
  return std::exchange(session.read_timed_out, false);
}

// Whether a read may run now under the session's consistency. If not, its read point is on its way
// and the session is resumed when it is there.
bool Dispatcher::may_read(Session& session, size_t unconsumed) {
  if (session.consistency == Consistency::kEventual) return true;
  if (session.consistency == Consistency::kLease && lease_covers_view()) return true;
  if (unconsumed <= session.read_point_bytes) return true;
  if (!session.read_point_asked) loop_.ask_read_point(session, unconsumed);
  return false;
}

// Followers answer their clients as soon as they have executed what this leader committed, so it
// may not read from before that.
bool Dispatcher::lease_covers_view() const {
  const NodeState& state = node_.state;
  if (node_.clock.monotonic().count() >= state.lease_until_ns.load()) return false;
  return !state.has_peers.load(std::memory_order_relaxed) ||
         state.applied_index.load() >= state.commit_index.load();
}

// Why a read that takes what this node has may not have it; empty when it may.
std::string Dispatcher::staleness(const Session& session) const {
  if (session.consistency != Consistency::kEventual || !session.max_stale_ms) return {};
  const int64_t now = node_.clock.monotonic().count();
  if (now < node_.state.lease_until_ns.load()) return {};
  const int64_t up_to_date = node_.state.up_to_date_ns.load(std::memory_order_relaxed);
  const auto limit = static_cast<int64_t>(*session.max_stale_ms);
  if (up_to_date == 0) {
    return "STALE this node has not heard its leader yet; ask again, or another node";
  }
  const int64_t stale_ms = (now - up_to_date) / 1'000'000;
  if (stale_ms <= limit) return {};
  return fmt::format(
      "STALE this node was last up to date {} ms ago, {} are allowed; ask again, or another node",
      stale_ms, limit);
}

bool Dispatcher::paused(const CommandSpec& spec, const Session& session) const {
  int64_t until = node_.paused_until_ns.load(std::memory_order_relaxed);
  if (until == 0 || node_.clock.monotonic().count() >= until) return false;
  if (!node_.pause_writes_only.load(std::memory_order_relaxed)) {
    return !has_flag(spec, command::kFlagAdmin) || is_write(spec);
  }
  if (is_write(spec) || spec.name == "publish") return true;
  return spec.name == "exec" &&
         std::ranges::any_of(session.transaction.commands,
                             [](const QueuedCommand& command) { return is_write(*command.spec); });
}

Monotonic Dispatcher::lap() {
  if (lap_ == Monotonic(0)) lap_ = node_.clock.monotonic();
  return lap_;
}

command::Keyspace Dispatcher::keys_of_view() {
  storage::View& view = reader_.view();
  return {view, reader_.now(lap()), next_random()};
}

void Dispatcher::account(Session& session, const Row& row, std::string_view reply) {
  const Monotonic ended = node_.clock.monotonic();
  const Monotonic elapsed = ended - std::exchange(lap_, ended);
  CommandStats& stats = stats_.by_command[row.spec];
  stats.note_call(elapsed);
  if (reply.starts_with('-')) {
    ++stats.failed;
    stats_.note_error(reply);
  }
  if (elapsed.count() >= node_.state.slow_command_ns.load(std::memory_order_relaxed)) {
    loop_.note_slow_command(session, *row.spec, row.args, elapsed);
  }
}

std::string& Dispatcher::output(Session& session) {
  if (!session.silent()) return session.connection->out();
  scratch_.clear();
  return scratch_;
}

}  // namespace kvorum::server
