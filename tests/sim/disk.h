// Disk: the write-ahead log's files of one simulated node: a FaultFileSystem behind a layer in
// which every operation may take time, and the power may go in the middle of any.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "storage/wal.h"
#include "tests/sim/mutation.h"
#include "tests/storage/fault_file_system.h"

namespace kvorum::sim {

class Disk final : public storage::FileSystem {
 public:
  // Called before every operation that changes something (`sync`: it makes durable), and after a
  // sync. May take time, and may throw.
  using Hook = std::function<void(bool sync)>;

  void set_hook(Hook hook) { hook_ = std::move(hook); }
  void set_forgets_syncs(bool forgets) { forgets_syncs_ = forgets; }
  storage::FaultFileSystem& faults() { return files_; }
  uint64_t used_bytes();

  storage::IoResult<std::unique_ptr<storage::File>> open(const std::string& path,
                                                         Mode mode) override;
  storage::IoResult<std::vector<std::string>> list(const std::string& folder) override;
  storage::IoStatus make_folder(const std::string& folder) override;
  storage::IoStatus rename(const std::string& from, const std::string& to) override;
  storage::IoStatus remove(const std::string& path) override;
  storage::IoStatus sync_folder(const std::string& folder) override;

 private:
  friend class DiskFile;
  void before(bool sync) {
    if (hook_) hook_(sync);
  }

  storage::FaultFileSystem files_;
  Hook hook_;
  bool forgets_syncs_ = false;
};

// A log that does not do all that it is told; without a mutation it is `wal` itself.
std::unique_ptr<storage::Wal> mutated(std::unique_ptr<storage::Wal> wal, Mutation mutation,
                                      std::function<void(const raft::Entry&)> on_logged);

}  // namespace kvorum::sim
