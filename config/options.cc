#include "config/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "config/text.h"

namespace kvorum::config {

namespace {

constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kGiB = 1 << 30;
constexpr int64_t kTiB = kGiB << 10;
constexpr int64_t kSecondsMax = std::numeric_limits<int32_t>::max();
constexpr int64_t kIntMax = std::numeric_limits<int64_t>::max();
constexpr Change kAtStart = Change::kAtStart;
constexpr Change kAtRunTime = Change::kAtRunTime;

// The engine never finishes a transaction that its cache has no room for several times. Found by
// experiment, with the history of changes: values of 16 and 64 MiB hang at 4 times their size and
// stall for seconds at 6; at twice server.max_command_bytes a DEL of 520,000 keys hangs.
constexpr uint64_t kCommandsInCache = 4;
constexpr uint64_t kValuesInCache = 8;

#define FIELD(member) ([](auto& config) -> decltype(auto) { return (config.member); })

using Rows = std::vector<Option>;

void add_listening(Rows& rows) {
  rows.push_back({"server.bind", "bind", "bind", kAtStart, list(FIELD(server.bind)),
                  "Addresses to listen on. One that begins with - may be missing on this machine; "
                  "* is every IPv4 address, ::* every IPv6 one."});
  rows.push_back({"server.port", "port", "port", kAtStart, number(FIELD(server.port), 0, 65535),
                  "TCP port for clients. 0 listens on no TCP port."});
  rows.push_back({"server.unix_socket", "unixsocket", "unix-socket", kAtStart,
                  text(FIELD(server.unix_socket)),
                  "Path of a unix socket to listen on as well. Empty for none."});
  rows.push_back({"server.unix_socket_perm", "unixsocketperm", "", kAtStart,
                  octal(FIELD(server.unix_socket_perm), 0777),
                  "Permissions of the unix socket, octal. 0 leaves them to the umask."});
  rows.push_back(
      {"server.tcp_backlog", "tcp-backlog", "", kAtStart,
       number(FIELD(server.tcp_backlog), 1, 65535),
       "Connections that may wait to be accepted. The kernel's somaxconn bounds it too."});
  rows.push_back({"server.protected_mode", "protected-mode", "", kAtRunTime,
                  yes_no(FIELD(server.protected_mode)),
                  "Whether only this machine may connect while no password is set."});
  rows.push_back({"server.requirepass", "requirepass", "requirepass", kAtRunTime,
                  text(FIELD(server.requirepass)),
                  "Password that clients must give with AUTH. Empty for none."});
  rows.push_back({"server.pid_file", "pidfile", "pid-file", kAtStart, text(FIELD(server.pid_file)),
                  "File to write the process id to. Empty for none."});
}

void add_clients(Rows& rows) {
  rows.push_back({"server.io_threads", "io-threads", "io-threads", kAtStart,
                  number(FIELD(server.io_threads), 1, 64),
                  "Threads that serve client connections."});
  rows.push_back({"server.max_clients", "maxclients", "max-clients", kAtRunTime,
                  number(FIELD(server.max_clients), 1, 1'000'000),
                  "Most connections at the same time. More are refused with an error."});
  rows.push_back({"server.idle_timeout_s", "timeout", "", kAtRunTime,
                  number(FIELD(server.idle_timeout_s), 0, kSecondsMax),
                  "Seconds after which a connection that sends nothing is closed. 0 is never; "
                  "subscribers are never closed for it."});
  rows.push_back(
      {"server.tcp_keepalive_s", "tcp-keepalive", "", kAtRunTime,
       number(FIELD(server.tcp_keepalive_s), 0, 32767),
       "Seconds of silence before TCP probes a client, on new connections. 0 is never."});
  rows.push_back({"server.request_timeout_ms", "server.request_timeout_ms", "", kAtRunTime,
                  number(FIELD(server.request_timeout_ms), 1, kSecondsMax),
                  "Milliseconds a command may wait for a leader and for its commit before it is "
                  "answered with an error."});
  rows.push_back(
      {"server.max_command_bytes", "client-query-buffer-limit", "", kAtRunTime,
       bytes(FIELD(server.max_command_bytes), kMiB, kGiB),
       "Largest size of one command with all its arguments. A longer one closes the connection."});
  rows.push_back({"server.max_bulk_bytes", "proto-max-bulk-len", "", kAtRunTime,
                  bytes(FIELD(server.max_bulk_bytes), kMiB, kGiB),
                  "Largest size of one argument of a command."});
  rows.push_back(
      {"server.max_inflight_bytes", "server.max_inflight_bytes", "", kAtStart,
       bytes(FIELD(server.max_inflight_bytes), kMiB, kTiB),
       "Most bytes of writes that wait to be logged. Beyond it connections are not read until "
       "there is room."});
  rows.push_back({"server.output_buffer_normal", "server.output_buffer_normal", "", kAtRunTime,
                  limit(FIELD(server.output_buffer_normal)),
                  "Unsent replies of a client: it is closed at the first size, or when above the "
                  "second one for so many seconds. 0 is no limit."});
  rows.push_back({"server.output_buffer_pubsub", "server.output_buffer_pubsub", "", kAtRunTime,
                  limit(FIELD(server.output_buffer_pubsub)),
                  "The same for clients that subscribe to channels, patterns or watches."});
}

void add_consensus(Rows& rows) {
  rows.push_back({"node.data_dir", "dir", "data-dir", kAtStart, path(FIELD(node.data_dir)),
                  "Folder of the log and the data. Made if missing; one node at a time."});
  rows.push_back({"raft.tick_ms", "raft.tick_ms", "", kAtStart,
                  number(FIELD(raft.tick_ms), 1, 1000),
                  "Milliseconds of one tick, the unit in which the times below are counted."});
  rows.push_back({"raft.heartbeat_interval_ms", "raft.heartbeat_interval_ms", "", kAtStart,
                  number(FIELD(raft.heartbeat_interval_ms), 1, 60'000),
                  "Milliseconds between heartbeats of the leader."});
  rows.push_back(
      {"raft.election_timeout_ms", "raft.election_timeout_ms", "", kAtStart,
       number(FIELD(raft.election_timeout_ms), 10, 600'000),
       "Milliseconds without a leader before a node stands for election, and up to twice "
       "that, at random."});
  rows.push_back(
      {"raft.clock_drift_ms", "raft.clock_drift_ms", "", kAtStart,
       number(FIELD(raft.clock_drift_ms), 0, 600'000),
       "How far the clocks of two nodes may drift apart during one election timeout. The "
       "leader's lease is shorter by it."});
  rows.push_back({"raft.peer_port", "raft.peer_port", "peer-port", kAtStart,
                  number(FIELD(raft.peer_port), 0, 65535),
                  "TCP port for the other members. 0 is server.port + 1000."});
  rows.push_back({"raft.join", "raft.join", "join", kAtStart, text(FIELD(raft.join)),
                  "Peer address (host:port) of a member of the cluster that a node with an empty "
                  "folder joins. Empty: it forms a cluster of one."});
  rows.push_back({"raft.advertise", "raft.advertise", "", kAtStart, text(FIELD(raft.advertise)),
                  "host:port at which other members reach this node. Empty: the first address of "
                  "server.bind, or this machine's name when that is every address, and the peer "
                  "port."});
  rows.push_back({"raft.advertise_client", "raft.advertise_client", "", kAtStart,
                  text(FIELD(raft.advertise_client)),
                  "host:port at which clients reach this node, shown by RAFT MEMBERS. Empty: as "
                  "raft.advertise, with server.port."});
  rows.push_back({"raft.secret", "raft.secret", "", kAtStart, text(FIELD(raft.secret)),
                  "Password between members, the same on all of them. Without one only nodes of "
                  "the same machine may connect while server.protected_mode is on."});
  rows.push_back({"raft.snapshot_bytes_per_second", "raft.snapshot_bytes_per_second", "", kAtStart,
                  bytes(FIELD(raft.snapshot_bytes_per_second), 0, kTiB),
                  "How fast a snapshot is sent to a member that needs one: not so fast that writes "
                  "would suffer. 0: as fast as it goes."});
  rows.push_back({"raft.max_uncommitted_bytes", "raft.max_uncommitted_bytes", "", kAtStart,
                  bytes(FIELD(raft.max_uncommitted_bytes), kMiB, kTiB),
                  "Most bytes of proposals not yet committed. Writes beyond it answer TRYAGAIN."});
  rows.push_back(
      {"raft.max_tail_bytes", "raft.max_tail_bytes", "", kAtStart,
       bytes(FIELD(raft.max_tail_bytes), kMiB, kTiB),
       "Most bytes of applied entries kept in memory for nodes that are behind. One further "
       "behind gets a snapshot."});
  rows.push_back(
      {"raft.max_catch_up_bytes", "raft.max_catch_up_bytes", "", kAtStart,
       bytes(FIELD(raft.max_catch_up_bytes), kMiB, kTiB),
       "The same while a node is fed by a snapshot and catches up behind it. If more is written "
       "meanwhile, it needs another one."});
  rows.push_back({"reads.default_consistency", "reads.default_consistency", "", kAtRunTime,
                  choice(FIELD(reads.default_consistency),
                         {{"lease", static_cast<int64_t>(Consistency::kLease)},
                          {"linearizable", static_cast<int64_t>(Consistency::kLinearizable)},
                          {"eventual", static_cast<int64_t>(Consistency::kEventual)}}),
                  "Consistency of new connections until they choose with CLIENT CONSISTENCY."});
}

void add_storage(Rows& rows) {
  rows.push_back({"storage.cache_bytes", "storage.cache_bytes", "", kAtStart,
                  bytes(FIELD(storage.cache_bytes), kCommandsInCache * kMiB, 10 * kTiB),
                  "Memory for the storage engine's cache. Data may be far larger. At least 4 times "
                  "server.max_command_bytes and 8 times storage.max_value_bytes."});
  rows.push_back({"storage.max_key_bytes", "storage.max_key_bytes", "", kAtStart,
                  bytes(FIELD(storage.max_key_bytes), 1, kMiB), "Largest size of a key."});
  rows.push_back({"storage.max_value_bytes", "storage.max_value_bytes", "", kAtStart,
                  bytes(FIELD(storage.max_value_bytes), 1, kGiB / 2),
                  "Largest size of a value. A transaction (MULTI) may write four times as much."});
  rows.push_back({"storage.checkpoint_interval_s", "storage.checkpoint_interval_s", "", kAtRunTime,
                  number(FIELD(storage.checkpoint_interval_s), 1, kSecondsMax),
                  "Seconds between checkpoints of the data, when there were writes."});
  rows.push_back(
      {"storage.checkpoint_log_bytes", "storage.checkpoint_log_bytes", "", kAtRunTime,
       bytes(FIELD(storage.checkpoint_log_bytes), kMiB, kTiB),
       "Bytes of log since the last checkpoint that bring the next one forward. A restart "
       "replays at most about this much."});
  rows.push_back({"storage.wal_segment_bytes", "storage.wal_segment_bytes", "", kAtStart,
                  bytes(FIELD(storage.wal_segment_bytes), kMiB, kGiB),
                  "Size of one file of the write-ahead log."});
  rows.push_back({"storage.min_free_bytes", "storage.min_free_bytes", "", kAtRunTime,
                  bytes(FIELD(storage.min_free_bytes), 0, kTiB),
                  "Free disk space below which writes answer NOSPACE; reads go on."});
  rows.push_back({"expiry.max_batch", "expiry.max_batch", "", kAtRunTime,
                  number(FIELD(expiry.max_batch), 1, 1'000'000),
                  "Most keys that one log entry removes when their time to live has run out."});
}

void add_watch(Rows& rows) {
  rows.push_back({"watch.enabled", "watch.enabled", "", kAtStart, yes_no(FIELD(watch.enabled)),
                  "Whether __watch__ subscriptions are served."});
  rows.push_back({"watch.event_queue_size", "watch.event_queue_size", "", kAtStart,
                  number(FIELD(watch.event_queue_size), 1, 100'000'000),
                  "Most events that wait for one client thread to hand them out; it reads what "
                  "comes beyond from the history."});
  rows.push_back({"watch.watcher_buffer_size", "watch.watcher_buffer_size", "", kAtStart,
                  number(FIELD(watch.watcher_buffer_size), 1, 100'000'000),
                  "Most events that wait for one watcher to read them, of 1 MiB at most or half "
                  "of server.output_buffer_pubsub. A slower one is fed from the history."});
  rows.push_back({"watch.enable_metrics", "watch.enable_metrics", "", kAtStart,
                  yes_no(FIELD(watch.enable_metrics)), "Whether watches are counted in INFO."});
  rows.push_back(
      {"watch.notify_keyspace_events", "notify-keyspace-events", "", kAtRunTime,
       notify_flags(FIELD(watch.notify_keyspace_events)),
       "Redis' keyspace notifications to publish, in Redis' letters: K and E for the "
       "__keyspace and __keyevent channels, A for all classes of events. Empty for none."});
  rows.push_back({"watch.progress_interval_ms", "watch.progress_interval_ms", "", kAtRunTime,
                  number(FIELD(watch.progress_interval_ms), 100, 86'400'000),
                  "How often a __watch__@ subscription is told by `sync` how far it has come."});
  rows.push_back({"watch.stalled_reader_timeout_s", "watch.stalled_reader_timeout_s", "",
                  kAtRunTime, number(FIELD(watch.stalled_reader_timeout_s), 0, 86'400),
                  "Seconds after which a watcher that has reads to do and does none is "
                  "disconnected. 0 is never."});
  rows.push_back({"watch.history.max_bytes", "watch.history.max_bytes", "", kAtRunTime,
                  bytes(FIELD(watch.history.max_bytes), 0, kTiB),
                  "Bytes of past changes to keep, from which watches resume and slow ones catch "
                  "up. 0 is none. In a cluster the leader's setting counts, on all nodes."});
  rows.push_back({"watch.history.max_age", "watch.history.max_age", "", kAtRunTime,
                  number(FIELD(watch.history.max_age_s), 0, 31'536'000),
                  "Seconds for which to keep past changes. 0 is for as long as their bytes allow. "
                  "In a cluster the leader's setting counts, on all nodes."});
}

void add_tracking(Rows& rows) {
  rows.push_back({"tracking.table_max_keys", "tracking-table-max-keys", "", kAtRunTime,
                  number(FIELD(tracking.table_max_keys), 0, kIntMax),
                  "Most keys that are remembered for clients that cache them (CLIENT TRACKING), "
                  "shared out equally to the threads that serve clients. Beyond it clients are "
                  "told to forget some. 0 is no limit."});
}

void add_diagnostics(Rows& rows) {
  auto level = [](LogLevel value) { return static_cast<int64_t>(value); };
  rows.push_back(
      {"log.level", "loglevel", "log-level", kAtRunTime,
       choice(FIELD(log.level), {{"trace", level(LogLevel::kTrace)},
                                 {"debug", level(LogLevel::kDebug)},
                                 {"verbose", level(LogLevel::kDebug)},
                                 {"info", level(LogLevel::kInfo)},
                                 {"notice", level(LogLevel::kInfo)},
                                 {"warning", level(LogLevel::kWarning)},
                                 {"error", level(LogLevel::kError)},
                                 {"critical", level(LogLevel::kCritical)},
                                 {"off", level(LogLevel::kOff)},
                                 {"nothing", level(LogLevel::kOff)}}),
       "Least serious messages to log: trace, debug, info, warning, error, critical or off. "
       "Redis' verbose, notice and nothing are understood as debug, info and off."});
  rows.push_back({"log.format", "log.format", "", kAtStart,
                  choice(FIELD(log.format), {{"text", static_cast<int64_t>(LogFormat::kText)},
                                             {"json", static_cast<int64_t>(LogFormat::kJson)}}),
                  "Lines of text, or one JSON object a line."});
  rows.push_back({"log.file", "logfile", "log-file", kAtStart, text(FIELD(log.file)),
                  "File to log to. Empty for standard error."});
  rows.push_back({"log.rotate_bytes", "log.rotate_bytes", "", kAtStart,
                  bytes(FIELD(log.rotate_bytes), 0, kTiB),
                  "Size at which the log file is renamed and a new one begun. 0 is never."});
  rows.push_back({"log.rotate_files", "log.rotate_files", "", kAtStart,
                  number(FIELD(log.rotate_files), 1, 1000), "Most renamed log files to keep."});
  rows.push_back(
      {"slowlog.slower_than_us", "slowlog-log-slower-than", "", kAtRunTime,
       number(FIELD(slowlog.slower_than_us), -1, kIntMax),
       "Microseconds of execution from which a command enters SLOWLOG. 0 is every command, "
       "-1 is none."});
  rows.push_back({"slowlog.max_entries", "slowlog-max-len", "", kAtRunTime,
                  number(FIELD(slowlog.max_entries), 0, 1'000'000),
                  "Most commands that SLOWLOG keeps."});
  rows.push_back({"latency.monitor_threshold_ms", "latency-monitor-threshold", "", kAtRunTime,
                  number(FIELD(latency.monitor_threshold_ms), 0, kIntMax),
                  "Milliseconds from which an event enters LATENCY. 0 is none."});
}

// What Redis' tools ask CONFIG for and kvorum has no choice about.
void add_redis_names(Rows& rows) {
  rows.push_back({"", "client-output-buffer-limit", "", kAtRunTime,
                  limits_by_class({{"normal", FIELD(server.output_buffer_normal)},
                                   {"pubsub", FIELD(server.output_buffer_pubsub)}}),
                  ""});
  constexpr std::pair<const char*, const char*> kFacts[] = {
      {"databases", "1"}, {"appendonly", "yes"}, {"appendfsync", "always"},
      {"save", ""},       {"maxmemory", "0"},    {"maxmemory-policy", "noeviction"},
  };
  for (auto [name, value] : kFacts) rows.push_back({"", name, "", kAtRunTime, fact(value), ""});
}

#undef FIELD

Rows make_rows() {
  Rows rows;
  add_listening(rows);
  add_clients(rows);
  add_consensus(rows);
  add_storage(rows);
  add_watch(rows);
  add_tracking(rows);
  add_diagnostics(rows);
  add_redis_names(rows);
  return rows;
}

}  // namespace

std::string Option::long_flag() const {
  std::string flag = path;
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::string Option::section() const {
  size_t dot = path.rfind('.');
  return dot == std::string::npos ? std::string() : path.substr(0, dot);
}

std::string Option::name() const {
  return path.substr(path.rfind('.') + 1);
}

std::span<const Option> options() {
  static const Rows kRows = make_rows();
  return kRows;
}

const Option* find_path(std::string_view path) {
  for (const Option& option : options()) {
    if (option.in_file() && option.path == path) return &option;
  }
  return nullptr;
}

const Option* find_config_name(std::string_view name) {
  const std::string wanted = to_lower(name);
  for (const Option& option : options()) {
    if (option.config_name == wanted) return &option;
  }
  return nullptr;
}

namespace {

void check_cache(const Config& config, std::vector<std::string>& errors) {
  const uint64_t cache = config.storage.cache_bytes;
  auto require_room = [&](uint64_t times, std::string_view option, uint64_t size) {
    if (cache / times >= size) return;
    errors.push_back(
        fmt::format("storage.cache_bytes ({}) must be at least {} times {} ({}), or a write may "
                    "never end: set storage.cache_bytes to {}, or {} to {}",
                    format_bytes(cache), times, option, format_bytes(size),
                    format_bytes(size * times), option, format_bytes(cache / times)));
  };
  require_room(kCommandsInCache, "server.max_command_bytes", config.server.max_command_bytes);
  require_room(kValuesInCache, "storage.max_value_bytes", config.storage.max_value_bytes);
}

}  // namespace

std::vector<std::string> validate(const Config& config) {
  std::vector<std::string> errors;
  auto require = [&]<class... Args>(bool fine, fmt::format_string<Args...> sentence,
                                    Args&&... args) {
    if (!fine) errors.push_back(fmt::format(sentence, std::forward<Args>(args)...));
  };
  const Config::Server& server = config.server;
  const Config::Raft& raft = config.raft;
  require((server.port != 0 && !server.bind.empty()) || !server.unix_socket.empty(),
          "nothing to listen on: set server.port and server.bind, or server.unix_socket");
  // sun_path of a unix socket's address has 108 bytes, one of them the end.
  constexpr size_t kUnixPathBytesMax = 107;
  require(server.unix_socket.size() <= kUnixPathBytesMax,
          "server.unix_socket is {} bytes long; the system allows {}", server.unix_socket.size(),
          kUnixPathBytesMax);
  require(server.max_bulk_bytes <= server.max_command_bytes,
          "server.max_bulk_bytes ({}) must not be more than server.max_command_bytes ({})",
          format_bytes(server.max_bulk_bytes), format_bytes(server.max_command_bytes));
  require(config.storage.max_value_bytes <= server.max_bulk_bytes,
          "storage.max_value_bytes ({}) must not be more than server.max_bulk_bytes ({})",
          format_bytes(config.storage.max_value_bytes), format_bytes(server.max_bulk_bytes));
  require(server.max_command_bytes <= raft.max_uncommitted_bytes,
          "server.max_command_bytes ({}) must not be more than raft.max_uncommitted_bytes ({})",
          format_bytes(server.max_command_bytes), format_bytes(raft.max_uncommitted_bytes));
  check_cache(config, errors);
  require(raft.tick_ms <= raft.heartbeat_interval_ms,
          "raft.tick_ms ({}) must not be more than raft.heartbeat_interval_ms ({})", raft.tick_ms,
          raft.heartbeat_interval_ms);
  require(
      raft.heartbeat_interval_ms * 2 <= raft.election_timeout_ms,
      "raft.heartbeat_interval_ms ({}) must be at most half of raft.election_timeout_ms ({}), or "
      "one late heartbeat starts an election",
      raft.heartbeat_interval_ms, raft.election_timeout_ms);
  require(
      raft.clock_drift_ms + raft.heartbeat_interval_ms < raft.election_timeout_ms,
      "raft.clock_drift_ms ({}) leaves no lease: with raft.heartbeat_interval_ms ({}) it must be "
      "less than raft.election_timeout_ms ({})",
      raft.clock_drift_ms, raft.heartbeat_interval_ms, raft.election_timeout_ms);
  return errors;
}

}  // namespace kvorum::config

namespace kvorum {

const char* to_string(LogLevel level) {
  constexpr const char* kNames[] = {"trace", "debug",    "info", "warning",
                                    "error", "critical", "off"};
  return kNames[static_cast<size_t>(level)];
}

const char* to_string(Consistency consistency) {
  constexpr const char* kNames[] = {"lease", "linearizable", "eventual"};
  return kNames[static_cast<size_t>(consistency)];
}

}  // namespace kvorum
