// What is not as it was written is refused or, where it was never acknowledged, cut off. A log that
// opens after damage holds everything that was acknowledged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "storage/wal_format.h"
#include "tests/storage/wal_testing.h"

namespace kvorum::storage {
namespace {

using ::testing::HasSubstr;
using wal::kSectorBytes;
using wal::kSegmentHeaderBytes;

// The first frame of a segment takes a sector, each of these entries two.
constexpr uint64_t kFirstEntryAt = kSegmentHeaderBytes + kSectorBytes;
constexpr uint64_t kEntryBytes = 2 * kSectorBytes;

raft::EntryPtr two_sector_entry(uint64_t index) {
  return make_entry(1, index, std::string(700, static_cast<char>('a' + index)));
}

class WalDamage : public ::testing::Test {
 protected:
  static constexpr uint64_t kSegmentBytes = 10 << 10;

  // A log of entries 1 to `count`, each a frame of two sectors.
  void make_log(uint64_t count) {
    OpenLog log = open_log(files_, 0, kSegmentBytes);
    ASSERT_TRUE(log.wal) << log.error;
    for (uint64_t i = 1; i <= count; ++i) {
      const std::vector<raft::EntryPtr> entries{two_sector_entry(i)};
      append(*log.wal, entries);
      state_.append(entries, {});
    }
    segments_ = log.wal->segments();
    newest_ = segment_path(segments_);
    bytes_ = files_.contents(newest_);
  }
  void write_newest(const std::string& bytes) { files_.replace(newest_, bytes); }
  OpenLog open() { return open_log(files_, 0, kSegmentBytes); }

  void expect_refused(std::string_view part) {
    const std::string before = files_.contents(newest_);
    OpenLog log = open();
    ASSERT_FALSE(log.wal) << "opened: " << state_of(log.recovery).to_string();
    EXPECT_THAT(log.error, HasSubstr(std::string(part)));
    EXPECT_EQ(files_.contents(newest_), before) << "a log that was refused was changed";
  }
  // The log without its last entry, as if it had never been written.
  void expect_last_cut() {
    OpenLog log = open();
    ASSERT_TRUE(log.wal) << log.error;
    LogState expected = state_;
    expected.entries.erase(std::prev(expected.entries.end()));
    EXPECT_EQ(state_of(log.recovery), expected);
  }

