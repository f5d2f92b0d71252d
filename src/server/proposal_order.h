// ProposalOrder: a leader's view of what every node has proposed through it. It brings batches into
// the order in which the state machine executes them (command/batch.h), for one that comes into the
// log before its turn is spent there: those that arrive early are held until the ones before them
// have come, copies are recognized. Pure; the raft stage owns it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "command/batch.h"
#include "raft/types.h"
#include "storage/store.h"

namespace kvorum::server {

enum class Turn : uint8_t {
  kNow,    // propose it
  kKnown,  // it is in the log, or was executed, or never can be: nothing is to be done
  kEarly,  // what comes before it is missing
};

class ProposalOrder {
 public:
  // What earlier terms left in the log is not known, so every batch is early until an entry of this
  // term is executed.
  void begin_term(raft::Term term);
  bool known() const { return executed_term_ == term_; }
  // Entries up to `last` are executed; `proposers` is what the state machine remembers.
  void executed(raft::EntryId last, std::vector<storage::Proposer> proposers);

  Turn turn_of(const command::BatchIdentity& identity) const;
  // It was proposed, and is the entry `index`.
  void proposed(const command::BatchIdentity& identity, raft::Index index);

  // Keeps an early batch. False: there is no room.
  [[nodiscard]] bool hold(const command::BatchIdentity& identity, std::string data);
  // Offers the held batches whose turn has come, in order, until `propose` takes one no more.
  // `propose` calls proposed() for what it takes.
  using Propose =
      std::function<bool(const command::BatchIdentity& identity, const std::string& data)>;
  void release(const Propose& propose);

 private:
  // A session of a node and a sequence in it, in the order in which they are executed.
  using Place = std::pair<uint64_t, uint64_t>;
  struct Proposals {
    std::deque<std::pair<Place, raft::Index>> in_log;  // not executed yet
    std::map<Place, std::string> held;
  };

  bool release(raft::NodeId node, Proposals& proposals, const Propose& propose);

  raft::Term term_;
  raft::Term executed_term_;  // of the entry executed last
  std::vector<storage::Proposer> executed_;
  std::map<raft::NodeId, Proposals> nodes_;
  size_t held_bytes_ = 0;
};

}  // namespace kvorum::server
