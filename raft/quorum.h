// What a quorum agrees on: the largest value that a majority has reached, and the outcome of a
// vote. In a joint configuration both majorities must agree (dissertation, 4.3).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "raft/types.h"

namespace kvorum::raft {

// The largest value that more than half of `voters` have reached; the maximum when there are none,
// so that an empty half of a configuration never holds the other one back.
template <class ValueOf>
uint64_t majority_value(std::span<const NodeId> voters, ValueOf&& value_of) {
  if (voters.empty()) return std::numeric_limits<uint64_t>::max();
  if (voters.size() == 1) return value_of(voters[0]);
  std::array<uint64_t, 16> few;
  std::vector<uint64_t> many;
  std::span<uint64_t> values(few.data(), std::min(voters.size(), few.size()));
  if (voters.size() > few.size()) {
    many.resize(voters.size());
    values = many;
  }
  for (size_t i = 0; i < voters.size(); ++i) values[i] = value_of(voters[i]);
  // Of n sorted values, those from (n - 1) / 2 on are a majority.
  auto nth = values.begin() + static_cast<ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

// The same for a whole configuration. Without any voter nothing was ever agreed on: zero.
template <class ValueOf>
uint64_t quorum_value(const Configuration& configuration, ValueOf&& value_of) {
  if (configuration.voters.empty()) return 0;
  return std::min(majority_value(configuration.voters, value_of),
                  majority_value(configuration.outgoing, value_of));
}

enum class Vote : uint8_t { kPending, kGranted, kDenied };
enum class VoteOutcome : uint8_t { kOpen, kWon, kLost };

// Lost means that the votes still pending cannot turn it any more.
template <class VoteOf>
VoteOutcome count_votes(const Configuration& configuration, VoteOf&& vote_of) {
  auto granted = [&](NodeId id) { return vote_of(id) == Vote::kGranted ? 1u : 0u; };
  auto not_denied = [&](NodeId id) { return vote_of(id) == Vote::kDenied ? 0u : 1u; };
  if (quorum_value(configuration, granted) != 0) return VoteOutcome::kWon;
  if (quorum_value(configuration, not_denied) == 0) return VoteOutcome::kLost;
  return VoteOutcome::kOpen;
}

}  // namespace kvorum::raft
