// A script of everything a log does, with the power cut after each of its file operations, and what
// was not synced kept or lost at random. All that was acknowledged is found again, exactly; what
// was under way is there whole or not at all; nothing else is.
#include <gtest/gtest.h>

#include <functional>
#include <utility>
#include <vector>

#include "tests/storage/wal_testing.h"

namespace kvorum::storage {
namespace {

constexpr uint64_t kSegmentBytes = 12 << 10;
constexpr uint64_t kSeeds = 12;

struct Step {
  enum class Kind : uint8_t { kAppend, kCompact, kReset } kind = Kind::kAppend;
  std::vector<raft::EntryPtr> entries;
  std::optional<raft::HardState> hard_state;
  raft::EntryId id;  // compact up to, or reset to
};

Step append_step(uint64_t term, uint64_t first, uint64_t last, size_t bytes,
                 std::optional<raft::HardState> hard_state = {}) {
  Step step;
  for (uint64_t i = first; i <= last; ++i) {
    // Zeros and other bytes alike must survive.
    const char fill = i % 2 == 0 ? '\0' : static_cast<char>('a' + term);
    step.entries.push_back(make_entry(term, i, std::string(bytes, fill)));
  }
  step.hard_state = hard_state;
  return step;
}

Step compact_step(uint64_t index) {
  Step step;
  step.kind = Step::Kind::kCompact;
  step.id.index = raft::Index(index);
  return step;
}

Step reset_step(uint64_t term, uint64_t index) {
  Step step;
  step.kind = Step::Kind::kReset;
  step.id = {raft::Term(term), raft::Index(index)};
  step.hard_state = make_hard_state(term, 5, index);
  return step;
}

std::vector<Step> script() {
  return {
      append_step(1, 1, 1, 10, make_hard_state(1, 1, 0)),
      append_step(1, 2, 4, 300),
      append_step(1, 5, 5, 3000),
      append_step(1, 6, 6, 2500),
      append_step(2, 5, 6, 700, make_hard_state(2, 3, 4)),  // replaces
      append_step(2, 7, 9, 1500),
      {Step::Kind::kAppend, {}, make_hard_state(3, 3, 7), {}},
      compact_step(6),
      append_step(3, 10, 10, 9000),  // longer than a segment
      append_step(3, 11, 12, 2000),
      append_step(4, 12, 13, 100, make_hard_state(4, 1, 11)),  // replaces across segments
      compact_step(11),
      append_step(4, 14, 16, 1800),
      reset_step(6, 40),
      append_step(6, 41, 43, 1000),
      append_step(6, 44, 46, 1500),
      compact_step(44),
      append_step(6, 47, 47, 10),
      reset_step(7, 47),
      append_step(7, 48, 48, 500),
  };
}

// The log as it must be, and as it would be if the step under way came through.
struct Expected {
  LogState acknowledged;
  LogState attempted;
  uint64_t after = 0;  // what the store's checkpoint holds

