// What a read does when the engine gives its transaction up, as it may when it is short of cache.
// The engine's function tables are patched, because nothing makes it do so at a chosen step.
#include "storage/store_view.h"

#include <gtest/gtest.h>

#include "storage/store_reader.h"
#include "store_testing.h"

namespace kvorum::storage {
namespace {

// Calls to pass before one answers WT_ROLLBACK; negative: never.
int calls_left = -1;
bool refused() {
  return calls_left >= 0 && calls_left-- == 0;
}

using CursorCall = int (*)(WT_CURSOR*);
CursorCall real_search = nullptr;
CursorCall real_next = nullptr;
CursorCall real_prev = nullptr;
decltype(WT_SESSION::open_cursor) real_open_cursor = nullptr;

int search(WT_CURSOR* cursor) {
  return refused() ? WT_ROLLBACK : real_search(cursor);
}
int next(WT_CURSOR* cursor) {
  return refused() ? WT_ROLLBACK : real_next(cursor);
}
int prev(WT_CURSOR* cursor) {
  return refused() ? WT_ROLLBACK : real_prev(cursor);
}

// The engine keeps closed cursors to open them again, patched or not.
int open_patched_cursor(WT_SESSION* session, const char* uri, WT_CURSOR* duplicate,
                        const char* options, WT_CURSOR** cursor) {
  int code = real_open_cursor(session, uri, duplicate, options, cursor);
  if (code != 0) return code;
  if ((*cursor)->next != next) {
    real_next = (*cursor)->next;
    real_prev = (*cursor)->prev;
  }
  (*cursor)->next = next;
  (*cursor)->prev = prev;
  return 0;
}

class LostPicture : public testing::Test, public PictureOwner {
 public:
  ~LostPicture() override {
    session_->get()->open_cursor = real_open_cursor;
    reads_->keys_cursor()->search = real_search;
    calls_left = -1;
  }

 protected:
  LostPicture() {
    auto store = open_store(folder_.path());
    auto writer = store->new_writer();
    Transaction& transaction = writer->begin();
    for (uint64_t i = 0; i < 10; ++i) {
      transaction.put(fmt::format("k{}", i), made_at(i + 1, 0, 100 + i), "v");
      all_.push_back(fmt::format("k{}", i));
      append_row(transaction, {i + 1, 0}, all_.back());
    }
    CHECK(transaction.commit());
    writer.reset();
    store.reset();
    auto opened = WtConnection::open(folder_.path(), "create", {});
    CHECK(opened);
    connection_ = std::move(*opened);
    session_.emplace(*connection_);
    reads_.emplace(*session_, *this);
    real_search = reads_->keys_cursor()->search;
    reads_->keys_cursor()->search = search;
    real_open_cursor = session_->get()->open_cursor;
    session_->get()->open_cursor = open_patched_cursor;
    session_->begin();
  }
  bool rolled_back() override {
    ++lost_;
    session_->rollback();
    if (!goes_on_) return false;
    session_->begin();
    return true;
  }
  bool usable() const override { return true; }

  StoreFolder folder_;
  std::vector<std::string> all_;
  std::unique_ptr<WtConnection> connection_;
  std::optional<WtSession> session_;
  std::optional<StoreReads> reads_;
  bool goes_on_ = true;
  int lost_ = 0;
};

TEST_F(LostPicture, IsReplacedUnderALookup) {
  calls_left = 0;
  Record record;
  EXPECT_TRUE(reads_->find("k3", record));
  EXPECT_EQ(record.value, "v");
  EXPECT_EQ(lost_, 1);
}

TEST_F(LostPicture, EndsALookupOfATransaction) {
  calls_left = 0;
  goes_on_ = false;
  Record record;
  EXPECT_FALSE(reads_->find("k3", record));
}

TEST_F(LostPicture, IsReplacedUnderAWalkWithNothingSkippedOrMetTwice) {
  for (int step = 0; step < 10; ++step) {
    std::vector<std::string> met;
    calls_left = step;
    reads_->for_each({}, [&](std::string_view key, const Record&) {
      met.emplace_back(key);
      return true;
    });
    EXPECT_EQ(met, all_);
    met.clear();
    calls_left = step;
    reads_->for_each_created_before({}, [&](EventId, std::string_view key) {
      met.emplace(met.begin(), key);
      return true;
    });
    EXPECT_EQ(met, all_);
    met.clear();
    calls_left = step;
    reads_->for_each_due(109, [&](UnixMillis, std::string_view key) {
      met.emplace_back(key);
      return true;
    });
    EXPECT_EQ(met, all_);
    met.clear();
    calls_left = step;
    reads_->for_each_history({1, 0}, {}, [&](EventId, std::string_view row) {
      met.emplace_back(row);
      return true;
    });
    EXPECT_EQ(met, all_);
    EXPECT_EQ(lost_, 4 * (step + 1));
  }
}

TEST_F(LostPicture, IsReplacedUnderAWalkBackThroughTheHistory) {
  // The tenth row is known to be the oldest.
  for (int step = 0; step < 9; ++step) {
    std::vector<std::string> met;
    calls_left = step;
    reads_->for_each_history_back({1, 0}, {11, 0}, [&](EventId, std::string_view row) {
      met.emplace(met.begin(), row);
      return true;
    });
    EXPECT_EQ(met, all_);
    EXPECT_EQ(lost_, step + 1);
  }
}

// Behind it there may be any number of removed rows.
TEST_F(LostPicture, DoesNotLookBehindTheOldestRow) {
  size_t met = 0;
  const auto count = [&](EventId, std::string_view) { return ++met > 0; };
  calls_left = 5;
  reads_->for_each_history_back({5, 0}, {11, 0}, count);
  EXPECT_EQ(met, 6u);
  calls_left = 0;
  reads_->for_each_history_back({5, 0}, {5, 0}, count);
  reads_->for_each_history_back({5, 0}, {2, 0}, count);
  EXPECT_EQ(met, 6u);
  EXPECT_EQ(lost_, 0);
}

// What it looks for is no longer there in the newer picture, or was never in the older one.
TEST_F(LostPicture, GoesOnWithTheRowsThatThereAre) {
  for (EventId oldest : {EventId{0, 5}, EventId{1, 0}, EventId{1, 5}}) {
    std::vector<std::string> met;
    reads_->for_each_history(oldest, {}, [&](EventId, std::string_view row) {
      met.emplace_back(row);
      return true;
    });
    EXPECT_EQ(met.size(), oldest.revision + oldest.change > 5 ? 9u : 10u);
  }
}

TEST_F(LostPicture, EndsAWalkOfATransaction) {
  goes_on_ = false;
  calls_left = 4;
  size_t met = 0;
  reads_->for_each({}, [&](std::string_view, const Record&) { return ++met > 0; });
  EXPECT_EQ(met, 4u);
  EXPECT_EQ(lost_, 1);
}

}  // namespace
}  // namespace kvorum::storage
