#include "storage/store.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "storage/store_backup.h"
#include "storage/store_engine.h"
#include "storage/store_folder.h"
#include "storage/store_reader.h"
#include "storage/store_swap.h"
#include "storage/store_tables.h"
#include "storage/store_writer.h"
#include "storage/wt_session.h"

namespace kvorum::storage {
namespace {

// Room for what a checkpoint writes besides the dirty pages: internal pages, block lists, metadata.
constexpr uint64_t kDiskSlack = uint64_t{8} << 20;

// A look at what a folder holds needs hardly any cache.
constexpr uint64_t kLookCacheBytes = uint64_t{1} << 20;

Result<AppliedState> state_in(const std::string& folder) {
  StoreOptions options;
  options.folder = folder;
  options.cache_bytes = kLookCacheBytes;
  auto connection = open_engine(options, Presence::kMustExist);
  if (!connection) return tl::unexpected(connection.error());
  return read_checkpointed_state(**connection, folder);
}

class WtStore final : public Store {
 public:
  WtStore(std::unique_ptr<WtConnection> connection, StoreOptions options)
      : options_(std::move(options)), engine_(std::move(connection)) {}
  ~WtStore() override { CHECK(!held_.load(), "a store outlives its backups"); }

  std::unique_ptr<Reader> new_reader() override { return std::make_unique<StoreReader>(engine_); }
  std::unique_ptr<Writer> new_writer() override { return std::make_unique<StoreWriter>(engine_); }
  AppliedState applied_state() override {
    StoreReader reader(engine_);
    AppliedState state = reader.begin().applied_state();
    reader.end();
    return state;
  }
  Result<AppliedState> checkpoint() override;
  Result<std::unique_ptr<BackupSource>> open_backup() override;
  Status backup(const std::string& folder) override;
  Result<AppliedState> replace(const std::string& folder) override;
  StoreStats stats() override;

 private:
  // By who holds `disk_`.
  Result<AppliedState> checkpoint_now();
  void read_cache_statistics(StoreStats& stats);
  Status may_replace(const std::string& folder);
  void exchange(const std::string& folder, const AppliedState& expected);

