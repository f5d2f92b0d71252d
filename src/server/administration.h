// Administration: changes of the cluster that somebody waits for: members that are added, promoted,
// removed, that move to another address, and leadership that is handed over. A node that does not
// lead asks the leader. Owned and called by the raft stage; it drives the core it is given.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "peer/messages.h"
#include "raft/core.h"

namespace kvorum::server {

// How it ended: `text` is the answer, or a complete error text.
using AdminDone = std::function<void(bool ok, std::string text)>;

//   words = "add" <id> <peer address> <client address>     a new learner, or a member's addresses
//         | "move" <id> <peer address> <client address>    a member's addresses
//         | "promote" <id> | "remove" <id>
//         | "transfer" <id, or 0 for the one that is furthest>
//         | "check"                               do all members hold the same state?
using AdminWords = std::vector<std::string>;

// The answer to "add" when the node was a member and was removed: it is one no more, however late
// or often it asks.
std::string removed_before(raft::NodeId id);

// How a node tells the leader what its state at a check hashes to.
AdminWords check_report(raft::Index index, uint64_t hash);

class Administration {
 public:
  // Asks the leader, and answers who asked.
  using Ask = std::function<void(raft::NodeId leader, peer::Request request)>;

  Administration(raft::Core& core, Ask ask) : core_(core), ask_(std::move(ask)) {}

  // `forward`: asked by a client of this node, so the leader may be asked if that is another.
  void begin(AdminWords words, bool forward, uint64_t deadline_tick, AdminDone done);
  void answered(const peer::Answer& answer);
  // The link to this node is new: what it was asked, or its answer, may be lost with the old one.
  void linked(raft::NodeId node);
  void reported(raft::NodeId from, const AdminWords& report);
  void checked(raft::NodeId node, raft::Index index, uint64_t hash);
  // An entry was committed; all are told, in order.
  void committed(raft::EntryId id);
  // Goes on with what waits. `now` is the leader's clock, which stamps entries.
  void advance(uint64_t tick, UnixMillis now);

 private:
  struct Change {
    AdminWords words;
    bool forward = false;
    uint64_t deadline_tick = 0;
    AdminDone done;
    // What it waits for: a committed entry, a leader's answer, or the end of a transfer.
    std::optional<raft::EntryId> proposed;
    uint64_t asked = 0;
    raft::NodeId asked_whom;
    bool transferring = false;
    std::optional<raft::EntryId> check;
    std::map<raft::NodeId, uint64_t> hashes;
    std::string why_not_yet;  // when it could not begin so far
  };
  // What came of an attempt to begin: an end, or nothing yet.
  struct End {
    bool ok = false;
    std::string text;
  };

  std::optional<End> go_on(Change& change, UnixMillis now);
  std::optional<End> go_on_as_leader(Change& change, UnixMillis now);
  std::optional<End> add(Change& change, UnixMillis now);
  std::optional<End> move(Change& change, UnixMillis now);
  std::optional<End> promote(Change& change, UnixMillis now);
  std::optional<End> remove(Change& change, UnixMillis now);
  std::optional<End> transfer(Change& change);
  std::optional<End> check(Change& change, UnixMillis now);
  std::optional<End> compare(const Change& change) const;
  void propose(Change& change, raft::Configuration target, UnixMillis now);
  End timed_out(const Change& change) const;
  void promote_learners(uint64_t tick, UnixMillis now);

  raft::Core& core_;
  const Ask ask_;
  std::list<Change> changes_;
  uint64_t last_request_ = 0;
  uint64_t looked_at_learners_ = 0;
};

}  // namespace kvorum::server
