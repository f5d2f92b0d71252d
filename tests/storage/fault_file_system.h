// FaultFileSystem: a disk in memory that fails, tears, fills up, and at a power cut keeps or loses
// each thing that was not synced: 512-byte sectors, sizes of files, names. The same seed makes the
// same choices. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "storage/file_system.h"

namespace kvorum::storage {

class FaultFileSystem final : public FileSystem {
 public:
  enum class Operation : uint8_t {
    kRead,
    kCreate,
    kWrite,
    kAllocate,
    kTruncate,
    kSync,
    kMakeFolder,
    kRename,
    kRemove,
    kSyncFolder,
  };
  static constexpr size_t kOperations = 10;

  FaultFileSystem();
  ~FaultFileSystem() override;

  IoResult<std::unique_ptr<File>> open(const std::string& path, Mode mode) override;
  IoResult<std::vector<std::string>> list(const std::string& folder) override;
  IoStatus make_folder(const std::string& folder) override;
  IoStatus rename(const std::string& from, const std::string& to) override;
  IoStatus remove(const std::string& path) override;
  IoStatus sync_folder(const std::string& folder) override;

  // Faults. The nth (1 is the next) operation of the kind fails once with `number`. A write that
  // fails has written the first half of its sectors. After a sync that fails, what it should have
  // written still reads as new, is lost at a power cut, and no later sync saves it.
  void fail(Operation operation, uint64_t nth, int number);
  // Growing files beyond this sum of sizes fails with ENOSPC.
  void set_capacity(uint64_t bytes) { capacity_ = bytes; }
  // After so many more changing operations everything fails, until crash() or restart().
  void cut_power_after(uint64_t operations) { operations_left_ = operations; }
  // The power comes back: what was not synced is kept or lost, sector by sector, name by name.
  void crash(uint64_t seed);
  // The process died, the machine did not: nothing is lost.
  void restart();

  // Changing operations so far, and operations of one kind.
  uint64_t operations() const { return operations_; }
  uint64_t count(Operation operation) const { return counts_[static_cast<size_t>(operation)]; }

  // Behind the back of everyone, durably.
  bool exists(const std::string& path) const { return names_.contains(path); }
  std::string contents(const std::string& path) const;
  void replace(const std::string& path, std::string contents);
  void erase(const std::string& path);

 private:
  friend class FaultFile;
  struct Inode;
  using InodePtr = std::shared_ptr<Inode>;  // null for a folder
  using Names = std::map<std::string, InodePtr>;
  // A change of names in one folder: `from` loses the name and `to` gets it, whichever is not
  // empty.
  struct NameChange {
    std::string folder;
    std::string from;
    std::string to;
    InodePtr inode;
    void apply(Names& names) const;
  };
  struct PlannedFailure {
    uint64_t after = 0;
    int number = 0;
  };

  // Counts the operation; fails if it is its turn to.
  IoStatus begin(Operation operation, const std::string& path);
  IoStatus grow(const Inode& inode, uint64_t bytes, const std::string& path) const;
  bool is_folder(const std::string& path) const;
  void change(NameChange change);

  Names names_;
  Names durable_names_;
  std::vector<NameChange> unsynced_names_;
  std::array<std::vector<PlannedFailure>, kOperations> failures_;
  std::array<uint64_t, kOperations> counts_{};
  uint64_t operations_ = 0;
  uint64_t operations_left_ = UINT64_MAX;
  uint64_t capacity_ = UINT64_MAX;
  uint64_t generation_ = 0;  // files opened in an earlier one are dead
};

}  // namespace kvorum::storage