  const StoreOptions options_;
  const std::string& folder_ = options_.folder;
  std::mutex disk_;  // checkpoints, beginnings of backups and replacements: one at a time
  StoreEngine engine_;
  std::atomic<bool> held_{false};  // a BackupSource lives
  std::atomic<uint64_t> checkpoints_{0};
  std::atomic<uint64_t> checkpoint_last_ms_{0};
};

Result<AppliedState> WtStore::checkpoint() {
  std::lock_guard alone(disk_);
  return checkpoint_now();
}

Result<AppliedState> WtStore::checkpoint_now() {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  // A disk that fills up under a checkpoint ends the process.
  const StoreStats now = stats();
  if (now.disk_bytes_free < now.disk_bytes_needed) {
    return fail("no checkpoint in {}: it may need {} MiB, the disk has {} MiB left", folder_,
                now.disk_bytes_needed >> 20, now.disk_bytes_free >> 20);
  }
  // Read first: what is committed before the checkpoint begins is in it.
  AppliedState contained = applied_state();
  WtSession session(engine_.connection());
  if (Status taken = take_checkpoint(session, folder_); !taken) {
    return tl::unexpected(taken.error());
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
  checkpoint_last_ms_.store(static_cast<uint64_t>(took.count()));
  checkpoints_.fetch_add(1);
  return contained;
}

Result<std::unique_ptr<BackupSource>> WtStore::open_backup() {
  std::lock_guard alone(disk_);
  if (held_.load()) {
    return fail("a checkpoint of {} is already being copied, and only one can be at a time",
                folder_);
  }
  return StoreBackup::open(engine_.connection(), folder_, held_);
}

Status WtStore::backup(const std::string& folder) {
  Result<std::unique_ptr<BackupSource>> source = open_backup();
  if (!source) return tl::unexpected(source.error());
  return copy_backup(**source, folder);
}

Status WtStore::may_replace(const std::string& folder) {
  if (held_.load()) {
    return fail("the state in {} can't be replaced while a checkpoint of it is being copied",
                folder_);
  }
  return prepare_swap(folder_, folder);
}

// From the end of the old engine on there is no way back but the one that open() knows.
Result<AppliedState> WtStore::replace(const std::string& folder) {
  std::lock_guard alone(disk_);
  if (Status may = may_replace(folder); !may) return tl::unexpected(may.error());
  Result<AppliedState> state = state_in(folder);
  if (!state) return state;
  if (Status synced = sync_store_files(folder); !synced) return tl::unexpected(synced.error());
  // The engine insists on a checkpoint when it ends. Taken now, nobody waits for it at the gate.
  if (auto taken = checkpoint_now(); !taken) return taken;
  engine_.shut();
  exchange(folder, *state);
  engine_.open();
  if (Status removed = remove_swapped(folder_); !removed && options_.log) {
    options_.log(StoreSeverity::kWarning, removed.error().message);
  }
  return state;
}

void WtStore::exchange(const std::string& folder, const AppliedState& expected) {
  engine_.stop();
  if (Status swapped = swap_store_folders(folder_, folder); !swapped) {
    die("the state machine was to be replaced: {}", swapped.error().message);
  }
  auto connection = open_engine(options_, Presence::kMustExist);
  if (!connection) die("the state machine was replaced: {}", connection.error().message);
  auto state = read_checkpointed_state(**connection, folder_);
  CHECK(state && *state == expected, "the store is what was verified");
  (*connection)->opened();
  engine_.start(std::move(*connection));
}

void WtStore::read_cache_statistics(StoreStats& stats) {
  WtSession session(engine_.connection());
  WtWalk walk(session, "statistics:");
  WT_CURSOR* cursor = walk.get();
  auto statistic = [cursor](int which) {
    const char* description = nullptr;
    const char* printed = nullptr;
    int64_t value = 0;
    cursor->set_key(cursor, which);
    wt_check(cursor->search(cursor), "read statistics");
    wt_check(cursor->get_value(cursor, &description, &printed, &value), "read statistics");
    return static_cast<uint64_t>(std::max<int64_t>(value, 0));
  };
  stats.cache_bytes_used = statistic(WT_STAT_CONN_CACHE_BYTES_INUSE);
  stats.cache_bytes_dirty = statistic(WT_STAT_CONN_CACHE_BYTES_DIRTY);
}

StoreStats WtStore::stats() {
  StoreStats stats;
  // Whoever asks may be reading, so this never waits. An engine that is being exchanged has no
  // cache to speak of.
  if (engine_.try_enter()) {
    read_cache_statistics(stats);
    engine_.leave();
  }
  stats.file_bytes = folder_bytes(folder_);
  stats.disk_bytes_free = free_store_bytes(folder_);
  stats.disk_bytes_needed = stats.cache_bytes_dirty + stats.cache_bytes_dirty / 8 + kDiskSlack;
  stats.checkpoints = checkpoints_.load();
  stats.checkpoint_last_ms = checkpoint_last_ms_.load();
  return stats;
}

}  // namespace

void Store::warm_up() {
  // A folder that can't be: opening ends right behind what is done once.
  (void)WtConnection::open("/dev/null/none", "use_environment=false", {});
}

Result<AppliedState> Store::verify(const std::string& folder, uint64_t cache_bytes) {
  StoreOptions options;
  options.folder = folder;
  options.cache_bytes = cache_bytes;
  return verify_store(options);
}

Result<std::unique_ptr<Store>> Store::open(const StoreOptions& options) {
  Result<bool> swapped = settle_swap(options.folder);
  if (!swapped) return tl::unexpected(swapped.error());
  auto connection =
      open_engine(options, *swapped ? Presence::kMustExist : Presence::kMakeIfMissing);
  if (!connection) return tl::unexpected(connection.error());
  (*connection)->opened();
  // Only now: what replaced it can be opened.
  if (*swapped) {
    if (Status removed = remove_swapped(options.folder); !removed) {
      return tl::unexpected(removed.error());
    }
  }
  return std::make_unique<WtStore>(std::move(*connection), options);
}

}  // namespace kvorum::storage
