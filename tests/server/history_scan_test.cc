#include "server/history_scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/splitmix64.h"
#include "command/batch.h"
#include "command/executor.h"
#include "server/stream_id.h"
#include "tests/command/command_fixture.h"
#include "tests/command/memory_store.h"

namespace kvorum::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Stop = HistoryScan::Stop;

constexpr size_t kWhole = 1 << 30;
constexpr EventId kBeginning;

// A reader that gives its picture up after some rows.
class FickleReader final : public storage::Reader, public storage::View {
 public:
  FickleReader(storage::View& view, size_t rows) : view_(view), rows_(rows) {}

  storage::View& begin() override { return *this; }
  void end() override {}
  bool consistent() const override { return rows_ > 0; }

  void for_each_history(EventId after, const VisitHistory& visit) override {
    view_.for_each_history(after, count(visit));
  }
  void for_each_history_back(EventId before, const VisitHistory& visit) override {
    view_.for_each_history_back(before, count(visit));
  }
  const storage::AppliedState& applied_state() override { return view_.applied_state(); }

  std::optional<storage::Record> get(std::string_view key) override { return view_.get(key); }
  std::optional<storage::KeyHeader> header(std::string_view key) override {
    return view_.header(key);
  }
  void for_each(std::string_view prefix, const Visit& visit) override {
    view_.for_each(prefix, visit);
  }
  void for_each_created_before(std::optional<EventId> before, const VisitCreated& visit) override {
    view_.for_each_created_before(before, visit);
  }
  void for_each_due(UnixMillis now, const VisitDue& visit) override {
    view_.for_each_due(now, visit);
  }
  UnixMillis first_deadline() override { return view_.first_deadline(); }
  std::optional<std::string> random_key(uint64_t random) override {
    return view_.random_key(random);
  }

 private:
  // The row at which the picture changes is of the later one.
  VisitHistory count(const VisitHistory& visit) {
    return [this, &visit](EventId first, std::string_view row) {
      if (rows_ > 0) --rows_;
      return visit(first, row);
    };
  }

  storage::View& view_;
  size_t rows_;
};

class HistoryScanTest : public ::testing::Test {
 protected:
  HistoryScanTest() { keep(1 << 20); }

  // Every revision is an entry, and has a row.
  void apply(std::string batch) {
    raft::Entry entry;
    entry.id = {raft::Term(1), raft::Index(++index_)};
    entry.kind = raft::EntryKind::kCommands;
    entry.stamp = index_;
    entry.data = std::move(batch);
    command::EventBatch events;
    storage::Transaction& transaction = writer_->begin();
    ASSERT_EQ(executor_.execute(entry, transaction, &events, {}, nullptr),
              command::Executed::kDone);
    ASSERT_TRUE(transaction.commit());
    for (const command::HistoryEvent& event : events) all_.push_back(event.id);
  }
  void run(std::vector<std::string_view> args) {
    command::BatchBuilder batch;
    batch.add(args);
    apply(batch.take());
  }
  // Several revisions in one row.
  void run_together(size_t revisions) {
    command::BatchBuilder batch;
    const std::vector<std::string_view> args = {"SET", "k", "v"};
    for (size_t i = 0; i < revisions; ++i) batch.add(args);
    apply(batch.take());
  }
  void keep(uint64_t bytes) {
    command::BatchBuilder policy;
    policy.add_history_policy(bytes, 0);
    apply(policy.take());
  }
  // Removes what is beyond as many bytes.
  void compact_to(uint64_t bytes) {
    keep(bytes);
    command::BatchBuilder trim;
    trim.add_expire_due(1'000'000);
    apply(trim.take());
    keep(1 << 20);
  }

  const storage::HistoryState& history() {
    state_ = store_.applied_state().history;
    return state_;
  }

  // One slice of what is wanted, into `got_`.
  Stop advance(HistoryScan& scan, size_t budget, size_t rows_until_fickle = kWhole) {
    auto reader = store_.new_reader();
    FickleReader view(reader->begin(), rows_until_fickle);
    const Stop stop = scan.advance(view, view, budget, [this](const command::HistoryEvent& event) {
      got_.push_back(event.id);
      return got_.size() < most_;
    });
    reader->end();
    return stop;
  }
  std::vector<std::string> got() const {
    std::vector<std::string> ids;
    for (EventId id : got_) ids.push_back(id.to_string());
    return ids;
  }