  FaultFileSystem files_;
  LogState state_;
  size_t segments_ = 0;
  std::string newest_;
  std::string bytes_;
};

TEST_F(WalDamage, EveryFlippedBitIsHarmlessOrRefused) {
  make_log(2);
  ASSERT_EQ(segments_, 1U);
  uint64_t refused = 0;
  for (size_t at = 0; at < bytes_.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes_;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      write_newest(damaged);
      OpenLog log = open();
      if (!log.wal) {
        ++refused;
        ASSERT_THAT(log.error, HasSubstr(newest_));
        continue;
      }
      ASSERT_EQ(state_of(log.recovery), state_) << "byte " << at << " bit " << bit;
      ASSERT_GE(at, kFirstEntryAt + 2 * kEntryBytes) << "damage in what was written went unseen";
    }
  }
  EXPECT_GE(refused, 8 * (kFirstEntryAt + 2 * kEntryBytes));
}

TEST_F(WalDamage, EveryFlippedByteOfAnOlderSegmentIsHarmlessOrRefused) {
  make_log(6);
  ASSERT_EQ(segments_, 2U);
  const std::string path = segment_path(1);
  const std::string intact = files_.contents(path);
  for (size_t at = 0; at < intact.size(); ++at) {
    std::string damaged = intact;
    damaged[at] = static_cast<char>(~damaged[at]);
    files_.replace(path, damaged);
    OpenLog log = open();
    if (log.wal) {
      ASSERT_EQ(state_of(log.recovery), state_) << "byte " << at;
    }
  }
}

TEST_F(WalDamage, EveryFlippedByteOfATornTailIsCutOrRefused) {
  make_log(3);
  LogState acknowledged = state_;
  acknowledged.entries.erase(3);
  const uint64_t last_at = kFirstEntryAt + 2 * kEntryBytes;
  for (uint64_t lost : {last_at, last_at + kSectorBytes}) {
    std::string torn = bytes_;
    torn.replace(lost, kSectorBytes, kSectorBytes, '\0');
    for (size_t at = last_at; at < torn.size(); ++at) {
      std::string damaged = torn;
      damaged[at] = static_cast<char>(~damaged[at]);
      write_newest(damaged);
      OpenLog log = open();
      if (log.wal) {
        ASSERT_EQ(state_of(log.recovery), acknowledged) << "byte " << at;
      }
    }
  }
}

TEST_F(WalDamage, FileCutAnywhereIsRefused) {
  make_log(2);
  for (size_t size = 0; size < bytes_.size(); ++size) {
    write_newest(bytes_.substr(0, size));
    OpenLog log = open();
    ASSERT_FALSE(log.wal) << size;
    ASSERT_THAT(log.error, HasSubstr(newest_));
  }
  write_newest(bytes_ + "x");
  expect_refused("was made with");
}

TEST_F(WalDamage, AnySubsetOfTheLastFramesSectorsIsATornTail) {
  OpenLog log = open();
  append(*log.wal, {two_sector_entry(1)});
  const std::string before = files_.contents(segment_path(1));
  append(*log.wal, {make_entry(1, 2, std::string(1800, 'x'))});
  log.wal.reset();
  const std::string after = files_.contents(segment_path(1));
  constexpr unsigned kSectors = 4;
  const uint64_t at = kFirstEntryAt + kEntryBytes;
  ASSERT_NE(before.substr(at + 3 * kSectorBytes), after.substr(at + 3 * kSectorBytes));
  for (unsigned written = 0; written < 1U << kSectors; ++written) {
    std::string bytes = before;
    uint64_t torn_end = at;
    for (unsigned i = 0; i < kSectors; ++i) {
      if ((written >> i & 1) == 0) continue;
      bytes.replace(at + i * kSectorBytes, kSectorBytes, after, at + i * kSectorBytes,
                    kSectorBytes);
      torn_end = at + (i + 1) * kSectorBytes;
    }
    files_.replace(segment_path(1), bytes);
    log = open();
    ASSERT_TRUE(log.wal) << log.error;
    const bool whole = written == (1U << kSectors) - 1;
    EXPECT_EQ(log.recovery.entries.size(), whole ? 2U : 1U) << written;
    EXPECT_EQ(log.recovery.torn_bytes, whole ? 0 : torn_end - at) << written;
    EXPECT_EQ(files_.contents(segment_path(1)), whole ? after : before);
    // What follows is found; nothing of the torn write mixes in.
    append(*log.wal, {make_entry(2, whole ? 3 : 2, "next")});
    log.wal.reset();
    EXPECT_EQ(open().recovery.entries.back()->data, "next");
  }
}

TEST_F(WalDamage, SectorCopiedInPartByAKilledProcessIsATornTail) {
  make_log(2);
  const uint64_t last_at = kFirstEntryAt + kEntryBytes;
  for (size_t copied : {1UL, 4UL, 100UL, 508UL, 512UL, 513UL, 1019UL, 1020UL}) {
    std::string bytes = bytes_;
    bytes.replace(last_at + copied, kEntryBytes - copied, kEntryBytes - copied, '\0');
    write_newest(bytes);
    SCOPED_TRACE(copied);
    expect_last_cut();
  }
}

TEST_F(WalDamage, FrameLostWhileLaterOnesAreThereIsRefused) {
  make_log(4);
  for (uint64_t lost : {kSectorBytes, kEntryBytes}) {
    std::string bytes = bytes_;
    bytes.replace(kFirstEntryAt + kEntryBytes, lost, lost, '\0');
    write_newest(bytes);
    expect_refused("something was written behind it");
  }
}

TEST_F(WalDamage, FrameLostAtTheEndOfAnOlderSegmentIsRefused) {
  make_log(6);
  ASSERT_EQ(segments_, 2U);
  std::string bytes = files_.contents(segment_path(1));
  // Segment one: header, first frame, entries 1 to 5, and one sector that is left.
  const uint64_t last_at = kFirstEntryAt + 4 * kEntryBytes;
  bytes.replace(last_at, kEntryBytes, kEntryBytes, '\0');
  files_.replace(segment_path(1), bytes);
  expect_refused("the next segment begins with frame 7");
  EXPECT_THAT(open().error, HasSubstr(segment_path(1)));
}

TEST_F(WalDamage, UnfinishedFrameInAnOlderSegmentIsRefused) {
  make_log(6);
  std::string bytes = files_.contents(segment_path(1));
  const uint64_t last_at = kFirstEntryAt + 4 * kEntryBytes;
  bytes.replace(last_at + kSectorBytes, kSectorBytes, kSectorBytes, '\0');
  files_.replace(segment_path(1), bytes);
  expect_refused(segment_path(1) + ": damaged");
  EXPECT_THAT(open().error, HasSubstr("frame 6 should be here"));
}

TEST_F(WalDamage, SectorOfAnotherPlaceIsRefused) {
  make_log(4);
  std::string bytes = bytes_;
  // Entry 3's second sector, misplaced over entry 2's.
  bytes.replace(kFirstEntryAt + kEntryBytes + kSectorBytes, kSectorBytes, bytes_,
                kFirstEntryAt + 2 * kEntryBytes + kSectorBytes, kSectorBytes);
  write_newest(bytes);
  expect_refused("is not of frame 3");
}

TEST_F(WalDamage, FrameCopiedFromAnotherSegmentIsRefused) {
  make_log(6);
  std::string older = files_.contents(segment_path(1));
  std::string bytes = bytes_;
  bytes.replace(kFirstEntryAt, kEntryBytes, older, kFirstEntryAt, kEntryBytes);
  write_newest(bytes);
  expect_refused("no frame begins here");
}

TEST_F(WalDamage, IntactFrameWithSenselessRecordsIsRefused) {
  make_log(1);
  wal::FrameBuilder builder;
  builder.add(*make_entry(1, 5));
  const wal::SegmentHeader header{kLogId, 1, 1, kSegmentBytes};
  std::string bytes = bytes_;
  std::string_view frame = builder.seal(header.salt(), 3);
  bytes.replace(kFirstEntryAt + kEntryBytes, frame.size(), frame);
  write_newest(bytes);
  expect_refused("entry 5 does not follow entry 1");
}

TEST_F(WalDamage, SegmentWithoutItsFirstFrameIsRefused) {
  make_log(0);
  std::string bytes = bytes_;
  bytes.replace(kSegmentHeaderBytes, kSectorBytes, kSectorBytes, '\0');
  write_newest(bytes);
  expect_refused("the first frame, which every segment has, is missing");
}

TEST_F(WalDamage, EmptySegmentFileIsRefused) {
  make_log(1);
  write_newest("");
  expect_refused("inside its header");
}

}  // namespace
}  // namespace kvorum::storage
