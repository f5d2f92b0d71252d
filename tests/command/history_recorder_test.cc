#include "command/history_recorder.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>

#include "command_fixture.h"
#include "memory_store.h"
#include "random_commands.h"

namespace kvorum::command::testing {

using Events = std::vector<std::string>;

constexpr uint64_t kPlenty = 1 << 30;

class History : public CommandTest {
 protected:
  // Runs a command and gives the events that it made.
  Events made(std::string_view line) {
    run(line);
    return run.events();
  }
  storage::HistoryState state() { return run.applied().history; }
  // How many events each row holds.
  std::vector<size_t> rows() {
    std::vector<size_t> sizes;
    auto reader = store_.get().new_reader();
    reader->begin().for_each_history({}, [&](EventId first, std::string_view row) {
      HistoryRowReader events(first, row);
      HistoryEvent event;
      for (sizes.push_back(0); events.next(event); ++sizes.back()) {
      }
      return true;
    });
    reader->end();
    return sizes;
  }
  void set(const std::string& key, size_t bytes) { run.run({"SET", key, std::string(bytes, 'v')}); }
};
KVORUM_COMMAND_TESTS(History);

// Commands that make every kind of event there is.
void run_everything(CommandRunner& run, const std::function<void()>& after_each) {
  const auto line = [&](std::string_view words) {
    run(words);
    after_each();
  };
  for (const char* words : {"SET a 1", "SET a 2 EX 10", "SETRANGE a 1 xy", "APPEND b 1",
                            "INCRBY n 4", "INCRBYFLOAT n 0.5", "MSET c 1 d 2", "EXPIRE c 100",
                            "PERSIST c", "RENAME c e", "COPY e f", "DEL d none b", "GETDEL f",
                            "SET g 1 PX 5", "GET g", "SET a 3 NX", "DEL none", "GETEX e PX 1"}) {
    line(words);
  }
  std::string dump = run.raw({"DUMP", "e"});
  dump = dump.substr(dump.find('\n') + 1);
  run.run({"RESTORE", "h", "0", dump.substr(0, dump.size() - 2)});
  after_each();
  run.now += 10;
  line("SET g 2");  // was due
  run.expire_due(10);
  after_each();
  run.exec({{"SET", "x", "1"}, {"DEL", "x"}, {"INCR", "text"}, {"SET", "y", "2"}});
  after_each();
  run.run({"SET", std::string("\0\r\n", 3), std::string("\xff\0", 2)});
  after_each();
  line("FLUSHALL");
  line("SET a 1");
  run.exec({{"FLUSHALL"}, {"SET", "a", "2"}});
  after_each();
}

TEST_P(History, HoldsTheEventsOfEveryCommand) {
  run.keep_history(kPlenty);
  Events all;
  std::set<std::string> kinds;
  run_everything(run, [&] {
    for (const std::string& event : run.events()) all.push_back(event);
    for (const HistoryEvent& event : run.event_batch()) {
      kinds.insert(std::to_string(event.kind->number));
    }
  });
  EXPECT_EQ(kinds.size(), std::size(events::kAll));
  EXPECT_EQ(run.history(), all);
}

TEST_P(History, IsTheSameWhetherOrNotAnyoneListens) {
  run.keep_history(kPlenty);
  run_everything(run, [] {});
  for (StoreKind kind : {StoreKind::kMemory, StoreKind::kWiredTiger}) {
    TestStore store(kind);
    CommandRunner quiet(store.get());
    quiet.want_events = false;
    quiet.keep_history(kPlenty);
    run_everything(quiet, [] {});
    EXPECT_EQ(quiet.history_bytes(), run.history_bytes());
    EXPECT_EQ(quiet.contents(), run.contents());
  }
}

TEST_P(History, TellsWhereARevisionEnds) {
  run.keep_history(kPlenty);
  BatchBuilder batch;
  batch.add(std::vector<std::string_view>{"MSET", "a", "1", "b", "2"});
  batch.add(std::vector<std::string_view>{"DEL", "none"});
  batch.add(std::vector<std::string_view>{"SET", "c", "3"});
  batch.add_transaction({}, std::vector<Words>{{"DEL", "a"}, {"DEL", "b"}, {"DEL", "c"}});
  run.apply(batch.take());
  EXPECT_EQ(rows(), std::vector<size_t>{6});
  std::string ends;
  auto reader = store_.get().new_reader();
  reader->begin().for_each_history({}, [&](EventId first, std::string_view row) {
    HistoryRowReader events(first, row);
    EXPECT_EQ(events.stamp(), run.now);
    HistoryEvent event;
    while (events.next(event)) ends += event.ends_revision ? '|' : '.';
    return true;
  });
  reader->end();
  EXPECT_EQ(ends, ".||..|");
}

TEST_P(History, IsNotKeptUntilThePolicySaysSo) {
  run("SET a 1");
  run.exec({{"SET", "b", "1"}, {"SET", "c", "1"}});
  run("GET a");
  EXPECT_TRUE(rows().empty());
  EXPECT_EQ(state().floor, (EventId{2, 1}));
  EXPECT_EQ(state().last, (EventId{2, 1}));
  run.keep_history(kPlenty, 77);
  EXPECT_EQ(run.applied().revision, 2U);
  EXPECT_EQ(state(), (storage::HistoryState{
                         .max_bytes = kPlenty, .max_age_ms = 77, .floor = {2, 1}, .last = {2, 1}}));
  // Who has seen all of revision 2 can go on.
  run("SET d 1");
  EXPECT_EQ(run.history(), Events({"set 3-0 d=1"}));
  EXPECT_EQ(state().floor, (EventId{2, 1}));
  EXPECT_EQ(state().last, (EventId{3, 0}));
  EXPECT_EQ(state().oldest, (EventId{3, 0}));
  EXPECT_EQ(state().oldest_stamp, run.now);
}

TEST_P(History, ChangesItsPolicyInTheMiddleOfAnEntry) {
  const auto set = [](BatchBuilder& batch, std::string_view key) {
    batch.add(std::vector<std::string_view>{"SET", key, "1"});
  };
  BatchBuilder on;
  set(on, "a");
  on.add_history_policy(kPlenty, 0);
  set(on, "b");
  on.add_history_policy(kPlenty - 1, 0);
  set(on, "c");
  run.apply(on.take());
  EXPECT_EQ(run.history(), Events({"set 2-0 b=1", "set 3-0 c=1"}));
  EXPECT_EQ(state().floor, (EventId{1, 0}));
  BatchBuilder off;
  set(off, "d");
  off.add_history_policy(0, 0);
  set(off, "e");
  run.apply(off.take());
  EXPECT_TRUE(run.history().empty());
  EXPECT_EQ(state().floor, (EventId{5, 0}));
  EXPECT_EQ(state().last, (EventId{5, 0}));
  BatchBuilder gap;
  gap.add_history_policy(kPlenty, 0);
  set(gap, "f");
  gap.add_history_policy(0, 0);
  set(gap, "g");
  gap.add_history_policy(kPlenty, 0);
  set(gap, "h");
  run.apply(gap.take());
  EXPECT_EQ(run.history(), Events({"set 8-0 h=1"}));
  EXPECT_EQ(state().floor, (EventId{7, 0}));
}

TEST_P(History, IsRemovedByExpireDueWhenItIsSwitchedOff) {
  run.keep_history(kPlenty);
  for (int i = 0; i < 10; ++i) run("INCR n");
  EXPECT_FALSE(history_due(state(), run.now));
  run.keep_history(0);
  EXPECT_TRUE(history_due(state(), run.now));
  EXPECT_EQ(state().floor, (EventId{10, 0}));
  EXPECT_EQ(rows().size(), 10U);
  run("INCR n");
  EXPECT_EQ(state().floor, (EventId{11, 0}));
  run.expire_due(1);
  EXPECT_EQ(rows().size(), 7U);  // one, and the two that every entry may remove
  run.expire_due(100);
  EXPECT_TRUE(rows().empty());
  EXPECT_FALSE(history_due(state(), UINT64_MAX));
  EXPECT_EQ(state(), (storage::HistoryState{.floor = {11, 0}, .last = {11, 0}}));
}

TEST_P(History, DoesNotShowWhatWasHeldBeforeAGap) {
  run.keep_history(kPlenty);
  for (int i = 0; i < 10; ++i) run("INCR n");
  run.keep_history(0);
  run("SET unseen 1");
  run.keep_history(kPlenty);
  EXPECT_EQ(state().floor, (EventId{11, 0}));
  EXPECT_TRUE(history_due(state(), run.now));
  run("SET seen 1");
  EXPECT_EQ(run.history(), Events({"set 12-0 seen=1"}));
  EXPECT_EQ(rows().size(), 8U);  // what lies below the floor goes first
  run.expire_due(3);
  run.expire_due(3);
  EXPECT_EQ(rows().size(), 1U);
  EXPECT_EQ(run.history(), Events({"set 12-0 seen=1"}));
  EXPECT_EQ(state().floor, (EventId{11, 0}));
  EXPECT_FALSE(history_due(state(), run.now));
}

TEST_P(History, KeepsWithinItsBytesAndSaysWhatIsGone) {
  constexpr uint64_t kMax = 2000;
  run.keep_history(kMax);
  Events all;
  for (int i = 0; i < 300; ++i) {
    for (const std::string& event : made(i % 7 == 0 ? "MSET a 1 b 2 c 3" : "APPEND k 12")) {
      all.push_back(event);
    }
    const storage::HistoryState now = state();
    ASSERT_LE(now.bytes, kMax);
    const Events held = run.history();
    ASSERT_FALSE(held.empty());
    ASSERT_TRUE(std::equal(held.rbegin(), held.rend(), all.rbegin()));
    if (held.size() == all.size()) continue;
    // The floor is the event before the first that is held.
    const std::string before = all[all.size() - held.size() - 1];
    ASSERT_NE(before.find(fmt::format(" {} ", now.floor)), std::string::npos) << before;
    ASSERT_GT(now.bytes, kMax / 3);
  }
  EXPECT_LT(run.history().size(), all.size() / 2);
}

TEST_P(History, KeepsTheNewestRowHoweverLargeItIs) {
  run.keep_history(1000);
  set("a", 10);
  set("large", 100'000);
  EXPECT_EQ(rows().size(), 1U);
  EXPECT_GT(state().bytes, 100'000U);
  EXPECT_EQ(state().floor, (EventId{1, 0}));
  run("DEL none");
  EXPECT_EQ(rows().size(), 1U);
  set("b", 10);
  EXPECT_EQ(run.history(), Events({"set 3-0 b=vvvvvvvvvv"}));
  EXPECT_EQ(state().floor, (EventId{2, 0}));
}

// However many rows have to go for it.
TEST_P(History, StaysWithinItsBytesWhenRowsBecomeLarger) {
  constexpr uint64_t kMax = 200'000;
  run.keep_history(kMax);
  while (state().floor == EventId{}) set("small", 100);
  EXPECT_GT(rows().size(), 1000U);
  set("large", 50'000);
  EXPECT_LE(state().bytes, kMax);
  EXPECT_GT(state().bytes, kMax - 200);
  set("large", 120'000);
  EXPECT_LE(state().bytes, kMax);
}

TEST_P(History, GivesUpABacklogLittleByLittle) {
  run.keep_history(kPlenty);
  for (int i = 0; i < 50; ++i) set("small", 100);
  run.keep_history(500);
  EXPECT_EQ(rows().size(), 50U);
  EXPECT_TRUE(history_due(state(), run.now));
  set("small", 100);
  EXPECT_EQ(rows().size(), 48U);  // one more, three fewer
  run("DEL none");
  EXPECT_EQ(rows().size(), 48U);  // an entry that changes nothing leaves everything
  run.expire_due(10);
  EXPECT_EQ(rows().size(), 36U);
  run.expire_due(UINT64_MAX);
  EXPECT_LE(state().bytes, 500U);
  EXPECT_FALSE(history_due(state(), run.now));
  EXPECT_GT(rows().size(), 1U);
}

TEST_P(History, ForgetsWhatIsTooOld) {
  run.keep_history(kPlenty, 1000);
  for (int i = 0; i < 10; ++i) {
    run("INCR n");
    run.now += 100;
  }
  // The first is 1000 ms old.
  EXPECT_FALSE(history_due(state(), run.now));
  run.expire_due(1);
  EXPECT_EQ(rows().size(), 10U);
  run.now += 1;
  EXPECT_TRUE(history_due(state(), run.now));
  run("INCR n");
  EXPECT_EQ(rows().size(), 10U);
  EXPECT_EQ(state().floor, (EventId{1, 0}));
  run.now += 10'000;
  run("INCR n");
  EXPECT_EQ(rows().size(), 8U);
  run.expire_due(4);
  EXPECT_EQ(rows().size(), 2U);
  EXPECT_EQ(run.history(), Events({"incrby 11-0 n=11", "incrby 12-0 n=12"}));
  run.expire_due(4);
  EXPECT_EQ(run.history(), Events({"incrby 12-0 n=12"}));
  run.now += 10'000;
  run.expire_due(1);
  EXPECT_TRUE(rows().empty());
  EXPECT_EQ(state().floor, (EventId{12, 0}));
  EXPECT_EQ(state().floor, state().last);
}

TEST_P(History, KeepsWhatTheSameEntryAppended) {
  run.keep_history(10);
  run("SET k v PX 1");
  EXPECT_EQ(rows().size(), 1U);
  run.now += 10;
  run.expire_due(100);
  EXPECT_EQ(run.history(), Events({"expired 2-0 k"}));
}

TEST_P(History, TakesTheItemsOfSeveralExpireDueTogether) {
  run.keep_history(kPlenty, 1);
  for (int i = 0; i < 20; ++i) run("INCR n");
  run.now += 10;
  BatchBuilder batch;
  batch.add_expire_due(3);
  batch.add_expire_due(4);
  run.apply(batch.take());
  EXPECT_EQ(rows().size(), 11U);
  batch.add_expire_due(UINT64_MAX);
  batch.add_expire_due(1);
  run.apply(batch.take());
  EXPECT_TRUE(rows().empty());
}

TEST_P(History, DividesAnEntryIntoRows) {
  run.keep_history(kPlenty);
  const std::string third(30 << 10, 'v');
  run.run({"MSET", "a", third, "b", third, "c", third, "d", third, "e", third});
  EXPECT_EQ(rows(), (std::vector<size_t>{2, 2, 1}));
  run.run({"MSET", "a", "1", "b", std::string(100 << 10, 'v'), "c", "1", "d", "1"});
  EXPECT_EQ(rows(), (std::vector<size_t>{2, 2, 1, 1, 1, 2}));
  run("SET k v");
  run("SET k v");
  EXPECT_EQ(rows(), (std::vector<size_t>{2, 2, 1, 1, 1, 2, 1, 1}));
  EXPECT_EQ(run.history().size(), 11U);
  BatchBuilder batch;
  for (int i = 0; i < 5000; ++i)
    batch.add(std::vector<std::string_view>{"SET", "k", third.substr(0, 50)});
  run.apply(batch.take());
  const std::vector<size_t> sizes = rows();
  EXPECT_EQ(sizes.size(), 8U + 5);
  EXPECT_EQ(std::accumulate(sizes.begin(), sizes.end(), size_t{0}), 5011U);
}

TEST_P(History, IsUntouchedByABatchThatWasExecutedBefore) {
  run.keep_history(10, 1);
  run("SET a 1");
  run.now += 10;
  const std::string before = run.history_bytes();
  BatchBuilder batch;
  batch.add(std::vector<std::string_view>{"SET", "a", "2"});
  batch.add_expire_due(100);
  std::string data = batch.take();
  identify(data, {raft::NodeId(1), 1, 2});  // not the next
  run.apply(data);
  EXPECT_EQ(run.history_bytes(), before);
}

// Each part of an entry is recorded, so only a transaction can be too large.
// On the memory store alone: the cache of the other would have to be large.
TEST(HistoryOfALargeEntry, IsAGapWhenItIsTooLarge) {
  MemoryStore store;
  CommandRunner run(store);
  run.keep_history(kPlenty);
  run("SET a 1");
  const std::string value(8 << 20, 'v');
  BatchBuilder batch(32 << 20);
  batch.add_transaction({}, std::vector<Words>(10, {"SET", "k", value}));
  run.apply(batch.take());
  const storage::HistoryState state = run.applied().history;
  EXPECT_EQ(state.last, (EventId{2, 9}));
  EXPECT_EQ(state.floor, (EventId{2, 9}));
  EXPECT_LE(state.bytes, kHistoryEntryBytesMax + value.size() + 1000);
  EXPECT_TRUE(run.history().empty());
  run("SET b 2");
  run("SET b 3");
  const Events held = {"set 3-0 b=2", "set 4-0 b=3"};
  EXPECT_EQ(run.history(), held);
  run.expire_due(100);
  EXPECT_LT(run.applied().history.bytes, 100U);
  EXPECT_EQ(run.history(), held);
}

// What a command of the largest size changes is held.
TEST(HistoryOfALargeEntry, HoldsTheLargestCommand) {
  MemoryStore store;
  CommandRunner run(store);
  run.keep_history(kPlenty);
  const std::string value((size_t{8} << 20) - 100, 'v');
  Words command = {"MSET"};
  for (int i = 0; i < 8; ++i) {
    command.push_back(std::to_string(i));
    command.push_back(value);
  }
  run.run(command);
  EXPECT_EQ(run.history().size(), 8U);
  EXPECT_EQ(run.applied().history.floor, EventId{});
}

// A store that only says that it holds more keys than are recorded one by one.
class ManyKeys : public MemoryTransaction {
 public:
  explicit ManyKeys(MemoryStore& store) : MemoryTransaction(store) {}
  const storage::AppliedState& applied_state() override {
    state_ = MemoryTransaction::applied_state();
    state_.key_count += more_;
    return state_;
  }
  void for_each(std::string_view prefix, const Visit& visit) override {
    ++walks_;
    MemoryTransaction::for_each(prefix, visit);
  }
  uint64_t more_ = 0;
  int walks_ = 0;

 private:
  storage::AppliedState state_;
};

TEST(HistoryOfAFlush, IsAGapWhenThereAreTooManyKeys) {
  for (bool too_many : {false, true}) {
    MemoryStore store;
    CommandRunner run(store);
    run.keep_history(kPlenty);
    for (int i = 0; i < 4; ++i) run.run({"SET", std::to_string(i), "v"});
    ManyKeys transaction(store);
    transaction.begin();
    transaction.more_ = too_many ? kHistoryFlushKeysMax - 3 : 0;
    HistoryRecorder history;
    history.begin(transaction, run.now);
    Keyspace keys(transaction, run.now, 0, 0, nullptr, history);
    keys.begin(5, false);
    keys.clear();
    history.end_revision(keys.last_change());
    keys.begin(6, false);
    keys.put("after", std::nullopt, "v", {.event = events::kSet});
    history.end_revision(keys.last_change());
    history.end();
    ASSERT_TRUE(transaction.commit());
    const storage::HistoryState state = store.applied_state().history;
    const uint64_t keys_flushed = 4 + transaction.more_;
    const EventId last_flushed{5, static_cast<uint32_t>(keys_flushed - 1)};
    EXPECT_EQ(transaction.walks_, too_many ? 0 : 1);
    EXPECT_EQ(state.last, (EventId{6, 0}));
    EXPECT_EQ(state.floor, too_many ? last_flushed : EventId{});
    EXPECT_EQ(run.history().size(), too_many ? 1U : 9U);
    EXPECT_EQ(run.history().back(), "set 6-0 after=v");
  }
}

TEST(HistoryDeathTest, EndsTheNodeAtARowThatIsNotOne) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  MemoryStore store;
  CommandRunner run(store);
  run.keep_history(10);
  auto writer = store.new_writer();
  storage::Transaction& transaction = writer->begin();
  transaction.append_history({1, 0}, "\xff");
  transaction.set_history({.max_bytes = 10, .last = {1, 0}, .bytes = 13, .oldest = {1, 0}});
  transaction.set_applied({raft::Term(1), raft::Index(2)}, run.now, 1);
  ASSERT_TRUE(transaction.commit());
  EXPECT_EXIT(run("SET a 1"), ::testing::ExitedWithCode(1), "not one: its files are damaged");
}

TEST(HistoryRetry, GivesTheSameHistoryWhereverItFails) {
  const auto script = [](CommandRunner& run) {
    run.keep_history(300);
    run_everything(run, [] {});
    run.keep_history(0);
    run("SET k v");
    run.expire_due(3);
    run.keep_history(200, 5);
    run.now += 3;
    run_everything(run, [] {});
  };
  MemoryStore calm;
  CommandRunner expected(calm);
  script(expected);
  ASSERT_FALSE(expected.history().empty());
  uint64_t retried = 0;
  for (uint64_t n = 1; n < 200; ++n) {
    MemoryStore store;
    CommandRunner run(store);
    store.fail_change(n);
    script(run);
    retried += run.retries;
    EXPECT_EQ(run.history_bytes(), expected.history_bytes()) << n;
    EXPECT_EQ(run.contents(), expected.contents()) << n;
  }
  EXPECT_GT(retried, 100U);
}

// Entries of all kinds, with a policy that changes under them.
std::vector<raft::Entry> random_log(uint64_t seed) {
  const std::vector<Words> commands = random_commands(seed, 3000);
  std::vector<raft::Entry> log;
  BatchBuilder batch;
  uint64_t index = 0;
  UnixMillis stamp = 1'700'000'000'000;
  for (size_t i = 0; i < commands.size(); ++i) {
    batch.add(std::vector<std::string_view>(commands[i].begin(), commands[i].end()));
    if (i % 17 == 16) {
      batch.add_transaction({}, std::vector<Words>{commands[i], {"FLUSHALL"}, commands[i - 1]});
    }
    if (i % 37 == 36) batch.add_expire_due(i % 5);
    if (i % 101 == 50) batch.add_history_policy(i % 4 * 1500, i % 3 * 20);
    if (i % 7 != 0 && i % 11 != 0) continue;
    raft::Entry entry;
    entry.id = {raft::Term(1), raft::Index(++index)};
    entry.kind = raft::EntryKind::kCommands;
    entry.stamp = stamp;
    entry.data = batch.take();
    log.push_back(std::move(entry));
    stamp += i % 4;
  }
  return log;
}

// Executes `chunk` entries in a transaction, some transactions twice, and gives all the store has.
std::string execute_in_chunks(storage::Store& store, const std::vector<raft::Entry>& log,
                              size_t chunk) {
  Executor executor(test_table());
  auto writer = store.new_writer();
  EventBatch events;
  for (size_t begin = 0; begin < log.size(); begin += chunk) {
    const size_t end = std::min(begin + chunk, log.size());
    for (bool again = begin % 5 == 0;; again = false) {
      storage::Transaction& transaction = writer->begin();
      for (size_t i = begin; i < end; ++i) {
        EXPECT_EQ(
            executor.execute(log[i], transaction, i % 2 == 0 ? &events : nullptr, {}, nullptr),
            Executed::kDone);
      }
      if (!again) {
        EXPECT_TRUE(transaction.commit());
        break;
      }
      transaction.rollback();
    }
  }
  CommandRunner run(store);
  return run.history_bytes() + run.contents();
}

TEST(HistoryDeterminism, TransactionsDoNotShowInTheHistory) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    const std::vector<raft::Entry> log = random_log(seed);
    MemoryStore one_by_one;
    const std::string expected = execute_in_chunks(one_by_one, log, 1);
    EXPECT_NE(CommandRunner(one_by_one).history().size(), 0U) << seed;
    for (StoreKind kind : {StoreKind::kMemory, StoreKind::kWiredTiger}) {
      for (size_t chunk : {2U, 13U, 100'000U}) {
        TestStore store(kind);
        EXPECT_TRUE(execute_in_chunks(store.get(), log, chunk) == expected)
            << "seed " << seed << ", " << chunk << " entries a transaction";
      }
    }
  }
}

// How commands are batched decides about rows, not about events.
TEST(HistoryDeterminism, BatchingDoesNotShowInTheEvents) {
  const std::vector<Words> commands = random_commands(9, 1000);
  Events expected;
  for (size_t size : {1U, 10U, 1000U}) {
    MemoryStore store;
    CommandRunner run(store);
    run.keep_history(kPlenty);
    BatchBuilder batch;
    for (const Words& command : commands) {
      batch.add(std::vector<std::string_view>(command.begin(), command.end()));
      if (batch.items() == size) run.apply(batch.take());
    }
    if (expected.empty()) expected = run.history();
    EXPECT_EQ(run.history(), expected);
  }
  EXPECT_GT(expected.size(), 500U);
}

}  // namespace kvorum::command::testing
