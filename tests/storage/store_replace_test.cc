// The whole state replaced by another store's: under readers and the writer, refused, cut short.
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <thread>

#include "store_fixture.h"

namespace kvorum::storage {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kKeys = 300;

// A store whose every value is the index that it was applied at.
AppliedState make_store(const std::string& folder, uint64_t index) {
  auto store = open_store(folder);
  auto writer = store->new_writer();
  Transaction& transaction = writer->begin();
  for (uint64_t key = 0; key < kKeys; ++key) {
    transaction.put(fmt::format("k{}", key), made_at(index, static_cast<uint32_t>(key)),
                    std::to_string(index));
  }
  for (uint64_t row = 0; row < 2 * index; ++row) {
    append_row(transaction, {index, static_cast<uint32_t>(row)}, std::to_string(index));
  }
  trim_rows(transaction, index);
  transaction.set_configuration(only_voter(index));
  transaction.set_proposer({raft::NodeId(index), 5, 6, raft::Index(index)});
  transaction.set_applied(entry(index), index, index);
  CHECK(transaction.commit());
  return store->applied_state();
}

void expect_state_of(View& view, uint64_t index) {
  const AppliedState state = view.applied_state();
  EXPECT_EQ(state.applied, entry(index));
  EXPECT_EQ(state.configuration, only_voter(index));
  EXPECT_NE(state.find_proposer(raft::NodeId(index)), nullptr);
  const auto all = contents(view);
  EXPECT_EQ(all.size(), kKeys);
  for (const auto& [key, value] : all) EXPECT_EQ(value, std::to_string(index)) << key;
  EXPECT_EQ(state.history.floor, (EventId{index, static_cast<uint32_t>(index - 1)}));
  expect_history_matches(view);
}

void expect_store_with(const std::string& folder, uint64_t index) {
  auto store = open_store(folder);
  auto reader = store->new_reader();
  View& view = reader->begin();
  expect_state_of(view, index);
  expect_indexes_match(view);
  reader->end();
}

// Other bytes over the second half of the file.
void damage(const std::string& file) {
  const size_t size = fs::file_size(file);
  std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
  out.seekp(static_cast<std::streamoff>(size / 2));
  out << std::string(size - size / 2, '\x5a');
}

class StoreReplace : public StoreTest {
 protected:
  std::string next() const { return folder_.path("next"); }
  std::string old() const { return folder_.path("store.old"); }
  // The reason why it is not replaced.
  std::string refusal(const std::string& folder) {
    Result<AppliedState> replaced = store_->replace(folder);
    EXPECT_FALSE(replaced);
    return replaced ? "" : replaced.error().message;
  }
  void expect_untouched() {
    read([](View& view) { EXPECT_EQ(view.get("mine")->value, "1"); });
    put("another", "2");
    EXPECT_TRUE(store_->checkpoint());
    EXPECT_FALSE(fs::exists(old()));
  }
};

TEST_F(StoreReplace, ShowsTheNewStateToWhoWasThereBefore) {
  const AppliedState expected = make_store(next(), 40);
  write([](Transaction& t) {
    t.put("mine", made_at(1, 0, 5), "1");
    append_row(t, {1, 0}, "mine");
    t.set_configuration(only_voter(1));
    t.set_configuration(only_voter(2));
  });
  read([](View& view) { EXPECT_TRUE(view.get("mine")); });
  auto unused = store_->new_reader();
  auto replaced = store_->replace(next());
  ASSERT_TRUE(replaced) << replaced.error().message;
  EXPECT_EQ(*replaced, expected);
  EXPECT_EQ(store_->applied_state(), expected);
  EXPECT_FALSE(fs::exists(next()));
  EXPECT_FALSE(fs::exists(old()));
  read([](View& view) { expect_state_of(view, 40); });
  expect_state_of(unused->begin(), 40);
  unused->end();
  unused.reset();
  // The writer counts on from the new state.
  write([&](Transaction& t) {
    EXPECT_EQ(t.applied_state(), expected);
    EXPECT_FALSE(t.get("mine"));
    append_row(t, {41, 0}, "41");
    trim_rows(t, 3);
    t.put("mine", made_at(41, 0, 9), "2");
    t.set_applied(entry(41), 41, 41);
  });
  EXPECT_EQ(store_->applied_state().key_count, kKeys + 1);
  read([](View& view) {
    EXPECT_EQ(view.applied_state().configuration, only_voter(40));
    expect_indexes_match(view);
    EXPECT_EQ(history_after(view).size(), 38u);
    expect_history_matches(view);
  });
  auto contained = store_->checkpoint();
  ASSERT_TRUE(contained);
  EXPECT_EQ(contained->applied, entry(41));
  ASSERT_TRUE(store_->backup(folder_.path("backup")));
  reopen();
  EXPECT_EQ(store_->applied_state(), *contained);
}

TEST_F(StoreReplace, TakesAStreamedBackup) {
  const AppliedState expected = make_store(folder_.path("other"), 7);
  ASSERT_TRUE(open_store(folder_.path("other"))->backup(next()));
  auto replaced = store_->replace(next() + "/");
  ASSERT_TRUE(replaced) << replaced.error().message;
  EXPECT_EQ(*replaced, expected);
  reopen();
  read([](View& view) { expect_state_of(view, 7); });
}

TEST_F(StoreReplace, MayBeDoneAgainAndAgain) {
  for (uint64_t index = 1; index <= 5; ++index) {
    make_store(next(), index);
    ASSERT_TRUE(store_->replace(next()));
    if (index % 2 == 0) read([&](View& view) { expect_state_of(view, index); });
  }
  read([](View& view) { expect_state_of(view, 5); });
}

TEST_F(StoreReplace, HappensUnderReadersAndTheWriter) {
  constexpr uint64_t kRounds = 6;
  for (uint64_t round = 1; round <= kRounds; ++round) {
    make_store(folder_.path(fmt::format("next{}", round)), 1000 * round);
  }
  make_store(folder_.path("first"), 500);
  ASSERT_TRUE(store_->replace(folder_.path("first")));
  std::atomic<bool> running{true};
  std::atomic<uint64_t> published{500};
  auto reads = [&] {
    while (running.load()) {
      auto reader = store_->new_reader();
      for (int turn = 0; turn < 5; ++turn) {
        const uint64_t least = published.load();
        View& view = reader->begin();
        const uint64_t index = view.applied_state().applied.index.value();
        EXPECT_GE(index, least);
        for (const auto& [key, value] : contents(view)) EXPECT_EQ(value, std::to_string(index));
        EXPECT_GT(store_->stats().disk_bytes_free, 0u);  // must not wait while it reads
        reader->end();
      }
    }
  };
  std::thread reads1(reads);
  std::thread reads2(reads);
  std::thread checkpoints([&] {
    for (int i = 0; running.load(); ++i) {
      const uint64_t least = published.load();
      auto contained = store_->checkpoint();
      ASSERT_TRUE(contained) << contained.error().message;
      EXPECT_GE(contained->applied.index.value(), least);
      EXPECT_GE(store_->applied_state().applied.index.value(), least);
    }
  });
  for (uint64_t round = 1; round <= kRounds; ++round) {
    for (uint64_t index = published.load() + 1; index % 20 != 0; ++index) {
      write([&](Transaction& t) {
        for (uint64_t key = 0; key < kKeys; ++key) {
          t.put(fmt::format("k{}", key), made_at(index, static_cast<uint32_t>(key)),
                std::to_string(index));
        }
        t.set_applied(entry(index), index, index);
      });
      published.store(index);
    }
    auto replaced = store_->replace(folder_.path(fmt::format("next{}", round)));
    ASSERT_TRUE(replaced) << replaced.error().message;
    published.store(1000 * round);
  }
  running.store(false);
  reads1.join();
  reads2.join();
  checkpoints.join();
  reopen();
  read([](View& view) { expect_state_of(view, 1000 * kRounds); });
}

TEST_F(StoreReplace, WaitsForAnOpenView) {
  make_store(next(), 3);
  put("mine", "1");
  View& view = reader_->begin();
  EXPECT_EQ(view.get("mine")->value, "1");
  std::thread replaces([&] { EXPECT_TRUE(store_->replace(next())); });
  // The checkpoint before the exchange is counted, then it waits.
  while (store_->stats().checkpoints == 0) std::this_thread::yield();
  EXPECT_EQ(view.get("mine")->value, "1");
  EXPECT_TRUE(fs::exists(next()));
  reader_->end();
  replaces.join();
  read([](View& after) { expect_state_of(after, 3); });
}

TEST_F(StoreReplace, IsRefusedWhileACheckpointIsRead) {
  make_store(next(), 3);
  put("mine", "1");
  auto source = store_->open_backup();
  ASSERT_TRUE(source);
  EXPECT_TRUE(contains(refusal(next()), "is being copied"));
  expect_untouched();
  source->reset();
  EXPECT_TRUE(store_->replace(next()));
}

TEST_F(StoreReplace, IsRefusedWithWhatIsNotAWholeStore) {
  put("mine", "1");
  EXPECT_TRUE(contains(refusal(folder_.path("nowhere")), "nowhere"));
  expect_untouched();
  EXPECT_TRUE(contains(refusal(folder_.path()), "its own place"));
  expect_untouched();
  fs::create_directories(folder_.path("empty"));
  EXPECT_TRUE(contains(refusal(folder_.path("empty")), "holds no store"));
  expect_untouched();
  make_store(next(), 3);
  std::ofstream(next() + "/notes.txt") << "mine";
  EXPECT_TRUE(contains(refusal(next()), "notes.txt"));
  expect_untouched();
  fs::remove(next() + "/notes.txt");
  ASSERT_TRUE(open_store(next())->backup(folder_.path("backup")));
  fs::remove(folder_.path("backup/WiredTiger.backup"));
  EXPECT_TRUE(contains(refusal(folder_.path("backup")), "is damaged"));
  expect_untouched();
  damage(next() + "/WiredTiger.turtle");
  EXPECT_TRUE(contains(refusal(next()), "is damaged"));
  expect_untouched();
}

TEST(StoreVerify, GivesTheStateOfAWholeStore) {
  StoreFolder folder;
  const AppliedState expected = make_store(folder.path(), 3);
  for (int again = 0; again < 2; ++again) {
    auto state = Store::verify(folder.path(), 1 << 20);
    ASSERT_TRUE(state) << state.error().message;
    EXPECT_EQ(*state, expected);
  }
  ASSERT_TRUE(open_store(folder.path())->backup(folder.path("backup")));
  EXPECT_EQ(Store::verify(folder.path("backup"), 1 << 20), expected);
  expect_store_with(folder.path("backup"), 3);
}

size_t entries_in(const char* folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), {}));
}

