// Watchers: clients that watch all keys, each on one node at a time. They read slowly now and then,
// leave, and go on elsewhere from the last change they know of. Each must be told every change once
// and in order, or that it lost some.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "server/watch_feed.h"
#include "tests/sim/world.h"

namespace kvorum::sim {

class Node;
class NodeWatches;
class Simulation;

struct WatchingClient {
  size_t number = 0;
  EventId position;   // it knows of all changes up to here
  bool gap = false;   // but for some that it was told are lost, or compacted
  uint64_t told = 0;  // changes
  // While it is connected.
  NodeWatches* node = nullptr;
  server::Session* session = nullptr;
};

// One start of a node, as its watchers see it: the feed of a client loop.
class NodeWatches final : public server::WatchSink {
 public:
  NodeWatches(Simulation& simulation, Node& node, command::KeyInterest& interest);
  ~NodeWatches() override;

  void live(std::shared_ptr<const server::LiveEvents> events);
  void missed();
  void attach(WatchingClient& client);
  void detach(WatchingClient& client);

 private:
  struct Attached {
    WatchingClient* client = nullptr;
    server::Session session;
  };

  bool has_room(server::Session& session) override;
  void event(server::Subscription& subscription, const command::HistoryEvent& event) override;
  void mark(server::Subscription& subscription, server::WatchMark mark, EventId id) override;
  void passed(const command::HistoryEvent&) override {}
  void gap() override {}

  WatchingClient& client_of(const server::Session& session);
  void schedule_catch_up();
  void catch_up();

  Simulation& simulation_;
  World& world_;
  Node& node_;
  server::WatchFeed feed_;
  std::deque<std::unique_ptr<Attached>> attached_;
  bool scheduled_ = false;
};

class Watchers {
 public:
  explicit Watchers(Simulation& simulation);
  // From here on they move about.
  void start();
  bool know_everything();
  // Once nothing happens any more: all of them know of everything.
  void check_final_state();

 private:
  void move(WatchingClient& client);

  Simulation& simulation_;
  std::vector<WatchingClient> clients_;
};

}  // namespace kvorum::sim