  void attempt(const Step& step) {
    attempted = acknowledged;
    if (step.kind == Step::Kind::kAppend) {
      attempted.append(step.entries, step.hard_state);
      return;
    }
    // The store holds them before the log is told.
    after = step.id.index.value();
    if (step.kind == Step::Kind::kReset) {
      attempted.hard_state = *step.hard_state;
      attempted.entries.clear();
    }
  }
  void acknowledge() { acknowledged = attempted; }
  bool allows(const LogState& found) const {
    return found == acknowledged.after(after) || found == attempted.after(after);
  }
};

bool run_step(Wal& wal, const Step& step) {
  switch (step.kind) {
    case Step::Kind::kAppend: {
      auto outcome = try_append(wal, step.entries, step.hard_state);
      return outcome && *outcome == AppendOutcome::kWritten;
    }
    case Step::Kind::kCompact:
      return wal.compact(step.id.index).has_value();
    case Step::Kind::kReset:
      return wal.reset(step.id, *step.hard_state).has_value();
  }
  return false;
}

// Runs the script until something fails. True if nothing did.
bool run_script(FileSystem& files, Expected& expected) {
  OpenLog log = open_log(files, 0, kSegmentBytes);
  if (!log.wal) return false;
  for (const Step& step : script()) {
    expected.attempt(step);
    if (!run_step(*log.wal, step)) return false;
    expected.acknowledge();
  }
  return true;
}

uint64_t script_operations() {
  FaultFileSystem files;
  Expected expected;
  EXPECT_TRUE(run_script(files, expected));
  return files.operations();
}

// Opens, compares, appends one more, and looks whether that is kept.
void check_log(FaultFileSystem& files, const Expected& expected) {
  OpenLog log = open_log(files, expected.after, kSegmentBytes);
  ASSERT_TRUE(log.wal) << log.error;
  const LogState found = state_of(log.recovery);
  ASSERT_TRUE(expected.allows(found))
      << "found: " << found.to_string()
      << "\nacknowledged: " << expected.acknowledged.after(expected.after).to_string()
      << "\nattempted: " << expected.attempted.after(expected.after).to_string();
  const uint64_t next =
      found.entries.empty() ? expected.after + 1 : found.entries.rbegin()->first + 1;
  LogState more = found;
  const std::vector<raft::EntryPtr> added{make_entry(9, next, std::string(4000, 'z'))};
  append(*log.wal, added, make_hard_state(9, 9, 9));
  more.append(added, make_hard_state(9, 9, 9));
  log.wal.reset();
  files.crash(next);
  log = open_log(files, expected.after, kSegmentBytes);
  ASSERT_TRUE(log.wal) << log.error;
  ASSERT_EQ(state_of(log.recovery), more);
}

// For each operation of the script and several seeds: cuts the power there, then calls `then`.
void at_every_cut(
    const std::function<void(FaultFileSystem&, const Expected&, uint64_t seed)>& then) {
  const uint64_t operations = script_operations();
  ASSERT_GT(operations, 80U);
  for (uint64_t cut = 0; cut < operations; ++cut) {
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      SCOPED_TRACE(fmt::format("power cut after {} operations, seed {}", cut, seed));
      FaultFileSystem files;
      Expected expected;
      files.cut_power_after(cut);
      ASSERT_FALSE(run_script(files, expected));
      then(files, expected, seed * 1000 + cut);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(WalCrash, PowerCutAfterEveryOperationLosesNothingAcknowledged) {
  at_every_cut([](FaultFileSystem& files, const Expected& expected, uint64_t seed) {
    files.crash(seed);
    check_log(files, expected);
  });
}

TEST(WalCrash, PowerCutDuringRecoveryLosesNothingAcknowledged) {
  at_every_cut([](FaultFileSystem& files, const Expected& expected, uint64_t seed) {
    for (uint64_t round = 0; round < 3; ++round) {
      files.crash(seed + round);
      files.cut_power_after((seed + 3 * round) % 8);
      (void)open_log(files, expected.after, kSegmentBytes);
    }
    files.crash(seed);
    check_log(files, expected);
  });
}

TEST(WalCrash, ProcessDiesAtEveryOperationAndThenThePowerGoes) {
  at_every_cut([](FaultFileSystem& files, const Expected& expected, uint64_t seed) {
    files.restart();
    OpenLog log = open_log(files, expected.after, kSegmentBytes);
    ASSERT_TRUE(log.wal) << log.error;
    Expected reported;
    reported.after = expected.after;
    reported.acknowledged = reported.attempted = state_of(log.recovery);
    ASSERT_TRUE(expected.allows(reported.acknowledged));
    files.crash(seed);
    check_log(files, reported);
  });
}

TEST(WalCrash, FailureOfEveryOperationLosesNothingAcknowledged) {
  using Operation = FaultFileSystem::Operation;
  for (Operation kind :
       {Operation::kCreate, Operation::kWrite, Operation::kAllocate, Operation::kSync,
        Operation::kRename, Operation::kRemove, Operation::kSyncFolder}) {
    for (uint64_t nth = 1;; ++nth) {
      SCOPED_TRACE(fmt::format("operation kind {}, number {}", static_cast<int>(kind), nth));
      FaultFileSystem files;
      Expected expected;
      files.fail(kind, nth, EIO);
      const bool finished = run_script(files, expected);
      if (finished) {
        ASSERT_LT(files.count(kind), nth) << "a failure went unnoticed";
        break;
      }
      // Only the process ends: the sync that failed looks as if it had not.
      files.restart();
      OpenLog log = open_log(files, expected.after, kSegmentBytes);
      ASSERT_TRUE(log.wal) << log.error;
      expected.acknowledged = expected.attempted = state_of(log.recovery);
      log.wal.reset();
      files.crash(nth);
      check_log(files, expected);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace kvorum::storage
