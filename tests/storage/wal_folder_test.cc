// What may and may not be in the folder of a log.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "storage/wal_format.h"
#include "tests/storage/wal_testing.h"

namespace kvorum::storage {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class WalFolder : public ::testing::Test {
 protected:
  // Entries 1 to `last` over several segments.
  void make_log(uint64_t last) {
    OpenLog log = open_log(files_);
    ASSERT_TRUE(log.wal) << log.error;
    for (uint64_t i = 1; i <= last; ++i) {
      append(*log.wal, {make_entry(1, i, std::string(5000, 'x'))});
    }
    segments_ = log.wal->segments();
  }
  std::string error(uint64_t after = 0) {
    OpenLog log = open_log(files_, after);
    EXPECT_FALSE(log.wal);
    return log.error;
  }

  FaultFileSystem files_;
  size_t segments_ = 0;
};

TEST_F(WalFolder, MissingSegmentIsNamed) {
  make_log(10);
  ASSERT_GE(segments_, 4U);
  files_.erase(segment_path(2));
  EXPECT_THAT(error(), AllOf(HasSubstr(segment_path(2)), HasSubstr("is missing")));
}

TEST_F(WalFolder, MissingOldestSegmentIsAGapUnlessTheStoreHasIt) {
  make_log(10);
  files_.erase(segment_path(1));
  EXPECT_THAT(error(), HasSubstr("entries 1 to 2 are missing between the store"));
  EXPECT_THAT(error(1), HasSubstr("entries 2 to 2 are missing between the store"));
  OpenLog log = open_log(files_, 2);
  ASSERT_TRUE(log.wal) << log.error;
  EXPECT_EQ(log.recovery.entries.size(), 8U);
}

TEST_F(WalFolder, MissingSegmentIsNoGapWhenTheRestReplacesItsEntries) {
  make_log(3);
  ASSERT_EQ(segments_, 2U);
  {
    OpenLog log = open_log(files_);
    append(*log.wal, {make_entry(2, 2)});
    ASSERT_EQ(log.wal->segments(), 2U);
  }
  files_.erase(segment_path(1));
  EXPECT_THAT(error(), HasSubstr("entries 1 to 1 are missing"));
  OpenLog log = open_log(files_, 1);
  ASSERT_TRUE(log.wal) << log.error;
  ASSERT_EQ(log.recovery.entries.size(), 1U);
  EXPECT_EQ(log.recovery.entries[0]->id, (raft::EntryId{raft::Term(2), raft::Index(2)}));
}

TEST_F(WalFolder, EmptyLogBesideAStoreThatIsNotIsRefused) {
  EXPECT_THAT(error(7), AllOf(HasSubstr("the write-ahead log is empty"),
                              HasSubstr("the store holds entries up to 7")));
}

TEST_F(WalFolder, RestoredStoreGetsANewLogByReset) {
  OpenLog log = open_log(files_);
  ASSERT_TRUE(log.wal->reset({raft::Term(3), raft::Index(7)}, make_hard_state(3, 0, 7)));
  log = open_log(files_, 7);
  ASSERT_TRUE(log.wal) << log.error;
  EXPECT_EQ(log.recovery.hard_state, make_hard_state(3, 0, 7));
}

TEST_F(WalFolder, ForeignFileIsNamed) {
  make_log(2);
  for (const char* name : {"wal/notes.txt", "wal/0000000000000001.wal.bak", "wal/1.wal"}) {
    files_.replace(name, "x");
    EXPECT_THAT(error(), AllOf(HasSubstr(name), HasSubstr("move it out")));
    files_.erase(name);
  }
  ASSERT_TRUE(files_.make_folder("wal/lost+found"));
  EXPECT_EQ(open_log(files_).recovery.entries.size(), 2U);
}

TEST_F(WalFolder, UnfinishedSegmentIsRemoved) {
  make_log(2);
  const std::string unfinished = segment_path(9) + ".new";
  files_.replace(unfinished, "half of a segment");
  OpenLog log = open_log(files_);
  ASSERT_TRUE(log.wal) << log.error;
  EXPECT_FALSE(files_.exists(unfinished));
  EXPECT_EQ(log.recovery.entries.size(), 2U);
}

TEST_F(WalFolder, SegmentOfANewerVersionIsNamed) {
  make_log(2);
  std::string bytes = files_.contents(segment_path(1));
  put_u32_le(bytes.data() + 8, 2);
  const size_t covered = wal::kSegmentHeaderBytes - 4;
  put_u32_le(bytes.data() + covered, crc32c(std::string_view(bytes).substr(0, covered)));
  files_.replace(segment_path(1), bytes);
  EXPECT_THAT(error(), AllOf(HasSubstr(segment_path(1)), HasSubstr("its format is version 2"),
                             HasSubstr("start the version of kvorum that wrote it")));
}

TEST_F(WalFolder, SegmentUnderAnotherNameIsRefused) {
  make_log(4);
  const std::string last = segment_path(segments_);
  const std::string bytes = files_.contents(last);
  files_.replace(segment_path(segments_ + 1), bytes);
  EXPECT_THAT(error(), HasSubstr("by its header this is " + wal::segment_name(segments_)));
}

TEST_F(WalFolder, SegmentOfAnotherNodeIsRefused) {
  make_log(4);
  FaultFileSystem other;
  WalRecovery recovery;
  {
    auto log = Wal::open(other, WalOptions{kFolder, 16 << 10, kLogId + 1}, raft::Index(), recovery);
    for (uint64_t i = 1; i <= 4; ++i) {
      append(**log, {make_entry(1, i, std::string(5000, 'x'))});
    }
  }
  files_.replace(segment_path(2), other.contents(segment_path(2)));
  EXPECT_THAT(error(), AllOf(HasSubstr(segment_path(2)), HasSubstr("another node's log")));
}

TEST_F(WalFolder, FolderThatCantBeMadeIsAnError) {
  OpenLog log;
  auto opened =
      Wal::open(files_, WalOptions{"no/such/wal", 16 << 10, kLogId}, raft::Index(), log.recovery);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("no/such/wal"));
}

TEST_F(WalFolder, DiskWithoutRoomForTheFirstSegmentIsAnError) {
  files_.set_capacity(1000);
  EXPECT_THAT(error(), HasSubstr("no room"));
  files_.set_capacity(UINT64_MAX);
  EXPECT_TRUE(open_log(files_).wal);
}

TEST_F(WalFolder, ReadErrorIsReportedNotTakenForAnEnd) {
  make_log(4);
  OpenLog log;
  uint64_t failures = 0;
  for (uint64_t nth = 1;; ++nth) {
    files_.restart();
    const uint64_t before = files_.count(FaultFileSystem::Operation::kRead);
    files_.fail(FaultFileSystem::Operation::kRead, nth, EIO);
    log = open_log(files_);
    if (files_.count(FaultFileSystem::Operation::kRead) - before < nth) break;
    ASSERT_FALSE(log.wal);
    EXPECT_THAT(log.error, HasSubstr("read wal/"));
    ++failures;
  }
  EXPECT_GT(failures, 4U);
  ASSERT_TRUE(log.wal) << log.error;
  EXPECT_EQ(log.recovery.entries.size(), 4U);
}

}  // namespace
}  // namespace kvorum::storage
