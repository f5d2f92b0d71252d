#include "tests/sim/faults.h"

#include <cerrno>
#include <string>

#include "tests/sim/simulation.h"

namespace kvorum::sim {

Faults::Faults(Simulation& simulation) : simulation_(simulation), world_(simulation.world()) {}

void Faults::schedule() {
  if (!simulation_.faulty()) return;
  disturb();
  world_.after(world_.random(150 * kMillisecond), [this] { schedule(); });
}

void Faults::disturb() {
  Node* node = simulation_.any_running_node();
  if (node == nullptr) return;
  switch (world_.random(8)) {
    case 0:
      return simulation_.network().disturb();
    case 1:
      return disturb_links();
    case 2:
    case 3:
      return disturb_node(*node);
    case 4:
      return change_membership();
    case 5:
      if (world_.one_in(8)) return crash_all();
      return world_.chance(50) ? lose_leader_slowly() : doubt_lease();
    default:
      return simulation_.network().mend_all();
  }
}

void Faults::disturb_links() {
  Network& network = simulation_.network();
  Node* node = simulation_.any_running_node();
  if (world_.chance(40))
    return cut_off(world_.chance(50) && simulation_.leader() != nullptr ? *simulation_.leader()
                                                                        : *node);
  if (world_.chance(30)) return flap(*node, 10);
  Node* other = simulation_.any_running_node();
  if (world_.chance(50)) {
    // Two that others still connect.
    network.cut(node->id(), other->id());
    if (world_.chance(70)) network.cut(other->id(), node->id());
    return;
  }
  // Two camps.
  const raft::NodeId border = node->id();
  for (Node* a : simulation_.running_nodes()) {
    for (Node* b : simulation_.running_nodes()) {
      if ((a->id() <= border) != (b->id() <= border)) network.cut(a->id(), b->id());
    }
  }
}

void Faults::cut_off(Node& node) {
  const uint64_t direction = world_.random(3);
  world_.trace("n{} is cut off ({})", node.id(), direction);
  for (Node* other : simulation_.running_nodes()) {
    if (direction != 0) simulation_.network().cut(node.id(), other->id());
    if (direction != 1) simulation_.network().cut(other->id(), node.id());
  }
}

void Faults::flap(Node& node, int times) {
  if (times == 0 || !simulation_.faulty()) return;
  for (Node* other : simulation_.running_nodes()) {
    if (times % 2 == 0) {
      simulation_.network().cut(node.id(), other->id());
    } else {
      simulation_.network().mend(node.id(), other->id());
    }
  }
  world_.after(world_.random(100 * kMillisecond), [this, &node, times] { flap(node, times - 1); });
}

void Faults::disturb_node(Node& node) {
  switch (world_.random(8)) {
    case 0:
      return node.pause(world_.random(400 * kMillisecond));
    case 1: {
      const auto kind = static_cast<Node::Kind>(world_.random(Node::kKinds));
      node.set_delay_max(kind, kMillisecond * (world_.chance(50) ? 1 + world_.random(200) : 1));
      return;
    }
    case 2: {
      const auto by =
          static_cast<int64_t>(world_.random(20 * kSecond)) - static_cast<int64_t>(10 * kSecond);
      world_.trace("n{}: wall time jumps by {} ms", node.id(), by / 1000);
      return node.clock().jump(by);
    }
    case 3:
      return node.cut_power_after(1 + world_.random(20));
    case 4:
      return disturb_disk(node);
    default:
      return node.crash_and_restart(
          world_.random(world_.chance(50) ? 20 * kMillisecond : 300 * kMillisecond));
  }
}

void Faults::disturb_disk(Node& node) {
  using Operation = storage::FaultFileSystem::Operation;
  node.expect_death();
  if (world_.chance(50)) {
    world_.trace("n{}: its disk is full", node.id());
    node.disk().faults().set_capacity(node.disk().used_bytes() + world_.random(3000));
    node.when_awake(world_.random(500 * kMillisecond),
                    [&node] { node.disk().faults().set_capacity(UINT64_MAX); });
    return;
  }
  const Operation operation = world_.chance(50) ? Operation::kSync : Operation::kWrite;
  node.disk().faults().fail(operation, 1 + world_.random(10), EIO);
}

// It hears old news for a while, then nothing.
void Faults::lose_leader_slowly() {
  Node* node = simulation_.leader();
  if (node == nullptr) return;
  simulation_.network().slow_down(node->id(), world_.random(90 * kMillisecond));
  world_.after(world_.random(200 * kMillisecond), [this, node] {
    if (simulation_.faulty()) cut_off(*node);
  });
}

// A leader hears nothing any more, or stands still, while others elect the next one: its clients
// go on reading there, from the moment at which it wakes up.
void Faults::doubt_lease() {
  Node* node = simulation_.leader();
  if (node == nullptr) return;
  if (world_.chance(50)) {
    cut_off(*node);
  } else {
    node->pause(80 * kMillisecond + world_.random(300 * kMillisecond));
  }
  read_for(*node, 500 * kMillisecond);
}

void Faults::read_for(Node& node, Time left) {
  if (!simulation_.faulty() || left < 2 * kMillisecond) return;
  if (node.running()) {
    node.when_awake(0, [this, &node] { simulation_.clients().read_under_lease(node); });
  }
  Node* other = simulation_.any_running_node();
  if (other != nullptr && world_.chance(30)) {
    other->when_awake(0, [this, other] { simulation_.clients().ask(*other); });
  }
  world_.after(2 * kMillisecond, [this, &node, left] { read_for(node, left - 2 * kMillisecond); });
}

void Faults::crash_all() {
  world_.trace("the power is gone everywhere");
  for (Node* node : simulation_.running_nodes()) {
    node->crash_and_restart(world_.random(100 * kMillisecond));
  }
}

void Faults::change_membership() {
  Node* through = simulation_.any_running_node();
  const raft::Configuration configuration = simulation_.configuration();
  if (configuration.members.empty()) return;
  const size_t members = configuration.members.size();
  const raft::NodeId some = configuration.members[world_.random(members)].id;
  const uint64_t die = world_.random(10);
  if (die < 3) {
    return through->change({"transfer", world_.chance(30) ? "0" : fmt::format("{}", some)});
  }
  if (die < 6 && members < 6) {
    Node* joiner = simulation_.add_node();
    if (joiner == nullptr) return;
    return through->change({"add", fmt::format("{}", joiner->id()),
                            fmt::format("n{}:1", joiner->id()),
                            fmt::format("n{}:2", joiner->id())});
  }
  if (die < 8 && members > 3) return through->change({"remove", fmt::format("{}", some)});
  if (!configuration.learners.empty()) {
    const raft::NodeId learner =
        configuration.learners[world_.random(configuration.learners.size())];
    through->change({"promote", fmt::format("{}", learner)});
  }
}

}  // namespace kvorum::sim
