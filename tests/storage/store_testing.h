// What the store's tests share: a folder that goes away, and short ways to write and read.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "storage/store.h"

namespace kvorum::storage {

class StoreFolder {
 public:
  StoreFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "kvorum-store-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    root_ = name;
  }
  ~StoreFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  StoreFolder(const StoreFolder&) = delete;
  StoreFolder& operator=(const StoreFolder&) = delete;

  std::string path(std::string_view name = "store") const {
    return root_ + "/" + std::string(name);
  }

 private:
  std::string root_;
};

inline std::unique_ptr<Store> open_store(const std::string& folder, uint64_t cache_bytes = 64 << 20,
                                         const std::string& engine_options = {}) {
  auto store = Store::open(
      {.folder = folder, .cache_bytes = cache_bytes, .log = {}, .engine_options = engine_options});
  CHECK(store, "{}", store.error().message);
  return std::move(*store);
}
inline std::string open_error(const std::string& folder) {
  auto store = Store::open({.folder = folder, .cache_bytes = 64 << 20});
  return store ? "" : store.error().message;
}

inline bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

inline KeyHeader made_at(uint64_t revision, uint32_t change = 0, UnixMillis deadline = 0) {
  return {.modified = {revision, change}, .created = {revision, change}, .deadline = deadline};
}
inline raft::EntryId entry(uint64_t index) {
  return {raft::Term(1), raft::Index(index)};
}

inline std::map<std::string, std::string> contents(View& view, std::string_view prefix = {}) {
  std::map<std::string, std::string> all;
  view.for_each(prefix, [&all](std::string_view key, const Record& record) {
    all.emplace(key, record.value);
    return true;
  });
  return all;
}
inline std::vector<std::string> keys_in_order(View& view, std::string_view prefix = {}) {
  std::vector<std::string> keys;
  view.for_each(prefix, [&keys](std::string_view key, const Record&) {
    keys.emplace_back(key);
    return true;
  });
  return keys;
}
inline std::vector<std::string> newest_first(View& view, std::optional<EventId> before = {}) {
  std::vector<std::string> keys;
  view.for_each_created_before(before, [&keys](EventId, std::string_view key) {
    keys.emplace_back(key);
    return true;
  });
  return keys;
}
inline std::vector<std::string> due(View& view, UnixMillis now) {
  std::vector<std::string> keys;
  view.for_each_due(now, [&keys](UnixMillis, std::string_view key) {
    keys.emplace_back(key);
    return true;
  });
  return keys;
}

using HistoryRows = std::vector<std::pair<EventId, std::string>>;
inline HistoryRows history_after(View& view, EventId after = {}) {
  HistoryRows rows;
  view.for_each_history(after, [&rows](EventId first, std::string_view row) {
    rows.emplace_back(first, row);
    return true;
  });
  return rows;
}
inline HistoryRows history_before(View& view, EventId before = {UINT64_MAX, UINT32_MAX}) {
  HistoryRows rows;
  view.for_each_history_back(before, [&rows](EventId first, std::string_view row) {
    rows.emplace_back(first, row);
    return true;
  });
  return rows;
}

// As the executor does, with rows that mean nothing: a row's stamp is its first revision.
inline void append_row(Transaction& transaction, EventId first, std::string_view row) {
  HistoryState history = transaction.applied_state().history;
  if (history.oldest == EventId{}) {
    history.oldest = first;
    history.oldest_stamp = first.revision;
  }
  history.last = first;
  history.bytes += row.size() + kHistoryKeyBytes;
  transaction.append_history(first, row);
  transaction.set_history(history);
}
inline void trim_rows(Transaction& transaction, size_t count) {
  HistoryState history = transaction.applied_state().history;
  transaction.trim_history([&](EventId first, std::string_view row) {
    history.oldest = count > 0 ? EventId{} : first;
    history.oldest_stamp = history.oldest.revision;
    if (count == 0) return false;
    --count;
    history.bytes -= row.size() + kHistoryKeyBytes;
    history.floor = first;
    return true;
  });
  transaction.set_history(history);
}

// What the state says of the history is there, and nothing else, whichever way it is walked.
inline void expect_history_matches(View& view) {
  const HistoryState history = view.applied_state().history;
  HistoryRows rows = history_after(view);
  EXPECT_EQ(rows.empty() ? EventId{} : rows.front().first, history.oldest);
  uint64_t bytes = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    bytes += rows[i].second.size() + kHistoryKeyBytes;
    if (i > 0) {
      EXPECT_LT(rows[i - 1].first, rows[i].first);
    }
  }
  EXPECT_EQ(bytes, history.bytes);
  std::reverse(rows.begin(), rows.end());
  EXPECT_EQ(history_before(view), rows);
}

// The two indexes hold exactly what the keys say.
inline void expect_indexes_match(View& view) {
  std::map<std::pair<uint64_t, std::string>, int> created;
  std::map<std::pair<uint64_t, std::string>, int> deadlines;
  uint64_t count = 0;
  view.for_each({}, [&](std::string_view key, const Record& record) {
    ++count;
    ++created[{record.header.created.revision, std::string(key)}];
    if (record.header.deadline != 0) ++deadlines[{record.header.deadline, std::string(key)}];
    return true;
  });
  view.for_each_created_before({}, [&](EventId id, std::string_view key) {
    --created[{id.revision, std::string(key)}];
    return true;
  });
  view.for_each_due(UINT64_MAX, [&](UnixMillis deadline, std::string_view key) {
    --deadlines[{deadline, std::string(key)}];
    return true;
  });
  EXPECT_EQ(view.applied_state().key_count, count);
  for (const auto& [row, balance] : created) EXPECT_EQ(balance, 0) << "created " << row.second;
  for (const auto& [row, balance] : deadlines) EXPECT_EQ(balance, 0) << "deadlines " << row.second;
}

}  // namespace kvorum::storage
