// A writer, readers, checkpoints and backups at once; and the engine refusing operations.
#include <atomic>
#include <random>
#include <thread>

#include "store_testing.h"

namespace kvorum::storage {
namespace {

// Every transaction moves an amount from one account to another, so the sum is a constant of every
// picture; and the stored revision is the number of transactions.
constexpr int kAccounts = 200;
constexpr int64_t kEach = 1000;

std::string account(uint64_t number) {
  return fmt::format("account:{:03}", number % kAccounts);
}

int64_t balance(View& view, const std::string& key) {
  auto record = view.get(key);
  CHECK(record);
  return std::stoll(std::string(record->value));
}

void fill(Writer& writer) {
  Transaction& transaction = writer.begin();
  for (uint64_t i = 0; i < kAccounts; ++i) {
    transaction.put(account(i), made_at(1, static_cast<uint32_t>(i)), std::to_string(kEach));
  }
  transaction.set_applied(entry(1), 1, 1);
  CHECK(transaction.commit());
}

// False if the engine wants it run again.
bool move(Writer& writer, uint64_t revision, std::mt19937_64& random) {
  const std::string from = account(random());
  const std::string to = account(random());
  const int64_t amount = static_cast<int64_t>(random() % 50);
  Transaction& transaction = writer.begin();
  auto change = [&](const std::string& key, int64_t by) {
    auto record = transaction.get(key);
    if (!record) {
      CHECK(transaction.failed());
      return;
    }
    KeyHeader header = record->header;
    header.modified = {revision, 0};
    header.deadline = revision % 7 == 0 ? revision : 0;
    transaction.put(key, header, std::to_string(std::stoll(std::string(record->value)) + by));
  };
  change(from, -amount);
  change(to, amount);
  append_row(transaction, {revision, 0}, std::string(revision % 100, 'h'));
  if (revision > 50) trim_rows(transaction, 1);
  transaction.set_applied(entry(revision), revision, revision);
  return transaction.commit();
}

void expect_sum(View& view) {
  expect_history_matches(view);
  int64_t sum = 0;
  for (const auto& [key, value] : contents(view)) sum += std::stoll(value);
  EXPECT_EQ(sum, kAccounts * kEach);
}

TEST(StoreThreads, ShowEveryReaderWholeTransactionsOnly) {
  constexpr uint64_t kTransactions = 3000;
  StoreFolder folder;
  auto store = open_store(folder.path());
  fill(*store->new_writer());
  std::atomic<bool> writing{true};
  std::atomic<uint64_t> published{1};
  std::thread writes([&] {
    auto writer = store->new_writer();
    std::mt19937_64 random(1);
    for (uint64_t revision = 2; revision <= kTransactions; ++revision) {
      CHECK(move(*writer, revision, random));
      published.store(revision);
    }
    writing.store(false);
  });
  auto read = [&](uint64_t seed) {
    auto reader = store->new_reader();
    std::mt19937_64 random(seed);
    uint64_t last = 0;
    do {
      const uint64_t least = published.load();
      View& view = reader->begin();
      const uint64_t revision = view.applied_state().revision;
      EXPECT_GE(revision, least);  // a picture taken later shows what was committed before
      EXPECT_GE(revision, last);
      last = revision;
      expect_sum(view);
      const std::string key = account(random());
      EXPECT_EQ(balance(view, key), balance(view, key));
      EXPECT_EQ(view.applied_state().revision, revision);
      reader->end();
    } while (writing.load());
  };
  std::thread reads1(read, 11);
  std::thread reads2(read, 12);
  std::thread checkpoints([&] {
    int backups = 0;
    do {
      const uint64_t least = published.load();
      auto contained = store->checkpoint();
      ASSERT_TRUE(contained);
      EXPECT_GE(contained->revision, least);
      if (backups < 3) {
        const std::string copy = folder.path(fmt::format("backup{}", backups++));
        ASSERT_TRUE(store->backup(copy));
        auto opened = open_store(copy);
        EXPECT_GE(opened->applied_state().revision, contained->revision);
        auto reader = opened->new_reader();
        View& view = reader->begin();
        expect_sum(view);
        expect_indexes_match(view);
        reader->end();
      }
      EXPECT_GT(store->stats().file_bytes, 0u);
    } while (writing.load());
  });
  writes.join();
  reads1.join();
  reads2.join();
  checkpoints.join();
  EXPECT_EQ(store->applied_state().revision, kTransactions);
  EXPECT_GT(store->stats().checkpoints, 0u);
}

// The engine is made to refuse an operation now and then, as it does when it is short of cache.
TEST(StoreThreads, RunAFailedTransactionAgain) {
  StoreFolder folder;
  fill(*open_store(folder.path())->new_writer());
  auto store = open_store(folder.path(), 64 << 20, "debug_mode=(rollback_error=23)");
  auto writer = store->new_writer();
  auto reader = store->new_reader();
  int failures = 0;
  for (uint64_t revision = 2; revision <= 500; ++revision) {
    for (;;) {
      std::mt19937_64 random(revision);
      if (move(*writer, revision, random)) break;
      ++failures;
      ASSERT_LT(failures, 5000);
    }
    if (revision % 50 == 0) {
      View& view = reader->begin();
      expect_sum(view);
      EXPECT_EQ(view.applied_state().revision, revision);
      expect_indexes_match(view);
      reader->end();
    }
  }
  EXPECT_GT(failures, 0);
}

TEST(StoreThreads, MakeAFailedTransactionHarmless) {
  StoreFolder folder;
  fill(*open_store(folder.path())->new_writer());
  auto store = open_store(folder.path(), 64 << 20, "debug_mode=(rollback_error=10)");
  auto writer = store->new_writer();
  Transaction& transaction = writer->begin();
  for (uint64_t i = 0; i < 100 && !transaction.failed(); ++i) {
    transaction.put(account(i), made_at(2), "0");
  }
  ASSERT_TRUE(transaction.failed());
  transaction.put("k", made_at(3), "v");
  transaction.put_header("k", made_at(3));
  transaction.erase_all();
  append_row(transaction, {4, 0}, "row");
  trim_rows(transaction, 1);
  EXPECT_FALSE(transaction.erase(account(1)));
  EXPECT_FALSE(transaction.get(account(1)));
  EXPECT_FALSE(transaction.header(account(1)));
  EXPECT_FALSE(transaction.random_key(1));
  EXPECT_TRUE(contents(transaction).empty());
  EXPECT_TRUE(newest_first(transaction).empty());
  EXPECT_TRUE(due(transaction, UINT64_MAX).empty());
  EXPECT_TRUE(history_after(transaction).empty());
  EXPECT_TRUE(history_before(transaction).empty());
  EXPECT_FALSE(transaction.commit());
  EXPECT_EQ(transaction.applied_state().revision, 1u);
  auto reader = store->new_reader();
  View& view = reader->begin();
  expect_sum(view);
  EXPECT_EQ(view.applied_state().key_count, uint64_t{kAccounts});
  reader->end();
}

}  // namespace
}  // namespace kvorum::storage
