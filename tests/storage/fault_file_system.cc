#include "tests/storage/fault_file_system.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

#include "base/check.h"

namespace kvorum::storage {

namespace {

constexpr uint64_t kSector = 512;

tl::unexpected<IoError> failed(std::string_view what, const std::string& path, int number) {
  return tl::unexpected<IoError>(
      IoError{number, fmt::format("{} {}: {}", what, path, std::strerror(number))});
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

constexpr std::array<std::string_view, FaultFileSystem::kOperations> kOperationNames = {
    "read", "create", "write",  "allocate", "truncate",
    "sync", "mkdir",  "rename", "remove",   "sync folder"};

}  // namespace

struct FaultFileSystem::Inode {
  std::string current;
  std::string durable;
  std::set<uint64_t> dirty;  // sectors that the next sync makes durable
  std::set<uint64_t> lost;   // sectors that a sync failed to write

  void mark(uint64_t from, uint64_t to) {
    for (uint64_t sector = from / kSector; sector * kSector < to; ++sector) {
      dirty.insert(sector);
      lost.erase(sector);
    }
  }
  void copy_sector(uint64_t sector, std::string& to) const {
    const uint64_t at = sector * kSector;
    const uint64_t limit = std::min<uint64_t>({at + kSector, current.size(), to.size()});
    if (at < limit) to.replace(at, limit - at, current, at, limit - at);
  }
  void sync() {
    durable.resize(current.size());
    for (uint64_t sector : dirty) copy_sector(sector, durable);
    dirty.clear();
  }
  template <class Coin>
  void crash(Coin& coin) {
    std::string kept = durable;
    if (current.size() != durable.size() && coin()) kept.resize(current.size());
    for (uint64_t sector : dirty) {
      if (coin()) copy_sector(sector, kept);
    }
    current = kept;
    durable = std::move(kept);
    dirty.clear();
    lost.clear();
  }
};

class FaultFile final : public File {
 public:
  using Operation = FaultFileSystem::Operation;

  FaultFile(FaultFileSystem& files, FaultFileSystem::InodePtr inode, std::string path)
      : files_(files),
        inode_(std::move(inode)),
        path_(std::move(path)),
        generation_(files.generation_) {}

  IoResult<uint64_t> size() override { return inode_->current.size(); }

  IoResult<std::string> read(uint64_t offset, size_t bytes) override {
    if (IoStatus begun = begin(Operation::kRead); !begun) return as_failure(begun);
    if (offset >= inode_->current.size()) return std::string();
    return inode_->current.substr(offset, bytes);
  }

  IoResult<uint64_t> next_data(uint64_t offset) override {
    const size_t at = inode_->current.find_first_not_of('\0', offset);
    if (at == std::string::npos) return inode_->current.size();
    return std::max(offset, at / kSector * kSector);
  }

  IoStatus write(uint64_t offset, std::string_view bytes) override {
    IoStatus begun = begin(Operation::kWrite);
    if (begun) begun = files_.grow(*inode_, offset + bytes.size(), path_);
    // A part of a write that fails arrives all the same, unless nothing can any more.
    if (!begun && generation_ == files_.generation_ && files_.operations_left_ > 0) {
      const uint64_t half = (offset + bytes.size() / 2) / kSector * kSector;
      if (half > offset && half <= inode_->current.size()) {
        put(offset, bytes.substr(0, half - offset));
      }
    }
    if (!begun) return begun;
    put(offset, bytes);
    return {};
  }

  IoStatus allocate(uint64_t bytes) override {
    IoStatus begun = begin(Operation::kAllocate);
    if (begun) begun = files_.grow(*inode_, bytes, path_);
    if (!begun) return begun;
    if (bytes > inode_->current.size()) inode_->current.resize(bytes);
    return {};
  }

  IoStatus truncate(uint64_t bytes) override {
    if (IoStatus begun = begin(Operation::kTruncate); !begun) return begun;
    inode_->mark(bytes, std::max(inode_->current.size(), inode_->durable.size()));
    inode_->current.resize(bytes);
    return {};
  }

  IoStatus sync_data() override {
    IoStatus begun = begin(Operation::kSync);
    if (begun) {
      inode_->sync();
    } else if (files_.operations_left_ > 0) {
      inode_->lost.merge(inode_->dirty);
      inode_->dirty.clear();
    }
    return begun;
  }

 private:
  IoStatus begin(Operation operation) {
    if (generation_ != files_.generation_) return failed("use after a restart", path_, EBADF);
    return files_.begin(operation, path_);
  }
  static tl::unexpected<IoError> as_failure(const IoStatus& status) {
    return tl::unexpected<IoError>(status.error());
  }
  void put(uint64_t offset, std::string_view bytes) {
    if (inode_->current.size() < offset + bytes.size()) {
      inode_->current.resize(offset + bytes.size());
    }
    inode_->current.replace(offset, bytes.size(), bytes);
    inode_->mark(offset, offset + bytes.size());
  }

