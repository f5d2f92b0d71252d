// Clients: what clients of all nodes ask, what they were answered, and whether that can be true:
// an acknowledged write is executed once, an open one at most once, a refused one never; a read is
// as new as its policy promises.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "raft/types.h"
#include "server/stage_messages.h"
#include "tests/sim/world.h"

namespace kvorum::sim {

class Node;
class Simulation;

class Clients {
 public:
  explicit Clients(Simulation& simulation);

  // One more request of a random kind to `node`.
  void ask(Node& node);
  // A read that is served only if the lease lets it.
  void read_under_lease(Node& node);
  // From now on every request of a member has to succeed.
  void expect_success() { calm_ = true; }
  // Empty when everything was answered.
  std::string unanswered();

  void batch_done(Node& node, server::BatchOutcome outcome);
  void read_granted(Node& node, uint64_t context, bool granted, raft::Index index);
  void look_at_waiting_reads(Node& node);
  // Nothing that was asked of it is answered any more.
  void crashed(raft::NodeId node);
  // With a mutation: `data` is taken for executed.
  void believe_done(raft::NodeId node, std::string data);
  // What `node` holds in the end, against all that was answered.
  void check_final_state(Node& node);

  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t reads_served() const { return reads_served_; }
  uint64_t errors() const { return errors_; }

 private:
  static constexpr size_t kCounters = 4;
  static constexpr uint64_t kTokensOfList = 64;

  enum class Kind : uint8_t { kCount, kAppend, kCompareAndSet, kLock, kUnlock, kPair, kExpiring };
  struct Item {
    Kind kind = Kind::kCount;
    size_t number = 0;     // of the key
    uint64_t token = 0;    // kAppend: what is appended
    std::string expected;  // kCompareAndSet
    std::string value;     // kCompareAndSet
    uint64_t floor = 0;    // kCount: acknowledged before
  };
  struct Batch {
    raft::NodeId node;
    std::vector<Item> items;
    bool must_succeed = false;
    bool believed = false;
    std::string data;  // with a mutation
  };
  enum class Policy : uint8_t { kLinearizable, kLease, kEventual };
  struct Read {
    raft::NodeId node;
    uint64_t incarnation = 0;
    Policy policy = Policy::kLinearizable;
    raft::Index floor;  // applied anywhere when it was asked
    size_t counter = 0;
    uint64_t counter_floor = 0;
    bool must_succeed = false;
    raft::Index granted;
  };
  struct Counter {
    uint64_t acknowledged = 0;
    uint64_t open = 0;  // will never be known, or are under way
    uint64_t highest = 0;
    std::set<uint64_t> values;
    uint64_t floor() const { return std::max(acknowledged, highest); }
  };
  enum class Fate : uint8_t { kOpen, kAcknowledged, kRefused };
  struct Token {
    Fate fate = Fate::kOpen;
    uint64_t length = 0;  // of the list after it, if acknowledged
  };
  struct Seen {
    uint64_t incarnation = 0;
    raft::Index index;
    std::array<uint64_t, kCounters> counters{};
  };

  void write(Node& node);
  Item draw_item();
  void add(command::BatchBuilder& batch, const Item& item);
  void read(Node& node);
  Read draw_read(const Node& node);
  bool lease_covers(Node& node);
  void serve(Node& node, const Read& read);
  void settle(Item& item, std::string_view reply);
  void settle_error(const Batch& batch, const std::string& error);
  void acknowledge_unseen(const Item& item);
  void check_counter(size_t number, uint64_t value);
  void check_list(uint64_t list, std::string_view content);
  bool is_member(const Node& node) const;

  Simulation& simulation_;
  World& world_;
  bool calm_ = false;
  uint64_t last_batch_ = 0;
  uint64_t last_read_ = 0;
  uint64_t last_token_ = 0;
  std::map<uint64_t, Batch> batches_;
  std::map<uint64_t, Read> reads_;  // not granted yet
  std::vector<Read> waiting_;       // granted, but not applied so far
  std::array<Counter, kCounters> counters_;
  Counter pair_;
  std::unordered_map<uint64_t, Token> tokens_;
  std::map<size_t, std::string> registers_;             // last known value
  std::set<std::pair<size_t, std::string>> succeeded_;  // register, and the value before
  std::map<raft::NodeId, Seen> seen_;
  std::map<raft::NodeId, int64_t> last_leases_;
  uint64_t acknowledged_ = 0;
  uint64_t reads_served_ = 0;
  uint64_t errors_ = 0;
};

}  // namespace kvorum::sim
