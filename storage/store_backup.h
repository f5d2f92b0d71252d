// A checkpoint held open while the store goes on: WiredTiger's backup cursor on a session of its
// own. Until it ends the engine deletes and truncates nothing that the checkpoint needs.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "storage/store.h"
#include "storage/store_folder.h"
#include "storage/wt_session.h"

namespace kvorum::storage {

class StoreBackup final : public BackupSource {
 public:
  // `held` is false, and true as long as this lives. No checkpoint is taken during the call.
  static Result<std::unique_ptr<BackupSource>> open(WtConnection& connection,
                                                    const std::string& folder,
                                                    std::atomic<bool>& held);

  const AppliedState& applied_state() override { return state_; }
  const std::vector<File>& files() override { return files_; }
  Result<size_t> read(size_t file, uint64_t offset, std::span<char> into) override;

 private:
  // Let go of last: until then the engine may not be exchanged.
  class Hold {
   public:
    explicit Hold(std::atomic<bool>& held) : held_(held) { held_.store(true); }
    ~Hold() { held_.store(false); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    std::atomic<bool>& held_;
  };

  StoreBackup(WtConnection& connection, std::atomic<bool>& held)
      : hold_(held), session_(connection) {}
  Status list(const std::string& folder);
  Status open_files(const std::string& folder);

  const Hold hold_;
  WtSession session_;
  AppliedState state_;
  std::vector<File> files_;
  std::vector<std::unique_ptr<Descriptor>> descriptors_;  // of `files_`
};

// Copies a backup into `to`, which is made and must be empty, and syncs everything. Until the last
// file is there, it can't be opened.
Status copy_backup(BackupSource& source, const std::string& to);

}  // namespace kvorum::storage
