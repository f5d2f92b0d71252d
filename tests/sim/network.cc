#include "tests/sim/network.h"

#include <algorithm>

#include "base/check.h"
#include "peer/codec.h"
#include "peer/frame_reader.h"
#include "tests/sim/simulation.h"

namespace kvorum::sim {

using raft::NodeId;

namespace {

// Over the wire and back.
peer::Message recoded(const peer::Message& message) {
  const std::string frame = peer::encode(peer::Message(message));
  peer::FrameReader reader({64 << 20, 1 << 20});
  auto words = reader.next(frame);
  CHECK(words && *words && reader.frame_bytes() == frame.size(), "a frame can't be read");
  auto decoded = peer::decode(std::move((*words)->words));
  CHECK(decoded, "a message can't be decoded");
  CHECK(peer::encode(peer::Message(*decoded)) == frame, "a message is another one after decoding");
  return std::move(*decoded);
}

}  // namespace

// Ends once, whatever becomes of both nodes.
struct Network::Transfer {
  NodeId from;
  uint64_t incarnation = 0;
  NodeId to;
  raft::EntryId last;
  std::string name;
  bool ended = false;
};

Network::Network(Simulation& simulation) : simulation_(simulation), world_(simulation.world()) {
  recover_from_faults();
}

void Network::recover_from_faults() {
  mend_all();
  loss_percent_ = double_percent_ = overtake_percent_ = 0;
  delay_max_ = 2 * kMillisecond;
}

void Network::mend_all() {
  cut_.clear();
  slow_.clear();
  // Connections that were broken are made anew, and both ends are told.
  for (Node* node : simulation_.running_nodes()) {
    for (Node* other : simulation_.running_nodes()) {
      if (node != other && world_.chance(30)) node->raft().post_linked(other->id());
    }
  }
}

void Network::mend(NodeId from, NodeId to) {
  cut_.erase({from, to});
}

void Network::disturb() {
  loss_percent_ = world_.chance(50) ? world_.random(30) : 0;
  double_percent_ = world_.chance(50) ? world_.random(20) : 0;
  overtake_percent_ = world_.chance(30) ? world_.random(40) : 0;
  delay_max_ = kMillisecond * (world_.chance(50) ? 1 + world_.random(60) : 2);
  world_.trace("network: {} % lost, {} % doubled, {} ms", loss_percent_, double_percent_,
               delay_max_ / kMillisecond);
}

bool Network::lost(NodeId from, NodeId to) {
  return cut_.contains({from, to}) || world_.chance(loss_percent_);
}

Time Network::delay(NodeId to) {
  auto slow = slow_.find(to);
  return 20 + world_.random(delay_max_) + (slow == slow_.end() ? 0 : slow->second);
}

void Network::send(Node& from, NodeId to, peer::Message message) {
  ++messages_;
  if (const auto* batch = std::get_if<peer::ForwardedBatch>(&message)) {
    const command::BatchIdentity identity = *command::identity_of(batch->data);
    world_.trace("n{} forwards {} of session {} to n{}", from.id(), identity.sequence,
                 identity.session, to);
  }
  if (lost(from.id(), to)) return;
  if (simulation_.mutation() == Mutation::kResendAsNew) {
    if (auto* batch = std::get_if<peer::ForwardedBatch>(&message)) {
      if (!forwarded_.insert(batch->data).second) resend_as_new(to, *batch);
    }
  }
  if (world_.one_in(16)) message = recoded(message);
  if (world_.chance(double_percent_)) {
    world_.after(delay(to), [this, from = from.id(), to, message] { deliver(from, to, message); });
  }
  world_.at(arrival(from.id(), to), [this, from = from.id(), to, message = std::move(message)] {
    deliver(from, to, message);
  });
}

// In the order of sending, but for those that are overtaken.
Time Network::arrival(NodeId from, NodeId to) {
  const Time time = world_.now() + delay(to);
  if (world_.chance(overtake_percent_)) return time;
  Time& last = last_arrivals_[{from, to}];
  return last = std::max(last + 1, time);
}

// A node that stands still finds it in its mailbox when it wakes up.
void Network::deliver(NodeId from, NodeId to, const peer::Message& message) {
  Node* node = simulation_.find(to);
  if (node == nullptr || !node->running()) return;
  node->heard_from(from);
  node->raft().post_message(from, message);
}

void Network::resend_as_new(NodeId to, const peer::ForwardedBatch& batch) {
  std::string data = batch.data;
  command::take_identity(data);
  world_.after(delay(to), [this, to, data] {
    Node* node = simulation_.find(to);
    if (node == nullptr || !node->running()) return;
    node->raft().post_act([data](raft::Core& core) {
      if (core.role() == raft::Role::kLeader) static_cast<void>(core.propose(data, 0));
    });
  });
}

void Network::send_snapshot(Node& from, NodeId to, raft::Index at_least) {
  from.checkpoint([this, &from, to, at_least](const Image& image) {
    if (state_of(image).applied.index < at_least) {
      world_.violated("n{} has no checkpoint that reaches {}", from.id(), at_least);
    }
    transfer(from, to, image);
  });
}

void Network::transfer(Node& from, NodeId to, const Image& image) {
  const storage::AppliedState state = state_of(image);
  auto transfer = std::make_shared<Transfer>();
  transfer->from = from.id();
  transfer->incarnation = from.incarnation();
  transfer->to = to;
  transfer->last = state.applied;
  transfer->name = fmt::format("snapshot-{}-{}", from.id(), world_.random());
  snapshots_[transfer->name] = image;
  raft::SnapshotMeta meta{state.applied, state.stamp, state.configuration};
  world_.trace("n{} sends n{} a snapshot up to {}", from.id(), to, meta.last.index);
  const bool slow = simulation_.faulty() && world_.chance(20);
  const Time arrival = world_.random(slow ? 500 * kMillisecond : 20 * kMillisecond);
  world_.after(arrival + kSecond, [this, transfer] { end(transfer, false); });
  world_.after(arrival, [this, transfer, meta] {
    if (transfer->ended || lost(transfer->from, transfer->to)) return end(transfer, false);
    Node* node = simulation_.find(transfer->to);
    if (node == nullptr || !node->running()) return end(transfer, false);
    node->raft().post_install({transfer->name, meta}, [this, transfer](Status installed) {
      if (installed) ++installed_;
      world_.trace("n{} {} the snapshot: {}", transfer->to, installed ? "installed" : "refused",
                   installed ? "" : installed.error().message);
      const bool delivered = installed.has_value();
      world_.after(delay(transfer->from), [this, transfer, delivered] {
        end(transfer, delivered && !lost(transfer->to, transfer->from));
      });
    });
  });
}

void Network::end(const std::shared_ptr<Transfer>& transfer, bool delivered) {
  if (std::exchange(transfer->ended, true)) return;
  // The receiver may still be reading it.
  world_.after(5 * kSecond, [this, name = transfer->name] { snapshots_.erase(name); });
  Node* from = simulation_.find(transfer->from);
  if (from == nullptr || !from->running() || from->incarnation() != transfer->incarnation) return;
  from->raft().post_snapshot_sent(transfer->to, transfer->last, delivered);
}

}  // namespace kvorum::sim
