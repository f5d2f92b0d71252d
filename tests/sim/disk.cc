#include "tests/sim/disk.h"

#include <utility>

namespace kvorum::sim {

using storage::File;
using storage::IoResult;
using storage::IoStatus;

class DiskFile final : public File {
 public:
  DiskFile(Disk& disk, std::unique_ptr<File> file) : disk_(disk), file_(std::move(file)) {}

  IoResult<uint64_t> size() override { return file_->size(); }
  IoResult<std::string> read(uint64_t offset, size_t bytes) override {
    return file_->read(offset, bytes);
  }
  IoResult<uint64_t> next_data(uint64_t offset) override { return file_->next_data(offset); }
  IoStatus write(uint64_t offset, std::string_view bytes) override {
    disk_.before(false);
    return file_->write(offset, bytes);
  }
  IoStatus allocate(uint64_t bytes) override {
    disk_.before(false);
    return file_->allocate(bytes);
  }
  IoStatus truncate(uint64_t bytes) override {
    disk_.before(false);
    return file_->truncate(bytes);
  }
  IoStatus sync_data() override {
    disk_.before(true);
    if (disk_.forgets_syncs_) return {};
    IoStatus synced = file_->sync_data();
    disk_.before(false);
    return synced;
  }

 private:
  Disk& disk_;
  const std::unique_ptr<File> file_;
};

uint64_t Disk::used_bytes() {
  uint64_t bytes = 0;
  auto names = files_.list("wal");
  if (!names) return 0;
  for (const std::string& name : *names) {
    if (auto file = files_.open("wal/" + name, Mode::kOpenExisting)) {
      bytes += (*file)->size().value_or(0);
    }
  }
  return bytes;
}

IoResult<std::unique_ptr<File>> Disk::open(const std::string& path, Mode mode) {
  if (mode == Mode::kCreateNew) before(false);
  auto file = files_.open(path, mode);
  if (!file) return file;
  return std::make_unique<DiskFile>(*this, std::move(*file));
}

IoResult<std::vector<std::string>> Disk::list(const std::string& folder) {
  return files_.list(folder);
}
IoStatus Disk::make_folder(const std::string& folder) {
  before(false);
  return files_.make_folder(folder);
}
IoStatus Disk::rename(const std::string& from, const std::string& to) {
  before(false);
  return files_.rename(from, to);
}
IoStatus Disk::remove(const std::string& path) {
  before(false);
  return files_.remove(path);
}
IoStatus Disk::sync_folder(const std::string& folder) {
  before(true);
  return files_.sync_folder(folder);
}

namespace {

class MutatedWal final : public storage::Wal {
 public:
  MutatedWal(std::unique_ptr<storage::Wal> wal, Mutation mutation,
             std::function<void(const raft::Entry&)> on_logged)
      : wal_(std::move(wal)), mutation_(mutation), on_logged_(std::move(on_logged)) {}

  Result<storage::AppendOutcome> write(std::span<const storage::WalBatch> batches) override {
    std::vector<storage::WalBatch> kept(batches.begin(), batches.end());
    if (mutation_ == Mutation::kLoseVote) {
      std::erase_if(kept, [](const storage::WalBatch& batch) { return batch.entries.empty(); });
    }
    Result<storage::AppendOutcome> outcome = wal_->write(kept);
    if (mutation_ == Mutation::kAnswerWhenLogged && outcome) {
      for (const storage::WalBatch& batch : kept) {
        logged_.insert(logged_.end(), batch.entries.begin(), batch.entries.end());
      }
    }
    return outcome;
  }
  void begin_sync() override { wal_->begin_sync(); }
  Status sync() override {
    Status synced = wal_->sync();
    for (const raft::EntryPtr& entry : std::exchange(logged_, {})) on_logged_(*entry);
    return synced;
  }
  Status compact(raft::Index index) override {
    return wal_->compact(mutation_ == Mutation::kCompactAhead ? index + 200 : index);
  }
  Status reset(raft::EntryId last, const raft::HardState& hard_state) override {
    return wal_->reset(last, hard_state);
  }
  uint64_t bytes() const override { return wal_->bytes(); }
  size_t segments() const override { return wal_->segments(); }

 private:
  const std::unique_ptr<storage::Wal> wal_;
  const Mutation mutation_;
  const std::function<void(const raft::Entry&)> on_logged_;
  std::vector<raft::EntryPtr> logged_;
};

}  // namespace

std::unique_ptr<storage::Wal> mutated(std::unique_ptr<storage::Wal> wal, Mutation mutation,
                                      std::function<void(const raft::Entry&)> on_logged) {
  if (mutation == Mutation::kNone) return wal;
  return std::make_unique<MutatedWal>(std::move(wal), mutation, std::move(on_logged));
}

}  // namespace kvorum::sim