  FaultFileSystem& files_;
  const FaultFileSystem::InodePtr inode_;
  const std::string path_;
  const uint64_t generation_;
};

FaultFileSystem::FaultFileSystem() = default;
FaultFileSystem::~FaultFileSystem() = default;

void FaultFileSystem::NameChange::apply(Names& names) const {
  auto old = names.find(from);
  if (old != names.end() && old->second == inode) names.erase(old);
  if (!to.empty()) names[to] = inode;
}

IoResult<std::unique_ptr<File>> FaultFileSystem::open(const std::string& path, Mode mode) {
  auto found = names_.find(path);
  if (mode == Mode::kOpenExisting) {
    if (operations_left_ == 0) return failed("open", path, EIO);
    if (found == names_.end() || found->second == nullptr) return failed("open", path, ENOENT);
    return std::make_unique<FaultFile>(*this, found->second, path);
  }
  if (IoStatus begun = begin(Operation::kCreate, path); !begun) {
    return tl::unexpected<IoError>(std::move(begun.error()));
  }
  if (found != names_.end()) return failed("create", path, EEXIST);
  if (!is_folder(folder_of(path))) return failed("create", path, ENOENT);
  auto inode = std::make_shared<Inode>();
  change(NameChange{folder_of(path), "", path, inode});
  return std::make_unique<FaultFile>(*this, inode, path);
}

IoResult<std::vector<std::string>> FaultFileSystem::list(const std::string& folder) {
  if (operations_left_ == 0) return failed("list", folder, EIO);
  if (!is_folder(folder)) return failed("list", folder, ENOENT);
  std::vector<std::string> found;
  for (const auto& [path, inode] : names_) {
    if (folder_of(path) == folder) found.push_back(path.substr(path.rfind('/') + 1));
  }
  return found;
}

IoStatus FaultFileSystem::make_folder(const std::string& folder) {
  if (IoStatus begun = begin(Operation::kMakeFolder, folder); !begun) return begun;
  if (is_folder(folder)) return {};
  if (names_.contains(folder)) return failed("mkdir", folder, EEXIST);
  if (!is_folder(folder_of(folder))) return failed("mkdir", folder, ENOENT);
  change(NameChange{folder_of(folder), "", folder, nullptr});
  return {};
}

IoStatus FaultFileSystem::rename(const std::string& from, const std::string& to) {
  if (IoStatus begun = begin(Operation::kRename, from); !begun) return begun;
  auto found = names_.find(from);
  if (found == names_.end()) return failed("rename", from, ENOENT);
  CHECK(folder_of(from) == folder_of(to), "renaming across folders");
  change(NameChange{folder_of(to), from, to, found->second});
  return {};
}

IoStatus FaultFileSystem::remove(const std::string& path) {
  if (IoStatus begun = begin(Operation::kRemove, path); !begun) return begun;
  auto found = names_.find(path);
  if (found == names_.end()) return failed("remove", path, ENOENT);
  change(NameChange{folder_of(path), path, "", found->second});
  return {};
}

IoStatus FaultFileSystem::sync_folder(const std::string& folder) {
  if (IoStatus begun = begin(Operation::kSyncFolder, folder); !begun) return begun;
  if (!is_folder(folder)) return failed("sync folder", folder, ENOENT);
  std::vector<NameChange> elsewhere;
  for (NameChange& change : unsynced_names_) {
    if (change.folder == folder) {
      change.apply(durable_names_);
    } else {
      elsewhere.push_back(std::move(change));
    }
  }
  unsynced_names_ = std::move(elsewhere);
  return {};
}

void FaultFileSystem::fail(Operation operation, uint64_t nth, int number) {
  failures_[static_cast<size_t>(operation)].push_back({count(operation) + nth, number});
}

void FaultFileSystem::crash(uint64_t seed) {
  restart();
  std::mt19937_64 random(seed);
  auto coin = [&random] { return (random() >> 32 & 1) != 0; };
  for (const NameChange& change : unsynced_names_) {
    if (coin()) change.apply(durable_names_);
  }
  unsynced_names_.clear();
  // What is in a folder that was lost is lost with it.
  std::erase_if(durable_names_, [this](const auto& name) {
    const std::string folder = folder_of(name.first);
    return folder != "." && folder != "/" && !durable_names_.contains(folder);
  });
  names_ = durable_names_;
  for (auto& [path, inode] : names_) {
    if (inode != nullptr) inode->crash(coin);
  }
}

void FaultFileSystem::restart() {
  ++generation_;
  operations_left_ = UINT64_MAX;
  for (auto& planned : failures_) planned.clear();
}

std::string FaultFileSystem::contents(const std::string& path) const {
  auto found = names_.find(path);
  CHECK(found != names_.end() && found->second != nullptr, "no file {}", path);
  return found->second->current;
}

void FaultFileSystem::replace(const std::string& path, std::string contents) {
  auto inode = std::make_shared<Inode>();
  inode->current = contents;
  inode->durable = std::move(contents);
  names_[path] = inode;
  durable_names_[path] = inode;
}

void FaultFileSystem::erase(const std::string& path) {
  names_.erase(path);
  durable_names_.erase(path);
}

IoStatus FaultFileSystem::begin(Operation operation, const std::string& path) {
  const auto kind = static_cast<size_t>(operation);
  if (operations_left_ == 0) return failed(kOperationNames[kind], path, EIO);
  ++counts_[kind];
  if (operation != Operation::kRead) {
    ++operations_;
    if (operations_left_ != UINT64_MAX) --operations_left_;
  }
  for (const PlannedFailure& planned : failures_[kind]) {
    if (planned.after == counts_[kind]) return failed(kOperationNames[kind], path, planned.number);
  }
  return {};
}

IoStatus FaultFileSystem::grow(const Inode& inode, uint64_t bytes, const std::string& path) const {
  if (bytes <= inode.current.size() || capacity_ == UINT64_MAX) return {};
  uint64_t used = bytes - inode.current.size();
  for (const auto& [name, other] : names_) {
    if (other != nullptr) used += other->current.size();
  }
  if (used > capacity_) return failed("grow", path, ENOSPC);
  return {};
}

bool FaultFileSystem::is_folder(const std::string& path) const {
  if (path == "." || path == "/") return true;
  auto found = names_.find(path);
  return found != names_.end() && found->second == nullptr;
}

void FaultFileSystem::change(NameChange change) {
  change.apply(names_);
  unsynced_names_.push_back(std::move(change));
}

}  // namespace kvorum::storage
