#include "server/node.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>
#include <utility>

#include "base/check.h"
#include "raft/configuration.h"
#include "server/command_rows.h"
#include "server/logger.h"
#include "server/process.h"

namespace kvorum::server {

namespace {

constexpr std::chrono::milliseconds kDiskPeriod{500};
constexpr std::chrono::milliseconds kLookPeriod{500};
// Of looking whether the node can serve, while it can't.
constexpr std::chrono::milliseconds kReadyPeriod{1};

void log_store(storage::StoreSeverity severity, std::string_view message) {
  switch (severity) {
    case storage::StoreSeverity::kInfo:
      return log_debug("store: {}", message);
    case storage::StoreSeverity::kWarning:
      return log_warning("store: {}", message);
    case storage::StoreSeverity::kError:
      return log_error("store: {}", message);
  }
}

RaftStageOptions stage_options(const Config& config) {
  RaftStageOptions options;
  options.tick = std::chrono::milliseconds(config.raft.tick_ms);
  options.request_timeout = std::chrono::milliseconds(config.server.request_timeout_ms);
  options.expire_batch_max = config.expiry.max_batch;
  options.value_bytes_max = config.storage.max_value_bytes;
  options.history_bytes_max = config.watch.history.max_bytes;
  options.history_age_max_ms = config.watch.history.max_age_s * 1000;
  return options;
}

raft::CoreOptions core_options(const Config& config, raft::NodeId id) {
  auto ticks = [&](uint64_t ms) {
    return static_cast<uint32_t>(std::max<uint64_t>(1, ms / config.raft.tick_ms));
  };
  raft::CoreOptions options;
  options.id = id;
  options.random_seed = random_u64();  // another one with every start
  options.election_timeout_ticks = ticks(config.raft.election_timeout_ms);
  options.heartbeat_interval_ticks = ticks(config.raft.heartbeat_interval_ms);
  options.lease_ticks = ticks(config.raft.election_timeout_ms - config.raft.clock_drift_ms);
  options.uncommitted_bytes_max = config.raft.max_uncommitted_bytes;
  options.tail_bytes_max = config.raft.max_tail_bytes;
  options.catch_up_bytes_max = config.raft.max_catch_up_bytes;
  return options;
}

// Gives a new store its first configuration: a cluster of one.
Status form_cluster(storage::Store& store, const raft::Member& self) {
  raft::Configuration configuration;
  configuration.voters = {self.id};
  configuration.members = {self};
  std::unique_ptr<storage::Writer> writer = store.new_writer();
  storage::Transaction& transaction = writer->begin();
  transaction.set_configuration(configuration);
  if (!transaction.commit()) return fail("the first write to the store failed");
  Result<storage::AppliedState> saved = store.checkpoint();
  if (!saved) return tl::unexpected(saved.error());
  return ok();
}

raft::Recovered recovered_from(storage::WalRecovery wal, const storage::AppliedState& applied) {
  raft::Recovered recovered;
  recovered.hard_state = wal.hard_state;
  recovered.snapshot = {applied.applied, applied.stamp, applied.configuration};
  std::erase_if(wal.entries, [&](const raft::EntryPtr& entry) {
    return entry->id.index <= applied.applied.index;
  });
  recovered.entries = std::move(wal.entries);
  return recovered;
}

}  // namespace

Result<std::unique_ptr<Node>> Node::open(Config config, std::string config_file) {
  // Computes for a while, once in a process; meanwhile there are folders and sockets to open.
  std::jthread warm_up(&storage::Store::warm_up);
  DataFolder::ClusterToJoin join;
  if (!config.raft.join.empty()) {
    join = [&] { return ask_cluster(config.raft.join, config.raft.secret); };
  }
  Result<DataFolder> folder = DataFolder::open(config.node.data_dir, join);
  if (!folder) return tl::unexpected(folder.error());
  std::unique_ptr<Node> node(
      new Node(std::move(config), std::move(config_file), std::move(*folder)));
  if (Status s = node->open_listeners(); !s) return tl::unexpected(s.error());
  if (Status s = node->open_peers(); !s) return tl::unexpected(s.error());
  warm_up.join();
  if (Status s = node->open_storage(); !s) return tl::unexpected(s.error());
  node->make_loops();
  node->observe_settings();
  return node;
}

Node::Node(Config config, std::string config_file, DataFolder folder)
    : config_(config),
      settings_(std::move(config), std::move(config_file)),
      folder_(std::move(folder)) {
  net::ignore_sigpipe();
  identity_ = {folder_.node(), folder_.cluster(), random_hex(40), clock_.wall_ms()};
  checkpoint_asked_at_ = clock_.monotonic();
  add_all_rows(table_);
}

Node::~Node() = default;

uint16_t Node::port() const {
  for (const auto& listener : listeners_) {
    if (listener->port() != 0) return listener->port();
  }
  return 0;
}

Status Node::open_listeners() {
  net::ListenOptions options;
  options.backlog = static_cast<int>(config_.server.tcp_backlog);
  options.unix_mode = static_cast<mode_t>(config_.server.unix_socket_perm);
  auto open = [&](const net::Address& address) -> Status {
    auto listener = net::Listener::open(
        control_, address, [this](net::Fd socket) { accept(std::move(socket)); },
        [](const std::string& error) { log_warning("accept: {}", error); }, options);
    if (!listener) return tl::unexpected(listener.error());
    listeners_.push_back(std::move(*listener));
    return ok();
  };
  if (config_.server.port != 0) {
    for (std::string host : config_.server.bind) {
      bool optional = host.starts_with('-');
      if (optional) host.erase(0, 1);
      net::Address address;
      address.host = host;
      address.port = config_.server.port;
      Status opened = open(address);
      if (opened) continue;
      if (!optional) return opened;
      log_info("not listening on {}: {}", host, opened.error().message);
    }
  }
  if (!config_.server.unix_socket.empty()) {
    net::Address address;
    address.path = config_.server.unix_socket;
    if (Status opened = open(address); !opened) return opened;
  }
  if (listeners_.empty()) {
    return fail(
        "there is nothing to listen on: set server.port and server.bind, or "
        "server.unix_socket");
  }
  return ok();
}

Status Node::open_storage() {
  storage::StoreOptions store_options;
  store_options.folder = folder_.store_path();
  store_options.cache_bytes = config_.storage.cache_bytes;
  store_options.readers_max = config_.server.io_threads + 4;
  store_options.log = log_store;
  Result<std::unique_ptr<storage::Store>> store = storage::Store::open(store_options);
  if (!store) return tl::unexpected(store.error());
  store_ = std::move(*store);

  files_ = storage::make_posix_file_system();
  storage::WalOptions wal_options;
  wal_options.folder = folder_.wal_path();
  wal_options.segment_bytes = config_.storage.wal_segment_bytes;
  raft::Index applied = store_->applied_state().applied.index;
  storage::WalRecovery recovery;
  auto wal = storage::Wal::open(*files_, wal_options, applied, recovery);
  if (!wal) return tl::unexpected(wal.error());
  wal_ = std::move(*wal);
  if (recovery.torn_bytes > 0) {
    log_warning(
        "the write-ahead log ended in an unfinished write of {} bytes, which was never "
        "acknowledged: cut off",
        recovery.torn_bytes);
  }
  if (Status s = first_configuration(recovery); !s) return s;
  storage::AppliedState state = store_->applied_state();
  if (Status s = drop_other_history(recovery, state.applied); !s) return s;
  state_.checkpoint_index.store(state.applied.index.value());
  state_.checkpoint_unix_s.store(clock_.wall_ms() / 1000);
  state_.key_count.store(state.key_count);
  state_.expiring_count.store(state.expiring_count);
  state_.revision.store(state.revision);
  state_.applied_stamp.store(state.stamp);
  state_.applied_index.store(state.applied.index.value());
  log_info("node {} of cluster {}: {} keys at index {}, {} entries to replay", folder_.node(),
           folder_.cluster(), state.key_count, state.applied.index, recovery.entries.size());
  const storage::Proposer* own = state.find_proposer(folder_.node());
  Result<uint64_t> session = folder_.begin_session(own != nullptr ? own->session : 0);
  if (!session) return tl::unexpected(session.error());
  make_stages(recovered_from(std::move(recovery), state), *session);
  return ok();
}

Status Node::open_peers() {
  Result<std::unique_ptr<Peers>> peers =
      Peers::open(config_, folder_, state_, [this](const std::string& why) { leave(why); });
  if (!peers) return tl::unexpected(peers.error());
  peers_ = std::move(*peers);
  return ok();
}

// The power went between the two steps of the installation of a snapshot: what is left of the log
// is of another history.
Status Node::drop_other_history(storage::WalRecovery& recovery, raft::EntryId applied) {
  if (recovery.compacted_term == raft::Term() || recovery.compacted_term == applied.term) {
    return ok();
  }
  recovery.entries.clear();
  if (recovery.hard_state.term < applied.term) recovery.hard_state = {applied.term, {}, {}};
  return wal_->reset(applied, recovery.hard_state);
}

// A store without one belongs to a node that was never a member of anything yet.
Status Node::first_configuration(const storage::WalRecovery& recovery) {
  const raft::Configuration configuration = store_->applied_state().configuration;
  if (!configuration.voters.empty()) {
    const bool member = raft::find_member(configuration.members, folder_.node()) != nullptr;
    if (member || folder_.joined()) return ok();
    return fail("node {} was removed from its cluster: start it with an empty folder and --join",
                folder_.node());
  }
  if (folder_.joined()) {
    if (!config_.raft.join.empty()) return ok();
    return fail("this node was about to join cluster {}: start it with --join", folder_.cluster());
  }
  if (!recovery.entries.empty()) {
    return fail(
        "the write-ahead log in {} has entries but the store in {} is empty: restore the folder "
        "from a backup",
        folder_.wal_path(), folder_.store_path());
  }
  return form_cluster(*store_, peers_->self());
}

// Where each stage runs is decided here and nowhere else.
void Node::make_stages(raft::Recovered recovered, uint64_t session) {
  const raft::NodeId self = folder_.node();
  const raft::HardState hard_state = recovered.hard_state;
  raft_ = std::make_unique<RaftStage>(raft::Core(core_options(config_, self), std::move(recovered)),
                                      session, stage_options(config_), clock_, state_, loops_,
                                      *peers_, raft_waker_);
  raft_waker_.attach(*raft_);
  log_writer_ = std::make_unique<LogWriter>(std::move(wal_), hard_state, disk_, clock_, state_,
                                            loops_, write_host_);
  write_host_.host(*log_writer_);
  applier_ = std::make_unique<Applier>(*store_, table_, clock_, state_, loops_, write_host_);
  write_host_.host(*applier_);
  snapshotter_ =
      std::make_unique<Snapshotter>(*store_, clock_, state_, loops_, snapshotter_thread_.waker());
  snapshotter_thread_.host(*snapshotter_);
  raft_->attach(*log_writer_, *applier_);
  log_writer_->attach(*raft_, *applier_);
  applier_->attach(*raft_, *log_writer_, *snapshotter_);
  peers_->attach(*raft_, *snapshotter_);
  snapshotter_->attach(*raft_, *log_writer_);
}

void Node::make_loops() {
  services_ = std::unique_ptr<NodeServices>(
      new NodeServices{clock_, state_, table_, settings_, *store_, *raft_, *snapshotter_, *peers_,
                       loops_, identity_, [this](ShutdownMode mode) { stop(mode); }});
  for (uint32_t number = 0; number < config_.server.io_threads; ++number) {
    loops_.add(std::make_unique<ClientLoop>(number, *services_));
  }
  // With one loop the writes are its own: while the disk is quick, it sees them through itself.
  if (config_.server.io_threads == 1) {
    ClientLoop& loop = loops_.loop(0);
    loop.host(
        write_host_.helper({loop.waker(), [this] { return log_writer_->quick(); },
                            [this, &loop] { return state_.leads_own_writes && loop.asleep(); }}));
  }
}

void Node::observe_settings() {
  publish_slow_thresholds(state_, config_);
  for (const char* path :
       {"slowlog.slower_than_us", "slowlog.max_entries", "latency.monitor_threshold_ms"}) {
    settings_.on_change(path, [this](const Config& config) {
      publish_slow_thresholds(state_, config);
      return ok();
    });
  }
  settings_.on_change("log.level", [](const Config& config) {
    set_log_level(config.log.level);
    return ok();
  });
  for (std::string_view path : {"server.request_timeout_ms", "expiry.max_batch"}) {
    settings_.on_change(path, [this](const Config& config) {
      raft_->post_options(stage_options(config));
      return ok();
    });
  }
  auto switch_notifications = [this](const Config& config) {
    const bool on = config.watch.notify_keyspace_events.active();
    if (state_.keyspace_notifications.exchange(on) == on) return ok();
    if (on) {
      state_.interest.add_all();
    } else {
      state_.interest.remove_all();
    }
    return ok();
  };
  static_cast<void>(switch_notifications(config_));
  settings_.on_change("watch.notify_keyspace_events", switch_notifications);
}

Status Node::run(bool handle_signals) {
  std::unique_ptr<net::Signals> signals;
  if (handle_signals) {
    signals = std::make_unique<net::Signals>(
        control_, std::vector<int>{SIGTERM, SIGINT}, [this](int number) {
          log_info("received {}, shutting down", number == SIGINT ? "SIGINT" : "SIGTERM");
          stop();
        });
  }
  Result<PidFile> pid_file = PidFile::write(config_.server.pid_file);
  if (!pid_file) return tl::unexpected(pid_file.error());
  write_host_.start();
  snapshotter_thread_.start();
  peers_->start();
  tick_timer_ = std::make_unique<net::Timer>(control_, [this] { tick(); });
  tick_timer_->every(std::chrono::milliseconds(config_.raft.tick_ms));
  disk_timer_ = std::make_unique<net::Timer>(control_, [this] { look_after_disk(); });
  disk_timer_->every(kDiskPeriod);
  look_timer_ = std::make_unique<net::Timer>(control_, [this] { peers_->post_look(); });
  look_timer_->every(kLookPeriod);
  ready_timer_ = std::make_unique<net::Timer>(control_, [this] { become_ready(); });
  ready_timer_->every(kReadyPeriod);
  look_after_disk();
  raft_->post_tick();
  control_.run();
  shut_down();
  return ok();
}

// A leader hands over first, so that clients see no pause; the tick sees to the rest.
void Node::stop(ShutdownMode mode) {
  shutdown_mode_.store(mode);
  if (!state_.leader.load() || !state_.has_peers.load() || handing_over_until_ns_.load() != 0) {
    return control_.stop();
  }
  const auto patience = std::chrono::milliseconds(config_.raft.election_timeout_ms);
  handing_over_until_ns_.store((clock_.monotonic() + patience).count());
  raft_->post_change({"transfer", "0"}, [](bool, const std::string&) {});
}

void Node::leave(const std::string& why) {
  if (removed_.exchange(true)) return;
  log_error("{}: stopping. Its folder {} is of no use any more", why, folder_.path());
  control_.stop();
}

void Node::hand_over() {
  const int64_t until = handing_over_until_ns_.load();
  if (until == 0) return;
  if (state_.leader.load() && clock_.monotonic().count() < until) return;
  control_.stop();
}

void Node::tick() {
  raft_->post_tick();
  hand_over();
}

// Alone, a leader with everything it recovered applied: what clients may see is whole. With others,
// or on its way into a cluster, at once: what can't be answered yet waits for a leader.
void Node::become_ready() {
  const bool alone = !state_.has_peers.load() && (!folder_.joined() || state_.leader.load());
  if (alone) {
    if (state_.lease_until_ns.load() == 0 || !state_.leader.load()) return;
    if (state_.applied_index.load() < state_.commit_index.load()) return;
  }
  ready_timer_->cancel();
  loops_.start();
  ready_.store(true);
  for (net::Fd& socket : std::exchange(early_sockets_, {})) loops_.accept(std::move(socket));
  for (const auto& listener : listeners_) log_info("ready for clients on {}", listener->text());
  notify_service_manager("READY=1");
}

void Node::accept(net::Fd socket) {
  if (ready_.load(std::memory_order_relaxed)) return loops_.accept(std::move(socket));
  early_sockets_.push_back(std::move(socket));
}

void Node::look_after_disk() {
  const Config::Storage options = settings_.snapshot()->storage;
  disk_.look(std::max(options.min_free_bytes, store_->stats().disk_bytes_needed));
  Monotonic now = clock_.monotonic();
  uint64_t logged = state_.wal_appended_bytes.load();
  bool changed = state_.applied_index.load() > state_.checkpoint_index.load();
  bool due = now - checkpoint_asked_at_ >= std::chrono::seconds(options.checkpoint_interval_s) ||
             logged - checkpoint_asked_bytes_ >= options.checkpoint_log_bytes;
  if (!changed || !due || state_.checkpoint_running.load()) return;
  checkpoint_asked_at_ = now;
  checkpoint_asked_bytes_ = logged;
  snapshotter_->post_checkpoint([](Status taken) {
    if (!taken) die("checkpoint: {}", taken.error().message);
  });
}

// In reverse of the start: no new work comes in, what is under way finishes, then the checkpoint.
void Node::shut_down() {
  notify_service_manager("STOPPING=1");
  tick_timer_.reset();
  ready_timer_.reset();
  disk_timer_.reset();
  look_timer_.reset();
  listeners_.clear();
  early_sockets_.clear();
  loops_.stop();
  peers_->stop();
  write_host_.stop();
  if (shutdown_mode_.load() == ShutdownMode::kCheckpoint) {
    snapshotter_->post_checkpoint([](Status taken) {
      if (!taken) log_error("last checkpoint: {}", taken.error().message);
    });
  }
  snapshotter_thread_.stop();
  log_info("stopped");
}

}  // namespace kvorum::server