// In a child: the engine forgets to free some memory when a table is damaged.
void check_damage_is_named(const std::string& folder, const std::string& table) {
  make_store(folder, 3);
  damage(folder + "/" + table);
  const size_t descriptors = entries_in("/proc/self/fd");
  const size_t threads = entries_in("/proc/self/task");
  auto state = Store::verify(folder, 1 << 20);
  CHECK(!state);
  CHECK(contains(state.error().message, "is damaged"), "{}", state.error().message);
  CHECK(contains(state.error().message, table), "{}", state.error().message);
  CHECK(entries_in("/proc/self/fd") == descriptors);
  CHECK(entries_in("/proc/self/task") == threads);
  // Another copy in the same place is another matter.
  fs::remove_all(folder);
  const AppliedState expected = make_store(folder, 4);
  CHECK(Store::verify(folder, 1 << 20) == expected);
}

TEST(StoreVerify, NamesDamageThatOpeningDoesNotMeet) {
  for (const char* table : {"keys.wt", "created.wt", "history.wt", "meta.wt"}) {
    StoreFolder folder;
    pid_t child = ::fork();
    if (child == 0) {
      check_damage_is_named(folder.path(), table);
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << table;
  }
}

TEST(StoreVerify, MakesNothing) {
  StoreFolder folder;
  EXPECT_FALSE(Store::verify(folder.path(), 1 << 20));
  EXPECT_FALSE(fs::exists(folder.path()));
  fs::create_directories(folder.path());
  EXPECT_FALSE(Store::verify(folder.path(), 1 << 20));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

// Every order of the names that a crash can leave.
TEST(StoreSwap, IsTakenBackWhenOnlyTheOldStoreIsThere) {
  StoreFolder folder;
  make_store(folder.path(), 1);
  make_store(folder.path("next"), 2);
  fs::rename(folder.path(), folder.path("store.old"));
  expect_store_with(folder.path() + "/", 1);
  EXPECT_FALSE(fs::exists(folder.path("store.old")));
  EXPECT_TRUE(fs::exists(folder.path("next")));
}

TEST(StoreSwap, IsFinishedWhenBothAreThere) {
  for (bool partly_removed : {false, true}) {
    StoreFolder folder;
    make_store(folder.path(), 2);
    make_store(folder.path("store.old"), 1);
    if (partly_removed) fs::remove(folder.path("store.old/WiredTiger.turtle"));
    expect_store_with(folder.path(), 2);
    EXPECT_FALSE(fs::exists(folder.path("store.old")));
  }
}

TEST(StoreSwap, KeepsTheOldStoreUntilTheNewOneIsOpen) {
  StoreFolder folder;
  make_store(folder.path("store.old"), 1);
  fs::create_directories(folder.path());
  EXPECT_TRUE(contains(open_error(folder.path()), "holds no store"));
  fs::remove(folder.path());
  expect_store_with(folder.path(), 1);
}

// Killed at each of the events that the swap leaves in the folder above.
TEST(StoreSwap, IsDoneOrNotWhereverItWasKilled) {
  for (int events_until_kill = 0; events_until_kill <= 6; ++events_until_kill) {
    StoreFolder folder;
    make_store(folder.path(), 1);
    make_store(folder.path("next"), 2);
    const int watch = ::inotify_init1(IN_CLOEXEC);
    ASSERT_GE(watch, 0);
    ASSERT_GE(::inotify_add_watch(watch, folder.path("").c_str(),
                                  IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_CREATE),
              0);
    int started[2];
    ASSERT_EQ(::pipe(started), 0);
    pid_t child = ::fork();
    if (child == 0) {
      auto store = open_store(folder.path());
      CHECK(::write(started[1], "s", 1) == 1);
      CHECK(store->replace(folder.path("next")));
      ::pause();
    }
    char byte = 0;
    ASSERT_EQ(::read(started[0], &byte, 1), 1);
    // store, store.old, next, store; then store.old is gone.
    for (int met = 0; met < std::min(events_until_kill, 5);) {
      alignas(inotify_event) char buffer[sizeof(inotify_event) + 256];
      ssize_t bytes = ::read(watch, buffer, sizeof(buffer));
      ASSERT_GT(bytes, 0);
      for (char* at = buffer; at < buffer + bytes;) {
        at += sizeof(inotify_event) + reinterpret_cast<inotify_event*>(at)->len;
        ++met;
      }
    }
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status));
    for (int end : {started[0], started[1], watch}) ::close(end);
    const bool done = !fs::exists(folder.path("next"));
    EXPECT_TRUE(done || events_until_kill < 4);
    expect_store_with(folder.path(), done ? 2 : 1);
    EXPECT_FALSE(fs::exists(folder.path("store.old")));
  }
}

}  // namespace
}  // namespace kvorum::storage
