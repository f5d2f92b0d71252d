// Node: one simulated node: the real stages of the write path, each run when the world says so, on
// a simulated disk, store, clock and network. It crashes, stands still, and starts again with what
// is durable.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/waker.h"
#include "server/applier.h"
#include "server/log_writer.h"
#include "server/raft_stage.h"
#include "server/snapshotter.h"
#include "tests/sim/disk.h"
#include "tests/sim/sim_store.h"
#include "tests/sim/world.h"

namespace kvorum::sim {

class NodeWatches;

class Simulation;

// Runs at a rate of its own; its wall time can be set.
class NodeClock final : public Clock {
 public:
  NodeClock(const World& world, uint64_t parts_per_million)
      : world_(world), parts_per_million_(parts_per_million) {}
  Monotonic monotonic() const override { return std::chrono::microseconds(micros()); }
  UnixMillis wall_ms() const override { return wall_us() / 1000; }
  uint64_t wall_us() const override {
    return static_cast<uint64_t>(kWallAtStart + static_cast<int64_t>(micros()) + offset_us_);
  }
  void jump(int64_t us) { offset_us_ += us; }
  // How long the world takes for `own` of this clock.
  Time world_time(Time own) const { return own * 1'000'000 / parts_per_million_; }

 private:
  static constexpr int64_t kWallAtStart = 1'700'000'000'000'000;
  uint64_t micros() const { return kSecond + world_.now() * parts_per_million_ / 1'000'000; }

  const World& world_;
  const uint64_t parts_per_million_;
  int64_t offset_us_ = 0;
};

class Node final : public server::ClientGateway, public server::PeerGateway {
 public:
  enum Kind : uint8_t { kRaft, kLog, kApply, kSnapshot };
  static constexpr size_t kKinds = 4;

  Node(Simulation& simulation, raft::NodeId id, raft::Configuration first);
  ~Node() override;

  raft::NodeId id() const { return id_; }
  bool running() const { return stages_ != nullptr && !crash_pending_; }
  bool gone() const { return gone_; }  // it was removed from the cluster
  bool paused() const;
  // A message came; a sender that it has no link to is looked up.
  void heard_from(raft::NodeId from);
  // Changes with every start: what was asked of an earlier one is never answered.
  uint64_t incarnation() const { return incarnation_; }

  void start();
  void crash();
  void crash_and_restart(Time delay);
  // Nothing of it runs until then.
  void pause(Time duration);
  void recover_from_faults();

  server::RaftStage& raft();
  const server::NodeState& state() const;
  SimStore& store();
  NodeClock& clock() { return clock_; }
  Disk& disk() { return disk_; }
  // As far as it has applied the log.
  raft::Configuration configuration() { return store().applied_state().configuration; }

  // Runs `act` when the node is awake, unless it is another one by then.
  void when_awake(Time delay, std::function<void()> act);
  // Takes a checkpoint; `taken` gets it.
  void checkpoint(std::function<void(Image)> taken);
  // Those who watch changes on it, while it runs; not in the middle of something.
  NodeWatches& watches();
  bool watches_busy() const { return busy() || paused(); }
  // A change of the cluster, through this node.
  void change(server::AdminWords words);
  size_t changes_open() const { return changes_open_; }

  // How slow it is: the longest that a turn of a stage waits, and that a sync takes.
  Time delay_max(Kind kind) const { return delays_[kind]; }
  void set_delay_max(Kind kind, Time delay) { delays_[kind] = delay; }
  // The power goes in the middle of the n-th operation on the log from now.
  void cut_power_after(uint64_t operations) { operations_left_ = operations; }
  // What is planned for its disk may end its process.
  void expect_death() { may_die_ = true; }
  // The time that reads go by; behind the clock with a mutation.
  Monotonic read_clock() const;

 private:
  class StepWaker final : public Waker {
   public:
    StepWaker(Node& node, Kind kind) : node_(node), kind_(kind) {}
    void wake() override { node_.wake(kind_); }

   private:
    Node& node_;
    const Kind kind_;
  };
  // What a crash takes away.
  struct Stages;
  struct Turn {
    bool scheduled = false;
    bool running = false;
    bool again = false;
  };

  void batch_done(uint32_t loop, server::BatchOutcome outcome) override;
  void batch_executed(uint32_t, uint64_t, const std::vector<command::ReachedRevision>&) override {}
  void events(std::shared_ptr<const server::LiveEvents> events) override;
  void read_granted(uint32_t loop, uint64_t context, bool granted, raft::Index index) override;
  void events_skipped() override;
  void published(std::string, std::string, bool) override {}
  void applied_moved(raft::Index index) override;
  void slow(server::SlowNote) override {}

  void send(raft::NodeId to, peer::Message message) override;
  void members_changed(const std::vector<raft::Member>& members) override;
  void send_snapshot(const raft::Member& peer, raft::Index at_least) override;
  void removed() override;

  void wake(Kind kind);
  void run_turn(Kind kind);
  void drain(Kind kind);
  // Time passes in the middle of something, or all is over.
  void take_time(Time max);
  void on_disk_operation(bool sync);
  bool busy() const;
  void fall();
  void open_stages();
  void schedule_tick();
  bool reaches(raft::NodeId id) const;
  void logged(const raft::Entry& entry);

  Simulation& simulation_;
  World& world_;
  const raft::NodeId id_;
  NodeClock clock_;
  Disk disk_;
  Image durable_;
  std::array<StepWaker, kKinds> wakers_;
  std::array<Turn, kKinds> turns_{};
  std::array<Time, kKinds> delays_{};
  std::unique_ptr<Stages> stages_;
  uint64_t incarnation_ = 0;
  bool crash_pending_ = false;
  bool gone_ = false;
  uint64_t sessions_ = 0;  // durably counted
  bool may_die_ = false;
  Time restart_delay_ = 0;
  Time paused_until_ = 0;
  Time paused_from_ = 0;
  uint64_t operations_left_ = 0;
  std::vector<raft::Member> links_;   // by its configurations; none before it joined: to all
  std::set<raft::NodeId> looked_up_;  // who lead without being in them
  EventId seen_;
  bool tells_all_ = false;  // changes, whoever listens
  size_t changes_open_ = 0;
};

}  // namespace kvorum::sim
