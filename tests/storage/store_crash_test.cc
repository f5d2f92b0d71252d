// A store that dies at any moment stands at its last checkpoint, whole. Processes of their own
// write and are killed; what is left is compared with what they had reached.
#include <poll.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "store_testing.h"

namespace kvorum::storage {
namespace {

// What the entry `index` does to the store. Everything follows from the index, so the state at any
// applied index is known.
constexpr uint64_t kSlots = 500;
constexpr uint64_t kHistoryRows = 300;

void apply(Transaction& transaction, uint64_t index) {
  const std::string key = fmt::format("slot:{}", index * 7919 % kSlots);
  if (index % 5 == 0) {
    transaction.erase(key);
  } else {
    transaction.put(key, made_at(index, 0, index % 3 == 0 ? index : 0), std::to_string(index));
  }
  append_row(transaction, {index, 0}, std::to_string(index));
  if (index > kHistoryRows) trim_rows(transaction, 1);
  transaction.set_applied(entry(index), index, index);
}

HistoryRows expected_history_at(uint64_t applied) {
  HistoryRows rows;
  for (uint64_t index = 1; index <= applied; ++index) {
    if (index + kHistoryRows > applied) rows.emplace_back(EventId{index, 0}, std::to_string(index));
  }
  return rows;
}

std::map<std::string, std::string> expected_at(uint64_t applied) {
  std::map<std::string, std::string> all;
  for (uint64_t index = 1; index <= applied; ++index) {
    const std::string key = fmt::format("slot:{}", index * 7919 % kSlots);
    if (index % 5 == 0) {
      all.erase(key);
    } else {
      all[key] = std::to_string(index);
    }
  }
  return all;
}

void expect_state_of(Store& store, uint64_t applied) {
  auto reader = store.new_reader();
  View& view = reader->begin();
  EXPECT_EQ(view.applied_state().applied, applied == 0 ? raft::EntryId{} : entry(applied));
  EXPECT_EQ(contents(view), expected_at(applied));
  expect_indexes_match(view);
  EXPECT_EQ(history_after(view), expected_history_at(applied));
  expect_history_matches(view);
  reader->end();
}

void write_entries(Writer& writer, uint64_t first, uint64_t last) {
  for (uint64_t index = first; index <= last; ++index) {
    Transaction& transaction = writer.begin();
    apply(transaction, index);
    CHECK(transaction.commit());
  }
}

TEST(StoreCrash, StandsAtTheLastCheckpoint) {
  StoreFolder folder;
  pid_t child = ::fork();
  if (child == 0) {
    auto store = open_store(folder.path());
    auto writer = store->new_writer();
    write_entries(*writer, 1, 5000);
    auto contained = store->checkpoint();
    CHECK(contained && contained->applied == entry(5000));
    write_entries(*writer, 5001, 9000);
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  auto store = open_store(folder.path());
  expect_state_of(*store, 5000);
  // And goes on from there, as a replay of the log does.
  auto writer = store->new_writer();
  write_entries(*writer, 5001, 6000);
  ASSERT_TRUE(store->checkpoint());
  expect_state_of(*store, 6000);
}

TEST(StoreCrash, IsEmptyWhenItDiedBeforeTheFirstCheckpoint) {
  StoreFolder folder;
  pid_t child = ::fork();
  if (child == 0) {
    auto store = open_store(folder.path());
    auto writer = store->new_writer();
    write_entries(*writer, 1, 100);
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  expect_state_of(*open_store(folder.path()), 0);
}

// The child writes and checkpoints without pause and reports each checkpoint's index; it is killed
// after a few, wherever it is then, and started again on what it left.
TEST(StoreCrash, NeverStandsBehindAReportedCheckpoint) {
  StoreFolder folder;
  uint64_t durable = 0;
  for (int round = 0; round < 12; ++round) {
    int reports[2];
    ASSERT_EQ(::pipe(reports), 0);
    pid_t child = ::fork();
    if (child == 0) {
      auto store = open_store(folder.path(), 16 << 20);
      uint64_t begin = store->applied_state().applied.index.value();
      std::thread checkpoints([&] {
        for (;;) {
          auto contained = store->checkpoint();
          CHECK(contained);
          uint64_t index = contained->applied.index.value();
          CHECK(::write(reports[1], &index, sizeof(index)) == sizeof(index));
        }
      });
      auto writer = store->new_writer();
      for (uint64_t index = begin + 1;; ++index) write_entries(*writer, index, index);
    }
    ::close(reports[1]);
    for (int left = 1 + round; left > 0; --left) {
      uint64_t reported = 0;
      ASSERT_EQ(::read(reports[0], &reported, sizeof(reported)), ssize_t{sizeof(reported)});
      EXPECT_GE(reported, durable);
      durable = reported;
    }
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ::close(reports[0]);
    auto store = open_store(folder.path());
    uint64_t applied = store->applied_state().applied.index.value();
    EXPECT_GE(applied, durable);
    expect_state_of(*store, applied);
    durable = applied;
  }
}

// Runs a child that opens a new store in `folder` and kills it after `events` changes of the
// folder. False if it was through before.
bool kill_first_open_after(const std::string& folder, int events) {
  namespace fs = std::filesystem;
  fs::create_directories(folder);
  const int changes = ::inotify_init1(IN_CLOEXEC);
  CHECK(changes >= 0);
  CHECK(::inotify_add_watch(changes, folder.c_str(), IN_CREATE | IN_MOVED_TO | IN_MODIFY) >= 0);
  int alive[2];
  CHECK(::pipe(alive) == 0);
  pid_t child = ::fork();
  if (child == 0) {
    auto store = open_store(folder);
    ::_exit(0);
  }
  ::close(alive[1]);  // its other end closes with the child
  pollfd wait[2] = {{changes, POLLIN, 0}, {alive[0], POLLIN, 0}};
  while (events > 0) {
    CHECK(::poll(wait, 2, -1) > 0);
    if (wait[1].revents != 0) break;
    alignas(inotify_event) char buffer[4096];
    ssize_t size = ::read(changes, buffer, sizeof(buffer));
    CHECK(size > 0);
    for (const char* at = buffer; at < buffer + size; --events) {
      at += sizeof(inotify_event) + reinterpret_cast<const inotify_event*>(at)->len;
    }
  }
  ::kill(child, SIGKILL);
  int status = 0;
  CHECK(::waitpid(child, &status, 0) == child);
  ::close(changes);
  ::close(alive[0]);
  return WIFSIGNALED(status);
}

TEST(StoreCrash, OpensWhereverTheFirstOpenWasKilled) {
  int killed = 0;
  for (int events = 1; events <= 60; events += 3) {
    StoreFolder folder;
    killed += kill_first_open_after(folder.path(), events) ? 1 : 0;
    auto store = Store::open({.folder = folder.path(), .cache_bytes = 16 << 20});
    ASSERT_TRUE(store) << events << " changes: " << store.error().message;
    expect_state_of(**store, 0);
  }
  EXPECT_GT(killed, 5);
}

}  // namespace
}  // namespace kvorum::storage
