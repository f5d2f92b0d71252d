// Cluster: cores driven by hand, for tests that say step by step what happens. Disks write at once
// unless held; messages wait until they are delivered; time passes when told.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/raft/disk.h"

namespace kvorum::raft::test {

// The election timeout of a Cluster's nodes, in ticks.
inline constexpr uint32_t kTimeout = 10;

struct TestNode {
  CoreOptions options;
  Disk disk;
  std::unique_ptr<Core> core;
  bool disk_held = false;
  bool apply_held = false;
  std::deque<PersistRequest> writes;
  std::vector<EntryPtr> applied;  // since the last start
  EntryId applied_last;
  Configuration applied_configuration;
  std::vector<ReadGrant> reads;
  std::vector<uint64_t> lost_reads;
  std::vector<NodeId> snapshot_peers;
};

class Cluster {
 public:
  explicit Cluster(const std::vector<uint64_t>& voters, const std::vector<uint64_t>& learners = {});

  CoreOptions defaults;  // for nodes added after they were changed
  // Sees everything that nodes hand out.
  std::function<void(uint64_t id, const Ready& ready)> observer;

  void add_node(uint64_t id, Configuration configuration = {});
  TestNode& node(uint64_t id) { return nodes_.at(id); }
  Core& core(uint64_t id) { return *nodes_.at(id).core; }
  CoreStatus status(uint64_t id) { return core(id).status(); }
  std::deque<Envelope>& network() { return network_; }

  // Everything a node has to do, into its disk, the network and its results.
  void run(uint64_t id);
  void tick(uint64_t id, uint32_t count = 1);
  void tick_all(uint32_t count = 1);
  // Until no message is on its way. Those over a cut link are dropped.
  void deliver_all();
  // The first message that `wanted` picks; false if there is none.
  bool deliver_one(const std::function<bool(const Envelope&)>& wanted);
  void drop_all() { network_.clear(); }
  void step(uint64_t from, uint64_t to, Term term, Message message);

  void hold_disk(uint64_t id) { node(id).disk_held = true; }
  // Finishes writes under way, all or the first few.
  void finish_writes(uint64_t id, size_t count = SIZE_MAX);
  void release_disk(uint64_t id);

  void cut(uint64_t from, uint64_t to) { cut_.insert({from, to}); }
  void isolate(uint64_t id);
  void heal() { cut_.clear(); }
  void stop(uint64_t id) { node(id).core.reset(); }
  // From what is on its disk.
  void restart(uint64_t id);

  // Makes `id` the leader and lets everyone know.
  void elect(uint64_t id);
  EntryId propose(uint64_t id, std::string data = "x", UnixMillis stamp = 0);
  std::string applied_text(uint64_t id);
  std::vector<uint64_t> ids() const;

  // The last message of this kind to `to` that is still on its way.
  template <class Kind>
  const Kind* last_sent(uint64_t from, uint64_t to) {
    for (auto it = network_.rbegin(); it != network_.rend(); ++it) {
      if (it->from == NodeId(from) && it->to == NodeId(to)) {
        if (const auto* found = std::get_if<Kind>(&it->message)) return found;
      }
    }
    return nullptr;
  }

 private:
  void start(uint64_t id);
  void take_results(TestNode& node, Ready& ready);

  std::map<uint64_t, TestNode> nodes_;
  std::deque<Envelope> network_;
  std::set<std::pair<uint64_t, uint64_t>> cut_;
  uint64_t starts_ = 0;
};

// Entries for a disk or an AppendRequest: one for each term, from `first` on.
std::vector<EntryPtr> make_entries(const std::vector<uint64_t>& terms, uint64_t first = 1);
EntryPtr make_entry(uint64_t term, uint64_t index, std::string data = "x",
                    EntryKind kind = EntryKind::kCommands);
inline EntryId id_of(uint64_t term, uint64_t index) {
  return {Term(term), Index(index)};
}

}  // namespace kvorum::raft::test
