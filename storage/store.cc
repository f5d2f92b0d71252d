#include "storage/store.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "base/check.h"
#include "storage/store_folder.h"
#include "storage/store_reader.h"
#include "storage/store_writer.h"
#include "storage/wt_session.h"

namespace kvorum::storage {
namespace {

// Sessions besides the readers': the writer's, checkpoint and backup, and the engine's own threads.
constexpr uint32_t kOwnSessions = 32;

// Room for what a checkpoint writes besides the dirty pages: internal pages, block lists, metadata.
constexpr uint64_t kDiskSlack = uint64_t{8} << 20;

// Values up to 64 MiB stay on their page: items of their own outside it (WiredTiger's overflow
// items) would have to be copied with every change of their page and keep truncation from dropping
// pages.
constexpr const char* kKeysOptions =
    "key_format=u,value_format=u,leaf_page_max=32KB,internal_page_max=16KB,leaf_key_max=128KB,"
    "leaf_value_max=128MB,memory_page_max=5MB";
constexpr const char* kIndexOptions =
    "key_format=u,value_format=u,leaf_page_max=16KB,internal_page_max=16KB,leaf_key_max=128KB,"
    "memory_page_max=5MB";

constexpr const char* kMetaOptions = "key_format=u,value_format=u";

std::string engine_options(const StoreOptions& options) {
  // README.md, "WiredTiger's options", says why each is as it is.
  return fmt::format(
      "create,config_base=false,use_environment=false,log=(enabled=false),mmap=false,"
      "cache_size={},session_max={},statistics=(fast),checkpoint=(wait=0),"
      "eviction=(threads_min=1,threads_max=2),eviction_target=80,eviction_trigger=95,"
      "eviction_dirty_target=50,eviction_dirty_trigger=80,eviction_checkpoint_target=0,"
      "file_manager=(close_idle_time=0),error_prefix=\"\"{}{}",
      std::max<uint64_t>(options.cache_bytes, 1 << 20), options.readers_max + kOwnSessions,
      options.engine_options.empty() ? "" : ",", options.engine_options);
}

class WtStore final : public Store {
 public:
  WtStore(std::unique_ptr<WtConnection> connection, std::string folder)
      : connection_(std::move(connection)), folder_(std::move(folder)) {}

  std::unique_ptr<Reader> new_reader() override {
    return std::make_unique<StoreReader>(*connection_);
  }
  std::unique_ptr<Writer> new_writer() override {
    return std::make_unique<StoreWriter>(*connection_);
  }
  AppliedState applied_state() override {
    StoreReader reader(*connection_);
    AppliedState state = reader.begin().applied_state();
    reader.end();
    return state;
  }
  Result<AppliedState> checkpoint() override;
  Status backup(const std::string& folder) override;
  StoreStats stats() override;