  command::testing::MemoryStore store_;
  std::unique_ptr<storage::Writer> writer_ = store_.new_writer();
  command::Executor executor_{command::testing::test_table()};
  uint64_t index_ = 0;
  storage::HistoryState state_;
  std::vector<EventId> all_;
  std::vector<EventId> got_;
  size_t most_ = kWhole;
};

TEST_F(HistoryScanTest, GivesEverythingInOneSlice) {
  for (int i = 0; i < 3; ++i) run({"SET", "k", "v"});
  HistoryScan scan = HistoryScan::forward(kBeginning, history().last, std::nullopt);
  EXPECT_EQ(advance(scan, kWhole), Stop::kEnd);
  EXPECT_THAT(got(), ElementsAre("1-0", "2-0", "3-0"));
  EXPECT_EQ(scan.position(), (EventId{3, 0}));
}

TEST_F(HistoryScanTest, HasNothingToGiveOfAnEmptyHistory) {
  HistoryScan scan = HistoryScan::forward(kBeginning, history().last, std::nullopt);
  EXPECT_EQ(advance(scan, kWhole), Stop::kEnd);
  HistoryScan back = HistoryScan::backward(kBeginning, history().last, std::nullopt);
  EXPECT_EQ(advance(back, kWhole), Stop::kEnd);
  EXPECT_THAT(got(), IsEmpty());
}

TEST_F(HistoryScanTest, GoesOnWhereItsBudgetEnded) {
  for (int i = 0; i < 3; ++i) run({"MSET", "a", "1", "b", "2"});
  HistoryScan scan = HistoryScan::forward(kBeginning, history().last, std::nullopt);
  EXPECT_EQ(advance(scan, 1), Stop::kBudget);
  EXPECT_THAT(got(), ElementsAre("1-0", "1-1"));
  EXPECT_EQ(advance(scan, 1), Stop::kBudget);
  EXPECT_EQ(advance(scan, 0), Stop::kBudget);
  EXPECT_EQ(advance(scan, 1), Stop::kEnd);
  EXPECT_THAT(got(), ElementsAre("1-0", "1-1", "2-0", "2-1", "3-0", "3-1"));
}

TEST_F(HistoryScanTest, TakesItsBytesOffTheBudget) {
  for (int i = 0; i < 3; ++i) run({"SET", "k", "v"});
  auto reader = store_.new_reader();
  storage::View& view = reader->begin();
  size_t budget = 1000;
  HistoryScan scan = HistoryScan::forward(kBeginning, {3, 0}, std::nullopt);
  EXPECT_EQ(scan.advance(view, *reader, budget, [](const auto&) { return true; }), Stop::kEnd);
  EXPECT_EQ(budget, 1000 - (history().bytes - 3 * storage::kHistoryKeyBytes));
  reader->end();
}

TEST_F(HistoryScanTest, BeginsAndEndsInsideOfRows) {
  run_together(10);
  HistoryScan scan = HistoryScan::forward({3, 0}, {6, 0}, std::nullopt);
  EXPECT_EQ(advance(scan, kWhole), Stop::kEnd);
  HistoryScan back = HistoryScan::backward({4, 0}, {6, 0}, std::nullopt);
  EXPECT_EQ(advance(back, kWhole), Stop::kEnd);
  EXPECT_THAT(got(), ElementsAre("4-0", "5-0", "6-0", "6-0", "5-0", "4-0"));
}

TEST_F(HistoryScanTest, EndsWhenEnoughWasTaken) {
  run_together(5);
  run_together(5);
  most_ = 3;
  HistoryScan scan = HistoryScan::forward(kBeginning, history().last, std::nullopt);
  EXPECT_EQ(advance(scan, kWhole), Stop::kEnd);
  EXPECT_THAT(got(), ElementsAre("1-0", "2-0", "3-0"));
  got_.clear();
  HistoryScan back = HistoryScan::backward(kBeginning, history().last, std::nullopt);
  EXPECT_EQ(advance(back, kWhole), Stop::kEnd);
  EXPECT_THAT(got(), ElementsAre("10-0", "9-0", "8-0"));
}

