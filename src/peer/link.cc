#include "peer/link.h"

#include <fmt/format.h>

#include <utility>
#include <variant>

#include "peer/codec.h"

namespace kvorum::peer {

namespace {

// Entries are of no use before those in front of them, nor is a forwarded batch; what is published
// in some order is heard in it. Heartbeats show which entries were lost, so they stay behind those
// they speak of. Everything else is small, and understood in any order.
bool keeps_order(const Message& message) {
  const auto* envelope = std::get_if<raft::Envelope>(&message);
  if (envelope != nullptr) {
    return std::holds_alternative<raft::AppendRequest>(envelope->message);
  }
  return std::holds_alternative<ForwardedBatch>(message) ||
         std::holds_alternative<PublishedMessage>(message);
}

}  // namespace

std::optional<raft::Envelope> urgent_part(const Message& message) {
  const auto* envelope = std::get_if<raft::Envelope>(&message);
  if (envelope == nullptr) return std::nullopt;
  const auto* append = std::get_if<raft::AppendRequest>(&envelope->message);
  if (append == nullptr || !append->entries.empty()) return std::nullopt;
  // Every log agrees on index 0.
  return raft::Envelope{
      envelope->from, envelope->to, envelope->term,
      raft::AppendRequest{
          .previous = {}, .commit = append->commit, .entries = {}, .round = append->round}};
}

bool asks_nothing(const Message& heartbeat) {
  const auto& append = std::get<raft::AppendRequest>(std::get<raft::Envelope>(heartbeat).message);
  return append.previous == raft::EntryId{};
}

Link::Link(Surroundings& around, raft::NodeId peer)
    : around_(around),
      peer_(peer),
      quick_(around, peer, Purpose::kLink, [this] { stands(); }),
      bulk_(around, peer, Purpose::kBulk, [this] { stands(); }) {}

void Link::set_address(const std::string& address) {
  address_ = address;
  quick_.set_address(address);
  bulk_.set_address(address);
}

void Link::hurry() {
  quick_.hurry();
  bulk_.hurry();
}

void Link::send(Message message) {
  if (send_round(message)) return;
  Outgoing& connection = keeps_order(message) ? bulk_ : quick_;
  connection.send(std::move(message));
}

// Once: what else a round's heartbeats say, the commit index, follows the entries it commits.
bool Link::send_round(const Message& heartbeat) {
  std::optional<raft::Envelope> urgent = urgent_part(heartbeat);
  if (!urgent) return false;
  const uint64_t round = std::get<raft::AppendRequest>(urgent->message).round;
  if (urgent->term == term_ && round == round_) return false;
  term_ = urgent->term;
  round_ = round;
  quick_.send(std::move(*urgent));
  return asks_nothing(heartbeat);
}

void Link::stands() {
  if (!quick_.up() || !bulk_.up()) return;
  around_.notes.say(note_subject(peer_), NoteSeverity::kInfo,
                    fmt::format("linked to node {} at {}", peer_, address_));
  around_.handler.peer_linked(peer_);
}

}  // namespace kvorum::peer