 private:
  std::unique_ptr<WtConnection> connection_;
  const std::string folder_;
  std::atomic<uint64_t> checkpoints_{0};
  std::atomic<uint64_t> checkpoint_last_ms_{0};
};

Status take_checkpoint(WtSession& session, const std::string& folder) {
  int code = session.get()->checkpoint(session.get(), nullptr);
  if (code == WT_PANIC) wt_fatal(code, "take a checkpoint");
  if (code != 0) return fail("could not take a checkpoint in {}: {}", folder, wt_error(code));
  return ok();
}

Result<AppliedState> WtStore::checkpoint() {
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
  WtSession session(*connection_);
  if (Status taken = take_checkpoint(session, folder_); !taken) {
    return tl::unexpected(taken.error());
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
  checkpoint_last_ms_.store(static_cast<uint64_t>(took.count()));
  checkpoints_.fetch_add(1);
  return contained;
}

Status WtStore::backup(const std::string& folder) {
  WtSession session(*connection_);
  // While this cursor is open the engine deletes nothing that the last checkpoint needs.
  WtWalk files(session, "backup:");
  std::vector<std::string> names;
  int code = 0;
  while ((code = files.get()->next(files.get())) == 0) {
    const char* name = nullptr;
    wt_check(files.get()->get_key(files.get(), &name), "list the files of a backup");
    names.emplace_back(name);
  }
  if (code != WT_NOTFOUND) wt_fatal(code, "list the files of a backup");
  // Without its record of the files, a copy is refused by open().
  std::stable_partition(names.begin(), names.end(),
                        [](const std::string& name) { return name != "WiredTiger.backup"; });
  return copy_store_files(folder_, folder, names);
}

StoreStats WtStore::stats() {
  StoreStats stats;
  WtSession session(*connection_);
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
  stats.file_bytes = folder_bytes(folder_);
  stats.disk_bytes_free = free_disk_bytes(folder_);
  stats.disk_bytes_needed = stats.cache_bytes_dirty + stats.cache_bytes_dirty / 8 + kDiskSlack;
  stats.checkpoints = checkpoints_.load();
  stats.checkpoint_last_ms = checkpoint_last_ms_.load();
  return stats;
}

struct TableSpec {
  const char* uri;
  const char* options;
};
// In the order of their making.
constexpr TableSpec kTables[] = {{kKeysUri, kKeysOptions},
                                 {kCreatedUri, kIndexOptions},
                                 {kDeadlinesUri, kIndexOptions},
                                 {kMetaUri, kMetaOptions}};

// How many of our tables there are. Refuses a database with others.
Result<size_t> count_tables(WtSession& session, const std::string& folder) {
  size_t count = 0;
  WtWalk walk(session, "metadata:");
  while (walk.get()->next(walk.get()) == 0) {
    const char* key = nullptr;
    wt_check(walk.get()->get_key(walk.get(), &key), "read the list of tables");
    const std::string_view uri(key);
    if (!uri.starts_with("table:")) continue;
    if (std::ranges::none_of(kTables, [uri](const TableSpec& table) { return uri == table.uri; })) {
      return fail("the folder {} holds a database that is not a store of kvorum: it has {}", folder,
                  uri);
    }
    ++count;
  }
  return count;
}

// 0 if the making of the store did not get as far as writing it.
Result<uint32_t> read_format(WtConnection& connection, WtSession& session,
                             const std::string& folder) {
  for (const TableSpec& table : kTables) {
    WT_CURSOR* cursor = nullptr;
    int code = session.get()->open_cursor(session.get(), table.uri, nullptr, nullptr, &cursor);
    if (code != 0) return tl::unexpected(connection.opening_failed(code, folder));
    cursor->close(cursor);
  }
  WtWalk meta(session, kMetaUri);
  set_key(meta.get(), kMetaFormat);
  int code = meta.get()->search(meta.get());
  if (code == WT_NOTFOUND) return 0;
  if (code != 0) return tl::unexpected(connection.opening_failed(code, folder));
  const std::string_view bytes = value_of(meta.get());
  return bytes.size() == sizeof(uint32_t) ? get_u32_le(bytes.data()) : UINT32_MAX;
}

// A crash may cut this anywhere: the format, which says that all is there, is written last.
Status make_tables(WtConnection& connection, WtSession& session, const std::string& folder) {
  WT_SESSION* engine = session.get();
  for (const TableSpec& table : kTables) {
    int code = engine->create(engine, table.uri, table.options);
    if (code != 0) return tl::unexpected(connection.opening_failed(code, folder));
  }
  char applied[kAppliedBytes];
  encode_applied({}, applied);
  char format[sizeof(uint32_t)];
  put_u32_le(format, kStoreFormat);
  {
    WtWalk meta(session, kMetaUri);
    session.begin();
    auto insert = [&meta](std::string_view key, std::string_view value) {
      set_key(meta.get(), key);
      set_value(meta.get(), value);
      wt_check(meta.get()->insert(meta.get()), "write the store's format");
    };
    insert(kMetaApplied, {applied, sizeof(applied)});
    insert(kMetaFormat, {format, sizeof(format)});
    wt_check(engine->commit_transaction(engine, nullptr), "write the store's format");
  }
  return take_checkpoint(session, folder);
}

Status prepare_tables(WtConnection& connection, const std::string& folder) {
  WtSession session(connection);
  Result<size_t> tables = count_tables(session, folder);
  if (!tables) return tl::unexpected(tables.error());
  if (*tables == std::size(kTables)) {
    Result<uint32_t> format = read_format(connection, session, folder);
    if (!format) return tl::unexpected(format.error());
    if (*format > kStoreFormat) {
      return fail(
          "the store in {} has format {}, made by a newer version of kvorum; this one reads up to "
          "format {}",
          folder, *format, kStoreFormat);
    }
    if (*format != 0) return ok();
  }
  return make_tables(connection, session, folder);
}

}  // namespace

void Store::warm_up() {
  // A folder that can't be: opening ends right behind what is done once.
  (void)WtConnection::open("/dev/null/none", "use_environment=false", {});
}

Result<std::unique_ptr<Store>> Store::open(const StoreOptions& options) {
  if (Status ready = prepare_store_folder(options.folder); !ready) {
    return tl::unexpected(ready.error());
  }
  auto connection = WtConnection::open(options.folder, engine_options(options), options.log);
  if (!connection) return tl::unexpected(connection.error());
  if (Status ready = prepare_tables(**connection, options.folder); !ready) {
    return tl::unexpected(ready.error());
  }
  (*connection)->opened();
  return std::make_unique<WtStore>(std::move(*connection), options.folder);
}

}  // namespace kvorum::storage
