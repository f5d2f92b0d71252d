// Node: a whole kvorum node, and the composition root: it makes every part in start order, decides
// which thread each stage runs on, and stops them in reverse. Also what a C++ program links to run
// a node inside itself (libkvorum).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/shared_host.h"
#include "base/stage_thread.h"
#include "base/waker.h"
#include "command/table.h"
#include "config/runtime_settings.h"
#include "net/event_loop.h"
#include "net/listener.h"
#include "net/signals.h"
#include "net/timer.h"
#include "server/applier.h"
#include "server/data_folder.h"
#include "server/disk_watch.h"
#include "server/log_writer.h"
#include "server/loop_group.h"
#include "server/node_services.h"
#include "server/node_state.h"
#include "server/peers.h"
#include "server/raft_stage.h"
#include "server/snapshotter.h"
#include "storage/store.h"

namespace kvorum::server {

class Node {
 public:
  // Opens the data folder and the listening sockets and recovers what the folder holds. Nothing is
  // served before run(). `config_file` is what CONFIG REWRITE writes; it may be empty.
  static Result<std::unique_ptr<Node>> open(Config config, std::string config_file = {});
  ~Node();

  // Serves on the calling thread until stop(), or with `handle_signals` SIGTERM or SIGINT. What was
  // acknowledged is on disk when it returns. Also ends when the node is no member any more.
  Status run(bool handle_signals);
  // Any thread.
  void stop(ShutdownMode mode = ShutdownMode::kCheckpoint);
  // Clients are served. Any thread.
  bool ready() const { return ready_.load(); }
  // The TCP port clients reach, also where 0 was asked for; 0 when there is none.
  uint16_t port() const;

 private:
  Node(Config config, std::string config_file, DataFolder folder);

  Status open_listeners();
  Status open_peers();
  Status open_storage();
  Status drop_other_history(storage::WalRecovery& recovery, raft::EntryId applied);
  Status first_configuration(const storage::WalRecovery& recovery);
  void make_stages(raft::Recovered recovered, uint64_t session);
  void make_loops();
  void observe_settings();
  void accept(net::Fd socket);
  void tick();
  void look_after_disk();
  void become_ready();
  void hand_over();
  void leave(const std::string& why);
  void shut_down();

  const Config config_;  // as it was at the start
  RuntimeSettings settings_;
  DataFolder folder_;
  SystemClock clock_;
  NodeState state_;
  DiskWatch disk_{folder_.path(), state_};
  NodeIdentity identity_;
  command::CommandTable table_;
  std::unique_ptr<storage::FileSystem> files_;
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<storage::Wal> wal_;

  // The control loop, on the thread that calls run(): accepts, ticks, signals.
  net::EventLoop control_;
  InlineWaker raft_waker_;
  SharedHost write_host_{"log-writer"};
  StageThread snapshotter_thread_{"snapshotter"};

  LoopGroup loops_;
  std::unique_ptr<Peers> peers_;
  std::unique_ptr<RaftStage> raft_;
  std::unique_ptr<LogWriter> log_writer_;
  std::unique_ptr<Applier> applier_;
  std::unique_ptr<Snapshotter> snapshotter_;
  std::unique_ptr<NodeServices> services_;

  std::vector<std::unique_ptr<net::Listener>> listeners_;
  std::unique_ptr<net::Timer> tick_timer_;
  std::unique_ptr<net::Timer> ready_timer_;
  std::unique_ptr<net::Timer> disk_timer_;
  std::unique_ptr<net::Timer> look_timer_;
  Monotonic checkpoint_asked_at_{0};
  uint64_t checkpoint_asked_bytes_ = 0;
  std::vector<net::Fd> early_sockets_;  // accepted before the node was ready
  std::atomic<bool> ready_{false};
  std::atomic<ShutdownMode> shutdown_mode_{ShutdownMode::kCheckpoint};
  // Until when a leader that is to stop waits for another to take over (monotonic); 0: it is not.
  std::atomic<int64_t> handing_over_until_ns_{0};
  std::atomic<bool> removed_{false};
};

}  // namespace kvorum::server
