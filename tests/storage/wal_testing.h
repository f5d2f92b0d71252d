// What the tests of the write-ahead log share: short ways to make entries and open logs, and a
// model of what a log holds.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/wal.h"
#include "tests/storage/fault_file_system.h"

namespace kvorum::storage {

inline constexpr const char* kFolder = "wal";
inline constexpr uint64_t kLogId = 0x1234567890abcdef;

raft::EntryPtr make_entry(uint64_t term, uint64_t index, std::string data = "data");
raft::HardState make_hard_state(uint64_t term, uint64_t vote, uint64_t commit);

// The path of a segment by its number.
std::string segment_path(uint64_t sequence);

struct OpenLog {
  std::unique_ptr<Wal> wal;  // null when open failed
  WalRecovery recovery;
  std::string error;
};
OpenLog open_log(FileSystem& files, uint64_t after = 0, uint64_t segment_bytes = 16 << 10);

// Appends as one batch. Fails the test unless durable.
void append(Wal& wal, std::vector<raft::EntryPtr> entries,
            std::optional<raft::HardState> hard_state = {});
Result<AppendOutcome> try_append(Wal& wal, std::vector<raft::EntryPtr> entries,
                                 std::optional<raft::HardState> hard_state = {});

// What a log should hold: hard state, and each index with its term and data.
struct LogState {
  raft::HardState hard_state;
  std::map<uint64_t, std::pair<uint64_t, std::string>> entries;

  void append(const std::vector<raft::EntryPtr>& added, std::optional<raft::HardState> state);
  // Without what is at or below `index`.
  LogState after(uint64_t index) const;
  std::string to_string() const;
  bool operator==(const LogState&) const = default;
};
LogState state_of(const WalRecovery& recovery);

}  // namespace kvorum::storage
