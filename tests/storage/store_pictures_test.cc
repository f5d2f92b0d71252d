// What readers see while the writer goes on.

#include "storage/store_format.h"
#include "store_fixture.h"

namespace kvorum::storage {
namespace {

TEST_F(StoreTest, ShowsAReaderOnePictureUntilItEnds) {
  put("k", "old");
  put("gone", "old");
  write([](Transaction& t) { t.set_applied(entry(1), 1, 1); });
  View& view = reader_->begin();
  EXPECT_EQ(view.get("k")->value, "old");
  write([](Transaction& t) {
    t.put("k", made_at(1), "new");
    t.put("more", made_at(3, 0, 9), "new");
    t.erase("gone");
    t.set_applied(entry(2), 2, 2);
  });
  EXPECT_EQ(view.get("k")->value, "old");
  EXPECT_TRUE(view.get("gone"));
  EXPECT_EQ(view.applied_state().revision, 1u);
  EXPECT_EQ(contents(view).size(), 2u);
  EXPECT_EQ(view.first_deadline(), 0u);
  EXPECT_EQ(newest_first(view), (std::vector<std::string>{"gone", "k"}));
  EXPECT_TRUE(store_->checkpoint());
  EXPECT_EQ(view.get("k")->value, "old");
  reader_->end();
  read([](View& fresh) {
    EXPECT_EQ(fresh.get("k")->value, "new");
    EXPECT_EQ(fresh.applied_state().revision, 2u);
    EXPECT_EQ(contents(fresh).size(), 2u);
    EXPECT_EQ(fresh.first_deadline(), 9u);
  });
}

TEST_F(StoreTest, DoesNotShowWhatIsNotCommitted) {
  Transaction& transaction = writer_->begin();
  transaction.put("k", made_at(1, 0, 5), "v");
  read([](View& view) {
    EXPECT_FALSE(view.get("k"));
    EXPECT_TRUE(due(view, 5).empty());
  });
  ASSERT_TRUE(transaction.commit());
  read([](View& view) { EXPECT_TRUE(view.get("k")); });
}

TEST_F(StoreTest, ErasesAllWhileAReaderGoesOnSeeingIt) {
  constexpr int kKeys = 20'000;
  auto fill = [&](uint64_t base) {
    write([&](Transaction& t) {
      for (int i = 0; i < kKeys; ++i) {
        t.put(fmt::format("k{:06}", i), made_at(base + static_cast<uint64_t>(i), 0, 1000), "value");
      }
    });
  };
  fill(1);
  reopen();  // pages on disk, not in the cache
  put("in-cache", "v");
  View& view = reader_->begin();
  write([](Transaction& t) {
    t.put("before", made_at(100'000), "");
    t.erase_all();
    EXPECT_EQ(t.applied_state().key_count, 0u);
    EXPECT_FALSE(t.get("k000001"));
    EXPECT_TRUE(contents(t).empty());
    t.put("after", made_at(100'001), "");
    t.put("k000001", made_at(100'002), "");
  });
  EXPECT_EQ(contents(view).size(), kKeys + 1u);
  EXPECT_EQ(newest_first(view).size(), kKeys + 1u);
  EXPECT_TRUE(store_->checkpoint());
  EXPECT_EQ(contents(view).size(), kKeys + 1u);
  EXPECT_EQ(due(view, 1000).size(), size_t{kKeys});
  expect_indexes_match(view);
  reader_->end();
  for (int pass = 0; pass < 2; ++pass) {
    read([](View& fresh) {
      EXPECT_EQ(keys_in_order(fresh), (std::vector<std::string>{"after", "k000001"}));
      expect_indexes_match(fresh);
    });
    reopen();
  }
  fill(200'000);
  read(expect_indexes_match);
}

TEST_F(StoreTest, TakesBackARolledBackEraseAll) {
  constexpr int kKeys = 20'000;
  write([&](Transaction& t) {
    for (int i = 0; i < kKeys; ++i) {
      t.put(fmt::format("k{:06}", i), made_at(1 + static_cast<uint64_t>(i), 0, 1000), "value");
    }
  });
  reopen();
  Transaction& transaction = writer_->begin();
  transaction.erase_all();
  EXPECT_TRUE(contents(transaction).empty());
  transaction.rollback();
  EXPECT_EQ(transaction.applied_state().key_count, size_t{kKeys});
  read([](View& view) {
    EXPECT_EQ(contents(view).size(), size_t{kKeys});
    expect_indexes_match(view);
  });
  reopen();
  read(expect_indexes_match);
}

}  // namespace
}  // namespace kvorum::storage