TEST_F(HistoryScanTest, DoesNotGiveWhatCameAfterItBegan) {
  run({"SET", "k", "v"});
  run({"SET", "k", "v"});
  HistoryScan scan = HistoryScan::forward(kBeginning, history().last, std::nullopt);
  EXPECT_EQ(advance(scan, 1), Stop::kBudget);
  run({"SET", "k", "v"});
  EXPECT_EQ(advance(scan, kWhole), Stop::kEnd);
  EXPECT_THAT(got(), ElementsAre("1-0", "2-0"));
  scan.extend(history().last);
  EXPECT_EQ(advance(scan, kWhole), Stop::kEnd);
  EXPECT_THAT(got(), ElementsAre("1-0", "2-0", "3-0"));
}

TEST_F(HistoryScanTest, GoesBackInSlices) {
  for (int i = 0; i < 3; ++i) run({"MSET", "a", "1", "b", "2"});
  HistoryScan scan = HistoryScan::backward(kBeginning, history().last, std::nullopt);
  EXPECT_EQ(advance(scan, 1), Stop::kBudget);
  EXPECT_THAT(got(), ElementsAre("3-1", "3-0"));
  EXPECT_EQ(advance(scan, 1), Stop::kBudget);
  EXPECT_EQ(advance(scan, 1), Stop::kEnd);
  EXPECT_THAT(got(), ElementsAre("3-1", "3-0", "2-1", "2-0", "1-1", "1-0"));
}

TEST_F(HistoryScanTest, RefusesWhatIsCompacted) {
  for (int i = 0; i < 20; ++i) run({"SET", "k", "v"});
  compact_to(100);
  const EventId floor = history().floor;
  ASSERT_GT(floor.revision, 2U);
  const EventId older = id_before(floor);
  HistoryScan scan = HistoryScan::forward(older, history().last, older);
  EXPECT_EQ(advance(scan, kWhole), Stop::kCompacted);
  HistoryScan back = HistoryScan::backward(older, history().last, older);
  EXPECT_EQ(advance(back, kWhole), Stop::kCompacted);
  EXPECT_THAT(got(), IsEmpty());
  HistoryScan held = HistoryScan::forward(floor, history().last, floor);
  EXPECT_EQ(advance(held, kWhole), Stop::kEnd);
  EXPECT_EQ(got_.size(), history().last.revision - floor.revision);
}

TEST_F(HistoryScanTest, BeginsWithTheOldestThatIsHeld) {
  for (int i = 0; i < 20; ++i) run({"SET", "k", "v"});
  compact_to(100);
  HistoryScan scan = HistoryScan::forward(kBeginning, history().last, std::nullopt);
  EXPECT_EQ(advance(scan, kWhole), Stop::kEnd);
  EXPECT_EQ(scan.floor(), history().floor);
  ASSERT_FALSE(got_.empty());
  EXPECT_EQ(id_before(got_.front()).revision, history().floor.revision);
  const std::vector<EventId> forwards = std::exchange(got_, {});
  HistoryScan back = HistoryScan::backward(kBeginning, history().last, std::nullopt);
  EXPECT_EQ(advance(back, kWhole), Stop::kEnd);
  std::ranges::reverse(got_);
  EXPECT_EQ(got_, forwards);
}

TEST_F(HistoryScanTest, MissesNothingThatItHasPassed) {
  for (int i = 0; i < 20; ++i) run({"SET", "k", "v"});
  HistoryScan scan = HistoryScan::forward({1, 0}, history().last, EventId{1, 0});
  while (scan.position().revision < 19) ASSERT_EQ(advance(scan, 1), Stop::kBudget);
  compact_to(40);
  ASSERT_GT(history().floor.revision, 10U);
  EXPECT_EQ(advance(scan, kWhole), Stop::kEnd);
  EXPECT_EQ(got_.size(), 19U);
}

TEST_F(HistoryScanTest, SaysWhatIsCompactedUnderIt) {
  for (int i = 0; i < 20; ++i) run({"SET", "k", "v"});
  HistoryScan scan = HistoryScan::forward({1, 0}, history().last, EventId{1, 0});
  HistoryScan back = HistoryScan::backward({2, 0}, history().last, EventId{2, 0});
  EXPECT_EQ(advance(scan, 1), Stop::kBudget);
  EXPECT_EQ(advance(back, 1), Stop::kBudget);
  compact_to(100);
  EXPECT_EQ(advance(scan, kWhole), Stop::kCompacted);
  EXPECT_EQ(advance(back, kWhole), Stop::kCompacted);
}

