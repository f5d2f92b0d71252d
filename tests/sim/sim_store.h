// SimStore: the state machine of a simulated node: a store in memory whose checkpoints survive a
// crash. Snapshots are checkpoints that other nodes may take over, by name.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "storage/store.h"
#include "tests/command/memory_store.h"
#include "tests/sim/mutation.h"

namespace kvorum::sim {

// A state that does not change any more.
using Image = std::shared_ptr<const command::testing::MemoryStore>;

storage::AppliedState state_of(const Image& image);

class SimStore final : public storage::Store {
 public:
  struct Surroundings {
    Image& durable;                                 // what a crash leaves
    const std::map<std::string, Image>& snapshots;  // by folder
    std::function<void()> take_time;                // between two steps; may throw
    std::function<bool()> fails;                    // the next replacement
    Mutation mutation = Mutation::kNone;
  };

  // Holds what the durable image holds.
  explicit SimStore(Surroundings surroundings);

  std::unique_ptr<storage::Reader> new_reader() override { return memory_.new_reader(); }
  std::unique_ptr<storage::Writer> new_writer() override { return memory_.new_writer(); }
  storage::AppliedState applied_state() override { return memory_.applied_state(); }
  Result<storage::AppliedState> checkpoint() override;
  Status backup(const std::string&) override { return fail("not on a disk"); }
  Result<std::unique_ptr<storage::BackupSource>> open_backup() override {
    return fail("not on a disk");
  }
  Result<storage::AppliedState> replace(const std::string& folder) override;
  storage::StoreStats stats() override { return {}; }

  // The n-th change from now on fails its transaction.
  void fail_change(uint64_t n) { memory_.fail_change(n); }
  // Of everything that nodes must agree on, but for the configuration.
  uint64_t hash();

 private:
  Surroundings around_;
  command::testing::MemoryStore memory_;
  uint64_t replacements_ = 0;
};

}  // namespace kvorum::sim
