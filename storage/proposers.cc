#include <algorithm>

#include "storage/store.h"

namespace kvorum::storage {

const Proposer* find_proposer(std::span<const Proposer> proposers, raft::NodeId node) {
  auto found = std::ranges::lower_bound(proposers, node, {}, &Proposer::node);
  return found != proposers.end() && found->node == node ? &*found : nullptr;
}

void AppliedState::set_proposer(const Proposer& proposer) {
  auto place = std::ranges::lower_bound(proposers, proposer.node, {}, &Proposer::node);
  if (place != proposers.end() && place->node == proposer.node) {
    *place = proposer;
    return;
  }
  proposers.insert(place, proposer);
  if (proposers.size() > kProposersMax) {
    proposers.erase(std::ranges::min_element(proposers, {}, &Proposer::index));
  }
}

}  // namespace kvorum::storage
