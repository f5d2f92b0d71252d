// Config: every option of a node, typed, in the sections of the configuration file; a member has
// the name of its option. The defaults stand here and nowhere else. options.h says what each may
// be.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/notify_flags.h"

namespace kvorum {

// A connection is closed when its unsent replies reach `hard_bytes`, or stay above `soft_bytes` for
// `soft_s` seconds. 0 is no limit.
struct OutputBufferLimit {
  uint64_t hard_bytes = 0;
  uint64_t soft_bytes = 0;
  uint64_t soft_s = 0;

  bool operator==(const OutputBufferLimit&) const = default;
};

enum class Consistency : uint8_t { kLease, kLinearizable, kEventual };
enum class LogLevel : uint8_t { kTrace, kDebug, kInfo, kWarning, kError, kCritical, kOff };
enum class LogFormat : uint8_t { kText, kJson };

struct Config {
  struct Server {
    // Addresses; a leading `-` forgives one that this machine lacks; `*` is every IPv4 address,
    // `::*` every IPv6 one.
    std::vector<std::string> bind = {"127.0.0.1", "-::1"};
    uint16_t port = 6379;  // 0: no TCP
    std::string unix_socket;
    uint32_t unix_socket_perm = 0;  // 0: what the umask leaves
    bool protected_mode = true;
    std::string requirepass;
    std::string pid_file;
    uint32_t io_threads = 1;
    uint32_t max_clients = 10'000;
    uint32_t tcp_backlog = 511;
    uint64_t tcp_keepalive_s = 300;  // 0: off
    uint64_t idle_timeout_s = 0;     // 0: never
    uint64_t request_timeout_ms = 5000;
    uint64_t max_command_bytes = 64 << 20;
    uint64_t max_bulk_bytes = 64 << 20;
    uint64_t max_inflight_bytes = 64 << 20;
    OutputBufferLimit output_buffer_normal;
    OutputBufferLimit output_buffer_pubsub = {32 << 20, 8 << 20, 60};
  } server;

  struct Node {
    std::string data_dir = "data";
  } node;

  struct Raft {
    uint64_t tick_ms = 10;
    uint64_t heartbeat_interval_ms = 50;
    uint64_t election_timeout_ms = 300;
    uint64_t clock_drift_ms = 60;
    uint64_t max_uncommitted_bytes = 64 << 20;
    uint64_t max_tail_bytes = 128 << 20;
    uint64_t max_catch_up_bytes = 1 << 30;
    uint16_t peer_port = 0;        // 0: server.port + 1000
    std::string advertise;         // host[:port] that other members use; empty: see options.cc
    std::string advertise_client;  // the same for clients
    std::string join;              // a member's peer address; empty: form a cluster
    std::string secret;
    uint64_t snapshot_bytes_per_second = 64 << 20;  // 0: as fast as it goes
  } raft;

  struct Reads {
    Consistency default_consistency = Consistency::kLease;
  } reads;

  struct Storage {
    uint64_t cache_bytes = 256 << 20;
    uint64_t max_key_bytes = 64 << 10;
    uint64_t max_value_bytes = 8 << 20;
    uint64_t checkpoint_interval_s = 60;
    uint64_t checkpoint_log_bytes = 256 << 20;
    uint64_t wal_segment_bytes = 64 << 20;
    uint64_t min_free_bytes = 64 << 20;
  } storage;

  struct Expiry {
    uint64_t max_batch = 1000;
  } expiry;

  struct Watch {
    bool enabled = true;
    uint64_t event_queue_size = 100'000;    // events
    uint64_t watcher_buffer_size = 10'000;  // events
    bool enable_metrics = true;
    NotifyFlags notify_keyspace_events;
    uint64_t progress_interval_ms = 5000;
    uint64_t stalled_reader_timeout_s = 60;  // 0: never
    struct History {
      uint64_t max_bytes = 128 << 20;  // 0: no history
      uint64_t max_age_s = 86'400;     // 0: whatever its age
    } history;
  } watch;

  struct Tracking {
    uint64_t table_max_keys = 1'000'000;  // 0: no limit
  } tracking;

  struct Log {
    LogLevel level = LogLevel::kInfo;
    LogFormat format = LogFormat::kText;
    std::string file;                   // empty: standard error
    uint64_t rotate_bytes = 100 << 20;  // 0: never
    uint64_t rotate_files = 5;
  } log;

  struct Slowlog {
    int64_t slower_than_us = 10'000;  // 0: every command; -1: none
    uint64_t max_entries = 128;
  } slowlog;

  struct Latency {
    uint64_t monitor_threshold_ms = 0;  // 0: off
  } latency;
};

// How log.level is written: "info".
const char* to_string(LogLevel level);
// How reads.default_consistency is written: "lease".
const char* to_string(Consistency consistency);

}  // namespace kvorum
