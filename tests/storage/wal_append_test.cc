#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/storage/wal_testing.h"

namespace kvorum::storage {
namespace {

using ::testing::HasSubstr;
using Operation = FaultFileSystem::Operation;

class WalAppend : public ::testing::Test {
 protected:
  void open(uint64_t after = 0) {
    log_.wal.reset();
    log_ = open_log(files_, after);
    ASSERT_TRUE(log_.wal) << log_.error;
  }
  Wal& wal() { return *log_.wal; }
  // What a fresh start finds.
  LogState reopened(uint64_t after = 0) {
    open(after);
    return log_.wal ? state_of(log_.recovery) : LogState{};
  }
  // Entries `first` to `last`, each of a size of which a segment holds about six.
  void fill(uint64_t first, uint64_t last, uint64_t term = 1) {
    for (uint64_t i = first; i <= last; ++i) {
      append(wal(), {make_entry(term, i, std::string(1500, 'v'))});
    }
  }

  FaultFileSystem files_;
  OpenLog log_;
};

TEST_F(WalAppend, NewLogIsEmpty) {
  open();
  EXPECT_EQ(state_of(log_.recovery), LogState{});
  EXPECT_EQ(log_.recovery.torn_bytes, 0U);
  EXPECT_EQ(wal().segments(), 1U);
}

TEST_F(WalAppend, FindsEntriesAndHardStateAgain) {
  open();
  append(wal(), {make_entry(1, 1, "a"), make_entry(1, 2, "")}, make_hard_state(1, 7, 0));
  append(wal(), {make_entry(2, 3, std::string(3000, '\0'))});
  append(wal(), {}, make_hard_state(3, 8, 2));
  LogState expected;
  expected.append(
      {make_entry(1, 1, "a"), make_entry(1, 2, ""), make_entry(2, 3, std::string(3000, '\0'))},
      make_hard_state(3, 8, 2));
  EXPECT_EQ(reopened(), expected);
  EXPECT_EQ(reopened(), expected) << "opening changed the log";
}

TEST_F(WalAppend, ManyBatchesAreOneWriteAndOneSync) {
  open();
  append(wal(), {make_entry(1, 1)});
  std::vector<raft::EntryPtr> first{make_entry(1, 2)};
  std::vector<raft::EntryPtr> second{make_entry(1, 3), make_entry(1, 4)};
  const WalBatch batches[] = {{make_hard_state(1, 1, 0), first}, {std::nullopt, second}};
  const uint64_t writes = files_.count(Operation::kWrite);
  const uint64_t syncs = files_.count(Operation::kSync);
  const uint64_t operations = files_.operations();
  auto outcome = wal().append(batches);
  ASSERT_TRUE(outcome && *outcome == AppendOutcome::kWritten);
  EXPECT_EQ(files_.count(Operation::kWrite), writes + 1);
  EXPECT_EQ(files_.count(Operation::kSync), syncs + 1);
  EXPECT_EQ(files_.operations(), operations + 2);
  EXPECT_EQ(reopened().entries.size(), 4U);
}

TEST_F(WalAppend, NothingToAppendTouchesNothing) {
  open();
  const uint64_t operations = files_.operations();
  append(wal(), {});
  EXPECT_EQ(files_.operations(), operations);
}

TEST_F(WalAppend, EntryAtOrBeforeTheLastReplacesAllThatFollows) {
  open();
  for (uint64_t i = 1; i <= 5; ++i) append(wal(), {make_entry(1, i)});
  append(wal(), {make_entry(2, 3, "new")}, make_hard_state(2, 0, 2));
  LogState expected;
  expected.append({make_entry(1, 1), make_entry(1, 2), make_entry(2, 3, "new")},
                  make_hard_state(2, 0, 2));
  EXPECT_EQ(reopened(), expected);
  append(wal(), {make_entry(2, 4)});
  expected.append({make_entry(2, 4)}, {});
  EXPECT_EQ(reopened(), expected);
}

TEST_F(WalAppend, ReplacesAcrossSegments) {
  open();
  fill(1, 20);
  EXPECT_GT(wal().segments(), 2U);
  fill(4, 6, 2);
  LogState state = reopened();
  EXPECT_EQ(state.entries.size(), 6U);
  EXPECT_EQ(state.entries[3].first, 1U);
  EXPECT_EQ(state.entries[4].first, 2U);
}

TEST_F(WalAppend, FrameLargerThanASegmentGetsOneOfItsOwn) {
  open();
  append(wal(), {make_entry(1, 1, std::string(100'000, 'x'))});
  EXPECT_EQ(wal().segments(), 2U);
  append(wal(), {make_entry(1, 2, "small")});
  EXPECT_EQ(wal().segments(), 3U);
  LogState state = reopened();
  EXPECT_EQ(state.entries[1].second, std::string(100'000, 'x'));
  EXPECT_EQ(state.entries[2].second, "small");
}

TEST_F(WalAppend, FillsASegmentToItsLastSector) {
  open();
  // 16 KiB: 8 sectors of header, 1 of the first frame, 23 left.
  append(wal(), {make_entry(1, 1, std::string(22 * 508, 'x'))});
  EXPECT_EQ(wal().segments(), 1U);
  EXPECT_EQ(wal().bytes(), 16U << 10);
  EXPECT_EQ(reopened().entries.size(), 1U);
  append(wal(), {make_entry(1, 2)});
  EXPECT_EQ(wal().segments(), 2U);
  EXPECT_EQ(reopened().entries.size(), 2U);
}

TEST_F(WalAppend, EntriesTheStoreHoldsAreNotKept) {
  open();
  fill(1, 20);
  open(15);
  EXPECT_EQ(log_.recovery.compacted, raft::Index(15));
  EXPECT_EQ(log_.recovery.compacted_term, raft::Term(1));
  ASSERT_EQ(log_.recovery.entries.size(), 5U);
  EXPECT_EQ(log_.recovery.entries[0]->id.index, raft::Index(16));
  fill(21, 21);
  EXPECT_EQ(reopened(15).entries.size(), 6U);
}

TEST_F(WalAppend, CompactingRemovesWholeSegmentsOnly) {
  open();
  append(wal(), {}, make_hard_state(4, 9, 0));
  fill(1, 20);
  const size_t before = wal().segments();
  const uint64_t bytes_before = wal().bytes();
  ASSERT_TRUE(wal().compact(raft::Index(1)));
  EXPECT_EQ(wal().segments(), before);
  ASSERT_TRUE(wal().compact(raft::Index(10)));
  EXPECT_LT(wal().segments(), before);
  EXPECT_LT(wal().bytes(), bytes_before);
  EXPECT_FALSE(files_.exists(segment_path(1)));
  LogState state = reopened(10);
  EXPECT_EQ(state.entries.size(), 10U);
  EXPECT_EQ(state.hard_state, make_hard_state(4, 9, 0)) << "the hard state went with its segment";
}

TEST_F(WalAppend, CompactingKeepsTheSegmentInUse) {
  open();
  fill(1, 20);
  ASSERT_TRUE(wal().compact(raft::Index(20)));
  EXPECT_EQ(wal().segments(), 1U);
  EXPECT_EQ(reopened(20).entries.size(), 0U);
  fill(21, 22);
  EXPECT_EQ(reopened(20).entries.size(), 2U);
}

TEST_F(WalAppend, CompactingWaitsForEntriesThatWereReplaced) {
  open();
  fill(1, 20);
  fill(3, 4, 2);
  const size_t before = wal().segments();
  ASSERT_TRUE(wal().compact(raft::Index(4)));
  EXPECT_EQ(wal().segments(), before);
  EXPECT_EQ(reopened(4).entries.size(), 0U);
}

TEST_F(WalAppend, SegmentBegunAmongReplacedEntriesStandsAlone) {
  open();
  fill(1, 6);
  fill(7, 20);
  fill(8, 30, 2);
  ASSERT_TRUE(wal().compact(raft::Index(20)));
  LogState state = reopened(20);
  EXPECT_EQ(state.entries.size(), 10U);
  EXPECT_EQ(state.entries[21].first, 2U);
}

TEST_F(WalAppend, ResetBeginsAnewBehindTheSnapshot) {
  open();
  fill(1, 20);
  ASSERT_TRUE(wal().reset({raft::Term(7), raft::Index(500)}, make_hard_state(7, 2, 500)));
  EXPECT_EQ(wal().segments(), 1U);
  fill(501, 502, 7);
  LogState state = reopened(500);
  EXPECT_EQ(state.hard_state, make_hard_state(7, 2, 500));
  EXPECT_EQ(log_.recovery.compacted_term, raft::Term(7));
  ASSERT_EQ(state.entries.size(), 2U);
  EXPECT_EQ(state.entries.begin()->first, 501U);
}

TEST_F(WalAppend, ResetMayGoBack) {
  open();
  fill(1, 20);
  ASSERT_TRUE(wal().reset({raft::Term(7), raft::Index(5)}, make_hard_state(7, 2, 5)));
  EXPECT_TRUE(reopened(5).entries.empty());
  fill(6, 6, 7);
  EXPECT_EQ(reopened(5).entries.size(), 1U);
}

TEST_F(WalAppend, LogBehindTheStoreIsBegunAnew) {
  open();
  append(wal(), {make_entry(1, 1)}, make_hard_state(3, 2, 1));
  open(100);
  EXPECT_EQ(log_.recovery.compacted, raft::Index(100));
  EXPECT_EQ(log_.recovery.compacted_term, raft::Term(0));
  EXPECT_TRUE(log_.recovery.entries.empty());
  EXPECT_EQ(log_.recovery.hard_state, make_hard_state(3, 2, 1));
  append(wal(), {make_entry(3, 101)});
  LogState state = reopened(100);
  EXPECT_EQ(state.hard_state, make_hard_state(3, 2, 1));
  EXPECT_EQ(state.entries.size(), 1U);
}

TEST_F(WalAppend, FullDiskLeavesTheLogAsItWas) {
  open();
  files_.set_capacity(16 << 10);
  uint64_t index = 1;
  for (;; ++index) {
    auto outcome = try_append(wal(), {make_entry(1, index, std::string(1500, 'v'))});
    ASSERT_TRUE(outcome) << outcome.error().message;
    if (*outcome == AppendOutcome::kDiskFull) break;
  }
  ASSERT_GT(index, 3U);
  EXPECT_EQ(reopened().entries.size(), index - 1);
  auto again = try_append(wal(), {make_entry(1, index, std::string(1500, 'v'))});
  ASSERT_TRUE(again && *again == AppendOutcome::kDiskFull);
  files_.set_capacity(UINT64_MAX);
  fill(index, index + 10);
  EXPECT_EQ(reopened().entries.size(), index + 10);
}

TEST_F(WalAppend, FullDiskFoundAtAnyStepOfANewSegmentLeavesTheLogAsItWas) {
  for (Operation step : {Operation::kCreate, Operation::kAllocate, Operation::kWrite,
                         Operation::kSync, Operation::kRename}) {
    log_.wal.reset();
    files_ = FaultFileSystem();
    open();
    append(wal(), {make_entry(1, 1, std::string(10'000, 'v'))});
    files_.fail(step, 1, ENOSPC);
    auto outcome = try_append(wal(), {make_entry(1, 2, std::string(2000, 'v'))});
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_EQ(*outcome, AppendOutcome::kDiskFull);
    append(wal(), {make_entry(1, 2, "other")});
    LogState state = reopened();
    EXPECT_EQ(state.entries.size(), 2U);
    EXPECT_EQ(state.entries[2].second, "other");
  }
}

TEST_F(WalAppend, FullDiskFoundWhileWritingTakesTheWriteBack) {
  open();
  append(wal(), {make_entry(1, 1)});
  const std::string before = files_.contents(segment_path(1));
  files_.fail(Operation::kWrite, 1, ENOSPC);
  auto outcome = try_append(wal(), {make_entry(1, 2, std::string(3000, 'x'))});
  ASSERT_TRUE(outcome && *outcome == AppendOutcome::kDiskFull);
  EXPECT_EQ(files_.contents(segment_path(1)), before);
  append(wal(), {make_entry(1, 2, "second")});
  files_.crash(1);
  EXPECT_EQ(reopened().entries[2].second, "second");
}

TEST_F(WalAppend, SmallFramesAreWrittenIntoZeros) {
  open();
  append(wal(), {make_entry(1, 1)});
  const uint64_t writes = files_.count(Operation::kWrite);
  // The rest of the segment is zeros by now, so each is one write.
  for (uint64_t i = 2; i <= 5; ++i) append(wal(), {make_entry(1, i)});
  EXPECT_EQ(files_.count(Operation::kWrite), writes + 4);
  files_.crash(1);
  EXPECT_EQ(reopened().entries.size(), 5U);
}

TEST_F(WalAppend, LargeFramesAreWrittenOnce) {
  log_ = open_log(files_, 0, 1 << 20);
  const uint64_t writes = files_.count(Operation::kWrite);
  for (uint64_t i = 1; i <= 3; ++i) append(wal(), {make_entry(1, i, std::string(100'000, 'x'))});
  EXPECT_EQ(files_.count(Operation::kWrite), writes + 3);
  append(wal(), {make_entry(1, 4)});
  EXPECT_EQ(files_.count(Operation::kWrite), writes + 5);
}

TEST_F(WalAppend, NoRoomForZerosIsNoReasonToRefuseAFrame) {
  open();
  files_.fail(Operation::kWrite, 1, ENOSPC);
  append(wal(), {make_entry(1, 1)});
  append(wal(), {make_entry(1, 2)});
  files_.crash(1);
  EXPECT_EQ(reopened().entries.size(), 2U);
}

TEST_F(WalAppend, ZerosThatCantBeWrittenForAnotherReasonAreFatal) {
  open();
  files_.fail(Operation::kWrite, 1, EIO);
  EXPECT_FALSE(try_append(wal(), {make_entry(1, 1)}));
  EXPECT_FALSE(try_append(wal(), {make_entry(1, 1)}));
}

TEST_F(WalAppend, WriteThatCantBeTakenBackIsFatal) {
  open();
  append(wal(), {make_entry(1, 1)});
  files_.fail(Operation::kWrite, 1, ENOSPC);
  files_.fail(Operation::kWrite, 2, EIO);
  EXPECT_FALSE(try_append(wal(), {make_entry(1, 2)}));
  EXPECT_FALSE(try_append(wal(), {make_entry(1, 2)}));
}

TEST_F(WalAppend, ResetFindsRoomForItsOneFrameOnAFullDisk) {
  open();
  fill(1, 3);
  files_.set_capacity((16 << 10) + 8192);
  ASSERT_TRUE(wal().reset({raft::Term(7), raft::Index(500)}, make_hard_state(7, 2, 500)));
  auto outcome = try_append(wal(), {make_entry(7, 501)});
  ASSERT_TRUE(outcome);
  EXPECT_EQ(*outcome, AppendOutcome::kWritten) << "the segments that were removed made room";
  EXPECT_EQ(reopened(500).entries.size(), 1U);
}

TEST_F(WalAppend, AfterAFailedWriteOrSyncNothingIsTriedAgain) {
  for (Operation step : {Operation::kWrite, Operation::kSync}) {
    log_.wal.reset();
    files_ = FaultFileSystem();
    open();
    files_.fail(step, 1, EIO);
    auto outcome = try_append(wal(), {make_entry(1, 1)});
    ASSERT_FALSE(outcome);
    EXPECT_THAT(outcome.error().message, HasSubstr(segment_path(1)));
    const uint64_t operations = files_.operations();
    EXPECT_FALSE(try_append(wal(), {make_entry(1, 1)}));
    EXPECT_FALSE(wal().compact(raft::Index(1)));
    EXPECT_FALSE(wal().reset({}, {}));
    EXPECT_EQ(files_.operations(), operations);
  }
}

TEST_F(WalAppend, WhatIsReportedAfterAFailedSyncSurvivesAPowerCut) {
  open();
  append(wal(), {make_entry(1, 1)});
  files_.fail(Operation::kSync, 1, EIO);
  ASSERT_FALSE(try_append(wal(), {make_entry(1, 2, std::string(2000, 'x'))}));
  files_.restart();
  // The kernel shows the entry although the disk never got it.
  LogState state = reopened();
  ASSERT_EQ(state.entries.size(), 2U);
  for (uint64_t seed = 0; seed < 20; ++seed) {
    files_.crash(seed);
    EXPECT_EQ(reopened(), state);
  }
}

TEST(WalAppendDeath, GapInTheCallersEntriesIsABug) {
  FaultFileSystem files;
  OpenLog log = open_log(files);
  EXPECT_DEATH((void)try_append(*log.wal, {make_entry(1, 2)}), "does not follow");
}

}  // namespace
}  // namespace kvorum::storage
