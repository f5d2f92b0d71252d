#include "tests/sim/watchers.h"

#include <algorithm>

#include "tests/sim/simulation.h"

namespace kvorum::sim {

namespace {

constexpr size_t kClients = 4;
constexpr Time kStayMax = 400 * kMillisecond;
constexpr Time kDelayMax = 3 * kMillisecond;

}  // namespace

NodeWatches::NodeWatches(Simulation& simulation, Node& node, command::KeyInterest& interest)
    : simulation_(simulation), world_(simulation.world()), node_(node), feed_(*this, interest) {}

NodeWatches::~NodeWatches() {
  for (auto& attached : attached_) {
    attached->client->node = nullptr;
    attached->client->session = nullptr;
  }
}

// The loop's mailbox lies between the applier and the feed, and may be full.
void NodeWatches::live(std::shared_ptr<const server::LiveEvents> events) {
  if (simulation_.faulty() && world_.one_in(50)) return missed();
  node_.when_awake(kDelayMax, [this, events = std::move(events)] {
    feed_.live(*events);
    if (feed_.lags()) schedule_catch_up();
  });
}

void NodeWatches::missed() {
  node_.when_awake(world_.random(kDelayMax), [this] {
    feed_.missed();
    schedule_catch_up();
  });
}

void NodeWatches::attach(WatchingClient& client) {
  auto reader = node_.store().new_reader();
  storage::View& view = reader->begin();
  const EventId floor = view.applied_state().history.floor;
  if (client.position < floor) {
    // As SUBSCRIBE answers COMPACTED.
    client.gap = true;
    client.position = floor;
  }
  feed_.start(view);
  reader->end();
  server::Session& session = attached_.emplace_back(std::make_unique<Attached>())->session;
  session.authenticated = true;
  attached_.back()->client = &client;
  client.node = this;
  client.session = &session;
  server::Subscription& subscription = session.patterns["*"];
  subscription.session = &session;
  subscription.kind = server::SubscriptionKind::kPattern;
  subscription.name = "*";
  subscription.watch = subscription.marked = true;
  subscription.target = "*";
  subscription.after = client.position;
  feed_.watch(subscription);
  world_.trace("watcher {} comes to n{} after {}", client.number, node_.id(), client.position);
  schedule_catch_up();
}

void NodeWatches::detach(WatchingClient& client) {
  world_.trace("watcher {} leaves n{}", client.number, node_.id());
  feed_.unwatch(client.session->patterns["*"]);
  std::erase_if(attached_, [&](const auto& attached) { return attached->client == &client; });
  client.node = nullptr;
  client.session = nullptr;
}

void NodeWatches::schedule_catch_up() {
  if (std::exchange(scheduled_, true)) return;
  node_.when_awake(world_.random(kDelayMax), [this] { catch_up(); });
}

void NodeWatches::catch_up() {
  scheduled_ = false;
  if (!feed_.lags()) return;
  auto reader = node_.store().new_reader();
  storage::View& view = reader->begin();
  feed_.catch_up(view, *reader, 1 + world_.random(1000));
  reader->end();
  if (feed_.lags()) schedule_catch_up();
}

WatchingClient& NodeWatches::client_of(const server::Session& session) {
  auto found = std::ranges::find_if(
      attached_, [&](const auto& attached) { return &attached->session == &session; });
  return *(*found)->client;
}

bool NodeWatches::has_room(server::Session& session) {
  if (!simulation_.faulty() || !world_.one_in(20)) return true;
  node_.when_awake(world_.random(50 * kMillisecond), [this, client = &client_of(session)] {
    if (client->node != this) return;
    feed_.has_room(*client->session);
    schedule_catch_up();
  });
  return false;
}

void NodeWatches::event(server::Subscription& subscription, const command::HistoryEvent& event) {
  WatchingClient& client = client_of(*subscription.session);
  if (event.id <= client.position) {
    world_.violated("n{} tells watcher {} of change {} after {}", node_.id(), client.number,
                    event.id, client.position);
  }
  if (!client.gap) simulation_.judge().follows(event.id, client.position, client.number);
  client.gap = false;
  client.position = event.id;
  ++client.told;
}

void NodeWatches::mark(server::Subscription& subscription, server::WatchMark mark, EventId id) {
  WatchingClient& client = client_of(*subscription.session);
  if (mark == server::WatchMark::kLost) {
    if (id < client.position || node_.store().applied_state().history.floor <= id) {
      world_.violated("n{} says that watcher {} lost what follows {}", node_.id(), client.number,
                      id);
    }
    client.gap = true;
    return;
  }
  if (id < client.position) {
    world_.violated("n{} marks {} for watcher {}, which is at {}", node_.id(), id, client.number,
                    client.position);
  }
  if (!client.gap) simulation_.judge().follows(id.next(), client.position, client.number);
  client.gap = false;
  client.position = id;
}

Watchers::Watchers(Simulation& simulation) : simulation_(simulation), clients_(kClients) {
  for (size_t i = 0; i < kClients; ++i) clients_[i].number = i;
}

void Watchers::start() {
  for (WatchingClient& client : clients_) move(client);
}

void Watchers::move(WatchingClient& client) {
  World& world = simulation_.world();
  world.after(world.random(kStayMax), [this, &client] {
    move(client);
    // In the end on one that is certain to be told everything.
    Node* node = simulation_.faulty() ? simulation_.any_running_node() : simulation_.leader();
    if (node == nullptr || node->watches_busy() || client.node == &node->watches()) return;
    if (client.node != nullptr) client.node->detach(client);
    node->watches().attach(client);
  });
}

bool Watchers::know_everything() {
  Node* leader = simulation_.leader();
  return leader != nullptr && std::ranges::all_of(clients_, [&](const WatchingClient& client) {
           return client.position == leader->store().applied_state().history.last;
         });
}

void Watchers::check_final_state() {
  World& world = simulation_.world();
  for (const WatchingClient& client : clients_) {
    if (client.node == nullptr) world.violated("watcher {} is on no node", client.number);
    const EventId last = simulation_.leader()->store().applied_state().history.last;
    if (client.position != last) {
      world.violated("watcher {} stands at {}, the last change is {}", client.number,
                     client.position, last);
    }
  }
}

}  // namespace kvorum::sim