TEST_F(HistoryScanTest, LeavesWhatTheViewHasLostForTheNext) {
  for (int i = 0; i < 4; ++i) run({"SET", "k", "v"});
  HistoryScan scan = HistoryScan::forward(kBeginning, history().last, std::nullopt);
  EXPECT_EQ(advance(scan, kWhole, 2), Stop::kBudget);
  EXPECT_THAT(got(), ElementsAre("1-0"));
  EXPECT_EQ(advance(scan, kWhole), Stop::kEnd);
  EXPECT_THAT(got(), ElementsAre("1-0", "2-0", "3-0", "4-0"));
  got_.clear();
  HistoryScan back = HistoryScan::backward(kBeginning, history().last, std::nullopt);
  EXPECT_EQ(advance(back, kWhole, 3), Stop::kBudget);
  EXPECT_THAT(got(), ElementsAre("4-0", "3-0"));
  EXPECT_EQ(advance(back, kWhole), Stop::kEnd);
  EXPECT_THAT(got(), ElementsAre("4-0", "3-0", "2-0", "1-0"));
}

// Scans in either direction, with budgets, views that are lost, changes and compaction between
// their slices: each gives its part of the history once and in order, but for what was compacted
// before it came there; and one that needs all of it says so when it can't have it.
TEST_F(HistoryScanTest, IsWholeInAnyOrderOfThings) {
  uint64_t random = 20'261'128;
  auto chance = [&](uint64_t n) { return splitmix64(random) % n; };
  size_t ended = 0;
  size_t refused = 0;
  for (int round = 0; round < 500; ++round) {
    for (uint64_t i = chance(20); i > 0; --i) {
      chance(3) == 0 ? run({"MSET", "a", "1", "b", "2", "c", "3"}) : run_together(1 + chance(3));
    }
    const uint64_t last = history().last.revision;
    if (last == 0) continue;
    const bool back = chance(2) == 0;
    const bool from_oldest = chance(2) == 0;
    const EventId from =
        from_oldest ? EventId{} : EventId{last - std::min(last - 1, chance(40)), 0};
    const EventId through = std::min(history().last, EventId{from.revision + chance(40), 1});
    const std::optional<EventId> needed = from_oldest ? std::nullopt : std::optional(from);
    HistoryScan scan = back ? HistoryScan::backward(from, through, needed)
                            : HistoryScan::forward(id_before(from), through, needed);
    got_.clear();
    Stop stop = Stop::kBudget;
    while (stop == Stop::kBudget) {
      stop = advance(scan, chance(3) == 0 ? kWhole : chance(60),
                     chance(3) == 0 ? 1 + chance(3) : kWhole);
      if (stop != Stop::kBudget) break;
      if (chance(3) == 0) run({"SET", "k", "v"});
      if (chance(6) == 0) compact_to(chance(300));
    }
    if (back) std::ranges::reverse(got_);
    std::vector<EventId> expected;
    std::ranges::copy_if(all_, std::back_inserter(expected),
                         [&](EventId id) { return id >= from && id <= through; });
    const EventId floor = history().floor;
    if (stop == Stop::kCompacted) {
      ++refused;
      ASSERT_LT(*needed, floor);
      continue;
    }
    ++ended;
    if (needed && got_.size() == expected.size()) {
      ASSERT_EQ(got_, expected);
      continue;
    }
    // What is missing is a run at the old end of what was still to come, and is compacted.
    std::vector<EventId> missing;
    std::ranges::set_difference(expected, got_, std::back_inserter(missing));
    ASSERT_EQ(missing.size() + got_.size(), expected.size()) << "something twice, or not asked for";
    for (EventId id : missing) ASSERT_LE(id, floor);
    if (needed) {
      ASSERT_THAT(missing, ::testing::Each(::testing::Le(*needed)));
    }
  }
  EXPECT_GT(ended, 100U);
  EXPECT_GT(refused, 20U);
}

}  // namespace
}  // namespace kvorum::server
