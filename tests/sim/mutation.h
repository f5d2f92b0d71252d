// Mutations: deliberate bugs, put where the simulation composes a node, one at a time, to show that
// the checks find them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace kvorum::sim {

enum class Mutation : uint8_t {
  kNone,
  kForgetSync,           // the log says that it synced, and did not
  kLoseVote,             // a write of nothing but term and vote never reaches the log
  kAnswerWhenLogged,     // a write is answered when it is in the local log
  kReadBeforeApplied,    // a granted read does not wait until its index is applied
  kLeaseTwiceAsLong,     // reads trust the lease for twice its time
  kLeaseAheadOfApplied,  // reads under the lease do not look at what is committed
  kLeaseWithOldTime,     // after a pause reads go by the time before it
  kResendAsNew,          // a batch that is forwarded again gets executed again
  kSessionUsedAgain,     // a node begins with the same session at every start
  kForgetProposers,      // a checkpoint does not hold whose batches were executed
  kReplaceNotDurable,    // the log is reset before the snapshot is durable
  kCompactAhead,         // the log forgets entries that no checkpoint holds
  kSwallowEvents,        // sometimes watchers are not told of a transaction's changes
};

struct MutationName {
  Mutation mutation;
  std::string_view name;
};

inline constexpr std::array kMutations = {
    MutationName{Mutation::kForgetSync, "forget_sync"},
    MutationName{Mutation::kLoseVote, "lose_vote"},
    MutationName{Mutation::kAnswerWhenLogged, "answer_when_logged"},
    MutationName{Mutation::kReadBeforeApplied, "read_before_applied"},
    MutationName{Mutation::kLeaseTwiceAsLong, "lease_twice_as_long"},
    MutationName{Mutation::kLeaseAheadOfApplied, "lease_ahead_of_applied"},
    MutationName{Mutation::kLeaseWithOldTime, "lease_with_old_time"},
    MutationName{Mutation::kResendAsNew, "resend_as_new"},
    MutationName{Mutation::kSessionUsedAgain, "session_used_again"},
    MutationName{Mutation::kForgetProposers, "forget_proposers"},
    MutationName{Mutation::kReplaceNotDurable, "replace_not_durable"},
    MutationName{Mutation::kCompactAhead, "compact_ahead"},
    MutationName{Mutation::kSwallowEvents, "swallow_events"},
};

}  // namespace kvorum::sim
