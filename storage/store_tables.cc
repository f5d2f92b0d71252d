#include "storage/store_tables.h"

#include <algorithm>
#include <utility>

#include "storage/store_folder.h"
#include "storage/store_format.h"

namespace kvorum::storage {
namespace {

// Sessions besides the readers': the writer's, checkpoint and backup, and the engine's own threads.
constexpr uint32_t kOwnSessions = 32;

// Pages in memory are small, so that a key is found by halving a sorted array: what was added to a
// page since it was read is a list, which is slower to search the longer it gets. Values up to 64
// MiB stay on their page: items of their own outside it (WiredTiger's overflow items) would have to
// be copied with every change of their page and keep truncation from dropping pages.
constexpr const char* kKeysOptions =
    "key_format=u,value_format=u,leaf_page_max=32KB,internal_page_max=16KB,leaf_key_max=128KB,"
    "leaf_value_max=128MB,memory_page_max=256KB";
constexpr const char* kIndexOptions =
    "key_format=u,value_format=u,leaf_page_max=16KB,internal_page_max=16KB,leaf_key_max=128KB,"
    "memory_page_max=5MB";

// Appended to at one end, removed from at the other.
constexpr const char* kHistoryOptions =
    "key_format=u,value_format=u,leaf_page_max=128KB,internal_page_max=16KB,leaf_value_max=128MB,"
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

struct TableSpec {
  const char* uri;
  const char* options;
};
// In the order of their making: where the last one is, there are all, or it is an older store.
constexpr TableSpec kTables[] = {{kKeysUri, kKeysOptions},
                                 {kCreatedUri, kIndexOptions},
                                 {kDeadlinesUri, kIndexOptions},
                                 {kHistoryUri, kHistoryOptions},
                                 {kMetaUri, kMetaOptions}};

// Whether the last of our tables is there. Refuses a database with others.
Result<bool> has_last_table(WtSession& session, const std::string& folder) {
  bool found = false;
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
    found |= uri == kMetaUri;
  }
  return found;
}

Status try_table(WtConnection& connection, WtSession& session, const char* uri,
                 const std::string& folder) {
  WT_CURSOR* cursor = nullptr;
  int code = session.get()->open_cursor(session.get(), uri, nullptr, nullptr, &cursor);
  if (code != 0) return tl::unexpected(connection.opening_failed(code, folder));
  cursor->close(cursor);
  return ok();
}

// 0 if the making of the store did not get as far as writing it.
Result<uint32_t> read_format(WtConnection& connection, WtSession& session,
                             const std::string& folder) {
  if (Status opens = try_table(connection, session, kMetaUri, folder); !opens) {
    return tl::unexpected(opens.error());
  }
  WtWalk meta(session, kMetaUri);
  set_key(meta.get(), kMetaFormat);
  int code = meta.get()->search(meta.get());
  if (code == WT_NOTFOUND) return 0;
  if (code != 0) return tl::unexpected(connection.opening_failed(code, folder));
  const std::string_view bytes = value_of(meta.get());
  return bytes.size() == sizeof(uint32_t) ? get_u32_le(bytes.data()) : UINT32_MAX;
}

// That all of a store of this format is there and opens.
Status check_tables(WtConnection& connection, WtSession& session, uint32_t format,
                    const std::string& folder) {
  if (format > kStoreFormat) {
    return fail(
        "the store in {} has format {}, made by a newer version of kvorum; this one reads format "
        "{}",
        folder, format, kStoreFormat);
  }
  if (format < kStoreFormat) {
    return fail(
        "the store in {} has format {}, made by an older version of kvorum; this one reads only "
        "format {}. Use that version for it, or begin with an empty folder",
        folder, format, kStoreFormat);
  }
  for (const TableSpec& table : kTables) {
    if (Status opens = try_table(connection, session, table.uri, folder); !opens) return opens;
  }
  return ok();
}

// A crash may cut this anywhere: the format, which says that all is there, is written last.
Status make_tables(WtConnection& connection, WtSession& session, const std::string& folder) {
  WT_SESSION* engine = session.get();
  for (const TableSpec& table : kTables) {
    int code = engine->create(engine, table.uri, table.options);
    if (code != 0) return tl::unexpected(connection.opening_failed(code, folder));
  }
  char applied[kAppliedBytesMin];
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

Status prepare_tables(WtConnection& connection, const std::string& folder, Presence presence) {
  WtSession session(connection);
  Result<bool> created = has_last_table(session, folder);
  if (!created) return tl::unexpected(created.error());
  if (*created) {
    Result<uint32_t> format = read_format(connection, session, folder);
    if (!format) return tl::unexpected(format.error());
    if (*format != 0) return check_tables(connection, session, *format, folder);
  }
  if (presence == Presence::kMustExist) {
    return fail("the store in {} is not whole: its making or copying was cut short", folder);
  }
  return make_tables(connection, session, folder);
}

Result<AppliedState> read_state(WT_CURSOR* meta, const std::string& folder) {
  auto find = [meta](std::string_view name) {
    set_key(meta, name);
    return meta->search(meta);
  };
  AppliedRecord record;
  AppliedState state;
  if (find(kMetaApplied) != 0 || !decode_applied(value_of(meta), record)) {
    return fail("the store in {} is damaged: it does not say what was applied", folder);
  }
  const bool configured = record.configuration_changes != 0;
  fill_state(std::move(record), state);
  if (configured &&
      (find(kMetaConfiguration) != 0 || !raft::decode(value_of(meta), state.configuration))) {
    return fail("the store in {} is damaged: it does not say who the members are", folder);
  }
  return state;
}

}  // namespace

Status take_checkpoint(WtSession& session, const std::string& folder) {
  int code = session.get()->checkpoint(session.get(), nullptr);
  if (code == WT_PANIC) wt_fatal(code, "take a checkpoint");
  if (code != 0) return fail("could not take a checkpoint in {}: {}", folder, wt_error(code));
  return ok();
}

Result<std::unique_ptr<WtConnection>> open_engine(const StoreOptions& options, Presence presence) {
  const std::string& folder = options.folder;
  if (presence == Presence::kMakeIfMissing) {
    if (Status made = make_folder(folder); !made) return tl::unexpected(made.error());
  }
  Result<bool> recorded = examine_store_folder(folder);
  if (!recorded) return tl::unexpected(recorded.error());
  if (presence == Presence::kMustExist && !*recorded) {
    return fail("the folder {} holds no store", folder);
  }
  auto connection = WtConnection::open(folder, engine_options(options), options.log);
  if (!connection) return connection;
  if (Status ready = prepare_tables(**connection, folder, presence); !ready) {
    return tl::unexpected(ready.error());
  }
  return connection;
}

Result<AppliedState> read_checkpointed_state(WtConnection& connection, const std::string& folder) {
  WtSession session(connection);
  WtWalk meta(session, kMetaUri, "checkpoint=WiredTigerCheckpoint");
  return read_state(meta.get(), folder);
}

Result<AppliedState> verify_store(const StoreOptions& options) {
  auto connection = open_engine(options, Presence::kMustExist);
  if (!connection) return tl::unexpected(connection.error());
  {
    // Of its own: a table is verified only while no session has it open.
    WtSession session(**connection);
    for (const TableSpec& table : kTables) {
      int code = session.get()->verify(session.get(), table.uri, nullptr);
      if (code != 0) {
        return tl::unexpected((*connection)->opening_failed(code, options.folder));
      }
    }
  }
  return read_checkpointed_state(**connection, options.folder);
}

}  // namespace kvorum::storage
