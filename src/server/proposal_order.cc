#include "server/proposal_order.h"

namespace kvorum::server {

namespace {

// Of all nodes' early batches together. One that finds no room is refused and sent again.
constexpr size_t kHeldBytesMax = size_t{64} << 20;

}  // namespace

void ProposalOrder::begin_term(raft::Term term) {
  term_ = term;
  nodes_.clear();
  held_bytes_ = 0;
}

void ProposalOrder::executed(raft::EntryId last, std::vector<storage::Proposer> proposers) {
  executed_term_ = last.term;
  executed_ = std::move(proposers);
  for (auto& [node, proposals] : nodes_) {
    auto& in_log = proposals.in_log;
    while (!in_log.empty() && in_log.front().second <= last.index) in_log.pop_front();
  }
}

Turn ProposalOrder::turn_of(const command::BatchIdentity& identity) const {
  if (!known()) return Turn::kEarly;
  Place last;
  const storage::Proposer* executed = storage::find_proposer(executed_, identity.node);
  if (executed != nullptr) last = {executed->session, executed->sequence};
  auto node = nodes_.find(identity.node);
  if (node != nodes_.end() && !node->second.in_log.empty()) last = node->second.in_log.back().first;
  const Place place(identity.session, identity.sequence);
  if (place <= last) return Turn::kKnown;
  const uint64_t before = identity.session == last.first ? last.second : 0;
  return identity.sequence == before + 1 ? Turn::kNow : Turn::kEarly;
}

void ProposalOrder::proposed(const command::BatchIdentity& identity, raft::Index index) {
  nodes_[identity.node].in_log.push_back({{identity.session, identity.sequence}, index});
}

bool ProposalOrder::hold(const command::BatchIdentity& identity, std::string data) {
  auto& held = nodes_[identity.node].held;
  const Place place(identity.session, identity.sequence);
  if (held.contains(place)) return true;
  if (held_bytes_ + data.size() > kHeldBytesMax) return false;
  held_bytes_ += data.size();
  held.emplace(place, std::move(data));
  return true;
}

void ProposalOrder::release(const Propose& propose) {
  if (held_bytes_ == 0 || !known()) return;
  for (auto& [node, proposals] : nodes_) {
    if (!release(node, proposals, propose)) return;
  }
}

bool ProposalOrder::release(raft::NodeId node, Proposals& proposals, const Propose& propose) {
  for (auto next = proposals.held.begin(); next != proposals.held.end();) {
    const auto& [place, data] = *next;
    const command::BatchIdentity identity{node, place.first, place.second};
    const Turn turn = turn_of(identity);
    if (turn == Turn::kEarly) return true;
    if (turn == Turn::kNow && !propose(identity, data)) return false;
    held_bytes_ -= data.size();
    next = proposals.held.erase(next);
  }
  return true;
}

}  // namespace kvorum::server
