// SLOWLOG's memory, and which commands of a log entry it is told of.

#include "server/slow_log.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "command/batch.h"
#include "server/command_rows.h"
#include "server/slow_writes.h"

namespace kvorum::server {
namespace {

using Strings = std::vector<std::string>;
using std::chrono::microseconds;
using std::chrono::milliseconds;

SlowNote note(std::string word, Monotonic elapsed = milliseconds(20)) {
  return {kEventCommand, 1'700'000'000'123, elapsed, {std::move(word)}, "1.2.3.4:5", "me"};
}

void add(SlowLog& log, std::string word, size_t entries_max) {
  SlowNote added = note(std::move(word));
  log.add(added, entries_max);
}

TEST(SlowLog, KeepsTheNewestEntriesFirst) {
  SlowLog log;
  for (const char* word : {"a", "b", "c"}) add(log, word, 2);
  ASSERT_EQ(log.size(), 2u);
  EXPECT_EQ(log.entries()[0].args, Strings{"c"});
  EXPECT_EQ(log.entries()[0].id, 2u);
  EXPECT_EQ(log.entries()[0].unix_s, 1'700'000'000u);
  EXPECT_EQ(log.entries()[0].elapsed_us, 20'000);
  EXPECT_EQ(log.entries()[0].address, "1.2.3.4:5");
  EXPECT_EQ(log.entries()[0].client_name, "me");
  EXPECT_EQ(log.entries()[1].args, Strings{"b"});
}

TEST(SlowLog, GoesOnCountingAfterAReset) {
  SlowLog log;
  add(log, "a", 10);
  log.reset();
  EXPECT_EQ(log.size(), 0u);
  add(log, "b", 10);
  EXPECT_EQ(log.entries()[0].id, 1u);
}

TEST(SlowLog, ShortensArgumentsAsRedisDoes) {
  const std::string edge(128, 'x');
  const std::string longer(131, 'x');
  std::vector<std::string_view> args = {"SET", edge, longer};
  EXPECT_EQ(shortened(args), (Strings{"SET", edge, edge + "... (3 more bytes)"}));

  std::vector<std::string_view> many(32, "a");
  EXPECT_EQ(shortened(many), Strings(32, "a"));
  many.push_back("a");
  Strings expected(31, "a");
  expected.push_back("... (2 more arguments)");
  EXPECT_EQ(shortened(many), expected);
}

class SlowWrites : public ::testing::Test {
 protected:
  SlowWrites() { add_all_rows(table_); }

  std::vector<SlowWrite> slow(Monotonic elapsed, Monotonic threshold) {
    raft::Entry entry;
    entry.kind = raft::EntryKind::kCommands;
    entry.data = batch_.take();
    return slow_writes(entry, table_, 1000, elapsed, threshold);
  }
  void add(std::vector<std::string_view> args) { batch_.add(args); }

  command::CommandTable table_;
  command::BatchBuilder batch_;
};

TEST_F(SlowWrites, NoteTheOnlyCommandOfAnEntry) {
  add({"SET", "k", "v"});
  std::vector<SlowWrite> writes = slow(milliseconds(15), milliseconds(10));
  ASSERT_EQ(writes.size(), 1u);
  EXPECT_EQ(writes[0].item, 0u);
  EXPECT_EQ(writes[0].note.args, (Strings{"SET", "k", "v"}));
  EXPECT_EQ(writes[0].note.elapsed, milliseconds(15));
  EXPECT_EQ(writes[0].note.event, kEventCommand);
}

TEST_F(SlowWrites, NoteEveryCommandWithTheAverageWhenThatIsSlow) {
  add({"SET", "k", "v"});
  add({"INCR", "n"});
  std::vector<SlowWrite> writes = slow(milliseconds(20), milliseconds(10));
  ASSERT_EQ(writes.size(), 2u);
  EXPECT_EQ(writes[1].item, 1u);
  EXPECT_EQ(writes[1].note.args, (Strings{"INCR", "n"}));
  EXPECT_EQ(writes[1].note.elapsed, milliseconds(10));
  EXPECT_EQ(writes[1].note.event, kEventFastCommand);
}

TEST_F(SlowWrites, NoteTheLargestCommandWhenTheAverageIsNotSlow) {
  add({"SET", "k", "v"});
  const std::string value(1000, 'x');
  add({"SET", "big", value});
  add({"INCR", "n"});
  std::vector<SlowWrite> writes = slow(milliseconds(12), milliseconds(10));
  ASSERT_EQ(writes.size(), 1u);
  EXPECT_EQ(writes[0].item, 1u);
  EXPECT_EQ(writes[0].note.args[1], "big");
  EXPECT_EQ(writes[0].note.elapsed, milliseconds(12));
}

TEST_F(SlowWrites, NoteTheCommandsOfATransactionOneByOne) {
  add({"SET", "k", "v"});
  std::vector<Strings> commands = {{"SET", "a", "1"}, {"INCR", "a"}};
  batch_.add_transaction({}, commands);
  std::vector<SlowWrite> writes = slow(microseconds(3), Monotonic(0));
  ASSERT_EQ(writes.size(), 3u);
  EXPECT_EQ(writes[2].item, 1u);
  EXPECT_EQ(writes[2].note.args, (Strings{"INCR", "a"}));
}

TEST_F(SlowWrites, NoteNothingOfExpiry) {
  batch_.add_expire_due(10);
  EXPECT_TRUE(slow(milliseconds(15), milliseconds(10)).empty());
}

}  // namespace
}  // namespace kvorum::server
