#include "server/info.h"

#include <malloc.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>

#include "server/authentication.h"

namespace kvorum::server {

namespace {

struct Report {
  NodeServices& node;
  const LoopStats& stats;
  const Config& config;
  std::string text{};

  template <class T>
  void field(std::string_view name, const T& value) {
    fmt::format_to(std::back_inserter(text), "{}:{}\r\n", name, value);
  }
};

std::string human_bytes(uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{}B", bytes);
  double value = static_cast<double>(bytes);
  for (char unit : {'K', 'M', 'G', 'T', 'P'}) {
    value /= 1024;
    if (value < 1024 || unit == 'P') return fmt::format("{:.2f}{}", value, unit);
  }
  return {};
}

// jemalloc's own account, where the program is linked with it.
extern "C" int mallctl(const char*, void*, size_t*, void*, size_t) __attribute__((weak));

bool has_jemalloc() {
  return mallctl != nullptr;
}

uint64_t allocated_bytes() {
  if (!has_jemalloc()) return mallinfo2().uordblks + mallinfo2().hblkhd;
  uint64_t epoch = 1;
  size_t size = sizeof(epoch);
  mallctl("epoch", &epoch, &size, &epoch, size);
  size_t allocated = 0;
  size = sizeof(allocated);
  mallctl("stats.allocated", &allocated, &size, nullptr, 0);
  return allocated;
}

// `VmRSS`, `VmHWM` and the like from /proc/self/status, in bytes; 0 when it is not there.
uint64_t process_memory(std::string_view name) {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    uint64_t kib = 0;
    if (word == std::string(name) + ":" && status >> kib) return kib * 1024;
  }
  return 0;
}

void server_section(Report& report) {
  utsname system{};
  uname(&system);
  uint64_t now_ms = report.node.clock.wall_ms();
  uint64_t started_at = report.node.identity.started_at;
  uint64_t uptime_s = now_ms > started_at ? (now_ms - started_at) / 1000 : 0;
  report.field("redis_version", kRedisVersion);
  report.field("kvorum_version", KVORUM_VERSION);
  report.field("redis_mode", "standalone");
  report.field("os", fmt::format("{} {} {}", system.sysname, system.release, system.machine));
  report.field("arch_bits", 64);
  report.field("monotonic_clock", "POSIX clock_gettime");
  report.field("multiplexing_api", "epoll");
  report.field("gcc_version",
               fmt::format("{}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__));
  report.field("process_id", getpid());
  report.field("run_id", report.node.identity.run_id);
  report.field("tcp_port", report.config.server.port);
  report.field("server_time_usec", report.node.clock.wall_us());
  report.field("uptime_in_seconds", uptime_s);
  report.field("uptime_in_days", uptime_s / 86400);
  report.field("io_threads_active", report.config.server.io_threads > 1 ? 1 : 0);
}

void clients_section(Report& report) {
  report.field("connected_clients", report.stats.clients);
  report.field("cluster_connections", 0);
  report.field("maxclients", report.config.server.max_clients);
  report.field("client_recent_max_input_buffer", report.stats.input_bytes_max);
  report.field("client_recent_max_output_buffer", report.stats.output_bytes_max);
  report.field("blocked_clients", report.stats.blocked_clients);
  report.field("tracking_clients", report.stats.tracking_clients);
  report.field("pubsub_clients", report.stats.subscribers);
  report.field("watching_clients", report.stats.watching_transactions);
}

void memory_section(Report& report) {
  uint64_t used = allocated_bytes();
  uint64_t resident = process_memory("VmRSS");
  uint64_t peak = process_memory("VmHWM");
  uint64_t physical =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  storage::StoreStats store = report.node.store.stats();
  report.field("used_memory", used);
  report.field("used_memory_human", human_bytes(used));
  report.field("used_memory_rss", resident);
  report.field("used_memory_rss_human", human_bytes(resident));
  report.field("used_memory_peak", peak);
  report.field("used_memory_peak_human", human_bytes(peak));
  report.field("total_system_memory", physical);
  report.field("total_system_memory_human", human_bytes(physical));
  report.field("maxmemory", 0);
  report.field("maxmemory_human", "0B");
  report.field("maxmemory_policy", "noeviction");
  report.field(
      "mem_fragmentation_ratio",
      fmt::format("{:.2f}",
                  used == 0 ? 0.0 : static_cast<double>(resident) / static_cast<double>(used)));
  report.field("mem_allocator", has_jemalloc() ? "jemalloc" : "libc");
  report.field("store_cache_max_bytes", report.config.storage.cache_bytes);
  report.field("store_cache_used_bytes", store.cache_bytes_used);
  report.field("store_cache_dirty_bytes", store.cache_bytes_dirty);
}

void persistence_section(Report& report) {
  const NodeState& state = report.node.state;
  storage::StoreStats store = report.node.store.stats();
  uint64_t applied = state.applied_index.load();
  uint64_t checkpoint = state.checkpoint_index.load();
  report.field("loading", 0);
  report.field("async_loading", 0);
  report.field("rdb_changes_since_last_save", applied > checkpoint ? applied - checkpoint : 0);
  report.field("rdb_bgsave_in_progress", state.checkpoint_running.load() ? 1 : 0);
  report.field("rdb_last_save_time", state.checkpoint_unix_s.load());
  report.field("rdb_last_bgsave_status", "ok");
  report.field("rdb_last_bgsave_time_sec", store.checkpoint_last_ms / 1000);
  report.field("aof_enabled", 1);
  report.field("aof_rewrite_in_progress", 0);
  report.field("aof_last_write_status", state.refuses_writes() ? "err" : "ok");
  report.field("aof_current_size", state.wal_bytes.load());
  report.field("wal_segments", state.wal_segments.load());
  report.field("wal_syncs", state.wal_syncs.load());
  report.field("wal_appended_bytes", state.wal_appended_bytes.load());
  report.field("store_file_bytes", store.file_bytes);
  report.field("checkpoints", state.checkpoints.load());
  report.field("checkpoint_last_ms", store.checkpoint_last_ms);
}

void stats_section(Report& report) {
  uint64_t errors = 0;
  for (const auto& [word, count] : report.stats.errors) errors += count;
  report.field("total_connections_received", report.stats.connections_accepted);
  report.field("total_commands_processed", report.stats.commands);
  report.field("instantaneous_ops_per_sec", report.stats.commands_per_second);
  report.field("total_net_input_bytes", report.stats.input_bytes);
  report.field("total_net_output_bytes", report.stats.output_bytes);
  report.field("rejected_connections", report.stats.connections_rejected);
  report.field("sync_full", 0);
  report.field("sync_partial_ok", 0);
  report.field("sync_partial_err", 0);
  report.field("expired_keys", report.node.state.expired_keys.load());
  report.field("evicted_keys", 0);
  report.field("keyspace_hits", report.stats.keyspace_hits);
  report.field("keyspace_misses", report.stats.keyspace_misses);
  report.field("pubsub_channels", report.stats.channels);
  report.field("pubsub_patterns", report.stats.patterns);
  report.field("latest_fork_usec", 0);
  report.field("total_forks", 0);
  report.field("client_output_buffer_limit_disconnections", report.stats.closed_for_output);
  report.field("tracking_total_keys", report.stats.tracking_keys);
  report.field("tracking_total_items", report.stats.tracking_items);
  report.field("tracking_total_prefixes", report.stats.tracking_prefixes);
  report.field("total_error_replies", errors);
}

void replication_section(Report& report) {
  const NodeState& state = report.node.state;
  report.field("role", state.leader.load() ? "master" : "slave");
  report.field("connected_slaves", 0);
  report.field("master_failover_state", "no-failover");
  report.field("master_replid", report.node.identity.cluster + "00000000");
  report.field("master_replid2", std::string(40, '0'));
  report.field("master_repl_offset", state.applied_index.load());
  report.field("second_repl_offset", -1);
  report.field("repl_backlog_active", 0);
}

void cpu_section(Report& report) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return fmt::format("{}.{:06}", time.tv_sec, time.tv_usec);
  };
  report.field("used_cpu_sys", seconds(usage.ru_stime));
  report.field("used_cpu_user", seconds(usage.ru_utime));
}

void modules_section(Report&) {}

void commandstats_section(Report& report) {
  std::map<std::string_view, CommandStats> by_name;
  for (const auto& [spec, stats] : report.stats.by_command) by_name[spec->name] = stats;
  for (const auto& [name, stats] : by_name) {
    double per_call = stats.calls == 0 ? 0.0
                                       : static_cast<double>(stats.microseconds) /
                                             static_cast<double>(stats.calls);
    report.field(
        fmt::format("cmdstat_{}", name),
        fmt::format("calls={},usec={},usec_per_call={:.2f},rejected_calls={},failed_calls={}",
                    stats.calls, stats.microseconds, per_call, stats.rejected, stats.failed));
  }
}

void errorstats_section(Report& report) {
  for (const auto& [word, count] : report.stats.errors) {
    report.field("errorstat_" + word, fmt::format("count={}", count));
  }
}

void cluster_section(Report& report) {
  report.field("cluster_enabled", 0);
}

void keyspace_section(Report& report) {
  uint64_t keys = report.node.state.key_count.load();
  if (keys == 0) return;
  report.field("db0", fmt::format("keys={},expires={},avg_ttl=0", keys,
                                  report.node.state.expiring_count.load()));
}

void raft_section(Report& report) {
  const NodeState& state = report.node.state;
  int64_t lease_ns = state.lease_until_ns.load() - report.node.clock.monotonic().count();
  report.field("raft_node_id", report.node.identity.node);
  report.field("raft_cluster_id", report.node.identity.cluster);
  report.field("raft_role", state.leader.load() ? "leader" : "follower");
  report.field("raft_leader_id", state.leader_id.load());
  report.field("raft_term", state.term.load());
  report.field("raft_commit_index", state.commit_index.load());
  report.field("raft_applied_index", state.applied_index.load());
  report.field("raft_checkpoint_index", state.checkpoint_index.load());
  report.field("raft_lease_ms", std::max<int64_t>(lease_ns / 1'000'000, 0));
  report.field("raft_revision", state.revision.load());
}

void watch_section(Report& report) {
  report.field("watch_enabled", report.config.watch.enabled ? 1 : 0);
  if (!report.config.watch.enable_metrics) return;
  report.field("watchers", report.stats.watchers);
  report.field("watch_events_sent", report.stats.events_sent);
  report.field("watch_event_queue", report.stats.events_queued);
  report.field("watch_watchers_behind", report.stats.watchers_behind);
  report.field("watch_catch_ups", report.stats.watch_catch_ups);
  report.field("watch_lost", report.stats.watches_lost);
  report.field("watch_watchers_dropped", report.stats.watchers_dropped);
  const NodeState& state = report.node.state;
  report.field("watch_history_max_bytes", state.history_max_bytes.load());
  report.field("watch_history_bytes", state.history_bytes.load());
  report.field("watch_history_floor_id",
               EventId{state.history_floor_revision.load(), state.history_floor_change.load()});
  report.field("watch_history_last_id",
               EventId{state.history_last_revision.load(), state.history_last_change.load()});
}

struct Section {
  std::string_view name;
  std::string_view title;
  bool in_default;
  void (*write)(Report&);
};

constexpr Section kSections[] = {
    {"server", "Server", true, server_section},
    {"clients", "Clients", true, clients_section},
    {"memory", "Memory", true, memory_section},
    {"persistence", "Persistence", true, persistence_section},
    {"stats", "Stats", true, stats_section},
    {"replication", "Replication", true, replication_section},
    {"cpu", "CPU", true, cpu_section},
    {"modules", "Modules", true, modules_section},
    {"commandstats", "Commandstats", false, commandstats_section},
    {"errorstats", "Errorstats", true, errorstats_section},
    {"cluster", "Cluster", true, cluster_section},
    {"keyspace", "Keyspace", true, keyspace_section},
    {"raft", "Raft", true, raft_section},
    {"watch", "Watch", true, watch_section},
};

bool wants(const InfoRequest& request, const Section& section) {
  if (request.sections.empty()) return section.in_default;
  return std::ranges::any_of(request.sections, [&](const std::string& name) {
    return name == section.name || name == "all" || name == "everything" ||
           (name == "default" && section.in_default);
  });
}

}  // namespace

std::string info_text(const InfoRequest& request, NodeServices& node, const LoopStats& stats) {
  std::shared_ptr<const Config> config = node.settings.snapshot();
  Report report{node, stats, *config};
  for (const Section& section : kSections) {
    if (!wants(request, section)) continue;
    if (!report.text.empty()) report.text.append("\r\n");
    fmt::format_to(std::back_inserter(report.text), "# {}\r\n", section.title);
    section.write(report);
  }
  return report.text;
}

}  // namespace kvorum::server
