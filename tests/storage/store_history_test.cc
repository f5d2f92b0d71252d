// What only a store on a disk does to the event history. What every store does to it is tested in
// tests/command/history_store_test.cc.
#include "storage/store_format.h"
#include "store_fixture.h"

namespace kvorum::storage {
namespace {

class StoreHistory : public StoreTest {
 protected:
  void append(uint64_t count, size_t bytes = 20) {
    write([&](Transaction& t) {
      for (uint64_t i = 0; i < count; ++i) append_row(t, {++revision_, 0}, std::string(bytes, 'h'));
    });
  }
  void trim(size_t count) {
    write([&](Transaction& t) { trim_rows(t, count); });
  }
};

TEST_F(StoreHistory, SurvivesACheckpointAndReopening) {
  write([](Transaction& t) { t.set_history({.max_bytes = 1 << 20, .max_age_ms = 99}); });
  append(1000);
  trim(300);
  const AppliedState expected = store_->applied_state();
  EXPECT_EQ(expected.history.max_age_ms, 99u);
  EXPECT_EQ(expected.history.floor, (EventId{300, 0}));
  auto contained = store_->checkpoint();
  ASSERT_TRUE(contained);
  EXPECT_EQ(*contained, expected);
  for (int again = 0; again < 2; ++again) {
    reopen();
    EXPECT_EQ(store_->applied_state(), expected);
    read([](View& view) {
      EXPECT_EQ(history_after(view).size(), 700u);
      expect_history_matches(view);
    });
  }
  append(10);
  trim(1);
  read(expect_history_matches);
}

TEST_F(StoreHistory, IsOnePictureForAReader) {
  append(100);
  View& view = reader_->begin();
  const AppliedState before = view.applied_state();
  for (int i = 0; i < 20; ++i) {
    append(50);
    trim(50);
    if (i == 10) {
      ASSERT_TRUE(store_->checkpoint());
    }
  }
  EXPECT_EQ(view.applied_state(), before);
  expect_history_matches(view);
  EXPECT_EQ(history_after(view, {99, 0}).size(), 2u);
  EXPECT_EQ(history_before(view, {UINT64_MAX, 0}).front().first, (EventId{100, 0}));
  reader_->end();
  read([](View& fresh) {
    EXPECT_EQ(history_after(fresh).front().first, (EventId{1001, 0}));
    expect_history_matches(fresh);
  });
}

TEST_F(StoreHistory, OutlivesItsKeys) {
  put("k", "v");
  append(10);
  write([](Transaction& t) { t.erase_all(); });
  read([](View& view) {
    EXPECT_TRUE(contents(view).empty());
    EXPECT_EQ(history_after(view).size(), 10u);
  });
}

// Pages that were emptied give their place to new ones: the file stays small.
TEST_F(StoreHistory, UsesTheSameRoomAgain) {
  constexpr uint64_t kRows = 2000;
  constexpr size_t kRowBytes = 2000;
  uint64_t file_bytes = 0;
  for (int round = 0; round < 12; ++round) {
    append(kRows, kRowBytes);
    if (round > 0) trim(kRows);
    ASSERT_TRUE(store_->checkpoint());
    if (round == 4) file_bytes = store_->stats().file_bytes;
  }
  EXPECT_LE(store_->stats().file_bytes, file_bytes + (1 << 20));
  EXPECT_LT(file_bytes, 5 * kRows * kRowBytes);
  read(expect_history_matches);
}

// A transaction of the largest size, changes and history, in the cache that is there by default.
TEST_F(StoreHistory, TakesTheLargestTransactions) {
  cache_bytes_ = StoreOptions().cache_bytes;
  reopen();
  const std::string value(size_t{8} << 20, 'v');
  for (uint64_t round = 0; round < 4; ++round) {
    write([&](Transaction& t) {
      for (uint64_t i = 0; i < 8; ++i) {
        const EventId id{++revision_, 0};
        t.put(fmt::format("k{}", i), {.modified = id, .created = id}, value);
        append_row(t, id, value);
      }
      if (round > 0) trim_rows(t, 8);
    });
  }
  read([](View& view) { EXPECT_EQ(view.applied_state().history.oldest, (EventId{25, 0})); });
}

TEST(StoreHistoryDeathTest, FindsARowThatIsThereTwiceOrMissing) {
  StoreFolder folder;
  auto store = open_store(folder.path());
  auto writer = store->new_writer();
  Transaction& transaction = writer->begin();
  append_row(transaction, {5, 0}, "a");
  EXPECT_DEATH(append_row(transaction, {5, 0}, "b"), "a row of event 5-0 already");
  transaction.set_history({.oldest = {4, 0}});
  EXPECT_DEATH(trim_rows(transaction, 1), "no row of event 4-0");
  transaction.rollback();
}

TEST(StoreFormat, EncodesTheStateOfTheHistoryToTheDocumentedBytes) {
  const HistoryState state{.max_bytes = 1,
                           .max_age_ms = 2,
                           .floor = {5, 6},
                           .last = {7, 8},
                           .bytes = 3,
                           .oldest = {9, 10},
                           .oldest_stamp = 4};
  char bytes[kHistoryStateBytes];
  encode_history_state(state, bytes);
  std::string expected;
  for (int number : {1, 2, 3, 4})
    expected += std::string(1, static_cast<char>(number)) + std::string(7, '\0');
  for (int number : {5, 7, 9}) {
    expected += std::string(1, static_cast<char>(number)) + std::string(7, '\0');
    expected += std::string(1, static_cast<char>(number + 1)) + std::string(3, '\0');
  }
  EXPECT_EQ(std::string_view(bytes, sizeof(bytes)), expected);
  EXPECT_EQ(decode_history_state(bytes), state);
  std::string key;
  make_event_key({0x0102, 3}, key);
  EXPECT_EQ(key, std::string("\0\0\0\0\0\0\1\2\0\0\0\3", 12));
  EXPECT_EQ(event_of(key), (EventId{0x0102, 3}));
}

}  // namespace
}  // namespace kvorum::storage
