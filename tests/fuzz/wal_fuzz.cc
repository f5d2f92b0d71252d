// The reader of the write-ahead log against any bytes: opening gives an error or a log, and such a
// log takes an entry and gives it back. The first byte chooses what the rest stands for: a whole
// segment file, the frames of one, changes to a valid log, or the records of intact frames.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "storage/wal.h"
#include "storage/wal_format.h"
#include "storage/wal_replay.h"
#include "tests/storage/fault_file_system.h"

namespace kvorum::storage {
namespace {

constexpr uint64_t kSegmentBytes = 8 << 10;
constexpr uint64_t kLogId = 1;

std::string path_of(uint64_t sequence) {
  return "wal/" + wal::segment_name(sequence);
}

Result<std::unique_ptr<Wal>> open(FileSystem& files, WalRecovery& recovery) {
  return Wal::open(files, WalOptions{"wal", kSegmentBytes, kLogId}, raft::Index(), recovery);
}

raft::EntryPtr entry_at(raft::Index index, size_t bytes) {
  auto entry = std::make_shared<raft::Entry>();
  entry->id = {raft::Term(1), index};
  entry->data = std::string(bytes, 'x');
  return entry;
}

void append(Wal& wal, raft::Index index, size_t bytes) {
  const raft::EntryPtr entry = entry_at(index, bytes);
  const WalBatch batch{raft::HardState{}, {&entry, 1}};
  auto outcome = wal.append({&batch, 1});
  CHECK(outcome && *outcome == AppendOutcome::kWritten);
}

// Two segments with a few frames each.
std::vector<std::string> make_valid_log() {
  FaultFileSystem files;
  WalRecovery recovery;
  auto wal = open(files, recovery);
  CHECK(wal.has_value());
  for (uint64_t i = 1; i <= 4; ++i) append(**wal, raft::Index(i), 800);
  CHECK((*wal)->segments() == 2);
  return {files.contents(path_of(1)), files.contents(path_of(2))};
}

void check_contiguous(const std::vector<raft::EntryPtr>& entries, raft::Index after) {
  for (const auto& entry : entries) {
    CHECK(entry->id.index == after.next());
    ++after;
  }
}

void check_open(FaultFileSystem& files) {
  WalRecovery recovery;
  auto wal = open(files, recovery);
  if (!wal) {
    CHECK(!wal.error().message.empty());
    return;
  }
  check_contiguous(recovery.entries, raft::Index());
  const raft::Index next(recovery.entries.size() + 1);
  append(**wal, next, 2000);
  wal->reset();
  WalRecovery again;
  wal = open(files, again);
  CHECK(wal.has_value(), "{}", wal.error().message);
  CHECK(again.torn_bytes == 0);
  CHECK(again.entries.size() == recovery.entries.size() + 1);
}

void run_file(FaultFileSystem& files, std::string_view input) {
  files.replace(path_of(1), std::string(input));
  check_open(files);
}

void run_frames(FaultFileSystem& files, std::string_view input) {
  std::string bytes = wal::encode(wal::SegmentHeader{kLogId, 1, 1, kSegmentBytes});
  bytes.append(input.substr(0, kSegmentBytes - bytes.size()));
  bytes.resize(kSegmentBytes);
  files.replace(path_of(1), std::move(bytes));
  check_open(files);
}

// Each three bytes: where, and what to flip there.
void run_changes(FaultFileSystem& files, std::string_view input) {
  static const std::vector<std::string> kValid = make_valid_log();
  std::vector<std::string> segments = kValid;
  for (; input.size() >= 3; input.remove_prefix(3)) {
    const size_t at =
        static_cast<uint8_t>(input[0]) + (size_t{static_cast<uint8_t>(input[1])} << 8);
    std::string& segment = segments[at / kSegmentBytes % segments.size()];
    char& byte = segment[at % kSegmentBytes];
    byte = static_cast<char>(byte ^ input[2]);
  }
  for (size_t i = 0; i < segments.size(); ++i) files.replace(path_of(i + 1), segments[i]);
  check_open(files);
}

// Frames of up to 255 bytes with their length before them; 0 begins a segment.
void run_records(std::string_view input) {
  if (input.empty()) return;
  const raft::Index after(static_cast<uint8_t>(input[0]));
  wal::Replay replay(after);
  replay.begin_segment();
  ByteReader reader(input.substr(1));
  while (!reader.rest().empty()) {
    const uint8_t bytes = reader.u8();
    if (bytes == 0) {
      replay.begin_segment();
    } else if (!replay.apply(reader.raw(std::min<size_t>(bytes, reader.rest().size())))) {
      return;
    }
  }
  // A log that begins behind the store is refused before its entries are used.
  if (replay.compacted() > after) return;
  const raft::Index last = replay.last().index;
  std::vector<raft::EntryPtr> entries = replay.take_entries();
  check_contiguous(entries, after);
  CHECK(entries.size() == (last > after ? last - after : 0));
}

void run_any(std::string_view input) {
  FaultFileSystem files;
  CHECK(files.make_folder("wal").has_value());
  const std::string_view rest = input.substr(1);
  switch (static_cast<uint8_t>(input[0]) % 4) {
    case 0:
      return run_file(files, rest);
    case 1:
      return run_frames(files, rest);
    case 2:
      return run_changes(files, rest);
    default:
      return run_records(rest);
  }
}

}  // namespace
}  // namespace kvorum::storage

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0) kvorum::storage::run_any({reinterpret_cast<const char*>(data), size});
  return 0;
}
