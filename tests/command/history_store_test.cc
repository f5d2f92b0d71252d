// The history as every store keeps it, whatever its rows mean.
#include <random>

#include "command_fixture.h"
#include "memory_store.h"
#include "tests/storage/store_testing.h"

namespace kvorum::command::testing {

using storage::append_row;
using storage::HistoryRows;
using storage::trim_rows;

constexpr EventId kLastId{UINT64_MAX, UINT32_MAX};

class HistoryTable : public CommandTest {
 protected:
  template <class Change>
  void write(const Change& change) {
    storage::Transaction& transaction = writer_->begin();
    change(transaction);
    ASSERT_TRUE(transaction.commit());
  }
  template <class Look>
  void read(const Look& look) {
    look(reader_->begin());
    reader_->end();
  }
  void fill(const HistoryRows& rows) {
    write([&](storage::Transaction& t) {
      for (const auto& [first, row] : rows) append_row(t, first, row);
    });
  }

  std::unique_ptr<storage::Writer> writer_ = store_.get().new_writer();
  std::unique_ptr<storage::Reader> reader_ = store_.get().new_reader();
};
KVORUM_COMMAND_TESTS(HistoryTable);

const HistoryRows kSample = {{{5, 0}, "a"}, {{5, 3}, std::string("\0b", 2)}, {{6, 0}, ""},
                             {{9, 2}, "d"}, {{9, UINT32_MAX}, "e"},          {{256, 0}, "f"}};

HistoryRows model_after(const HistoryRows& rows, EventId after) {
  auto first = std::find_if(rows.begin(), rows.end(),
                            [&](const auto& row) { return row.first > after.next(); });
  return {first == rows.begin() ? first : first - 1, rows.end()};
}
HistoryRows model_before(const HistoryRows& rows, EventId before) {
  HistoryRows reversed;
  for (const auto& row : rows) {
    if (row.first < before) reversed.insert(reversed.begin(), row);
  }
  return reversed;
}

// Ids at, before and behind every row, and far from all.
std::vector<EventId> seams(const HistoryRows& rows) {
  std::vector<EventId> ids = {{}, {0, 1}, kLastId, {UINT64_MAX, 0}, {7, 7}};
  for (const auto& [first, row] : rows) {
    for (EventId id :
         {first, EventId{first.revision, 0}, EventId{first.revision - 1, UINT32_MAX},
          EventId{first.revision - 1, UINT32_MAX - 1}, EventId{first.revision, first.change - 1},
          EventId{first.revision, first.change - 2}, first.next(), first.next().next()}) {
      ids.push_back(id);
    }
  }
  return ids;
}

TEST_P(HistoryTable, IsEmptyWhenNew) {
  EXPECT_EQ(store_.get().applied_state().history, storage::HistoryState{});
  read([](storage::View& view) {
    for (EventId id : {EventId{}, EventId{3, 4}, kLastId}) {
      EXPECT_TRUE(storage::history_after(view, id).empty());
      EXPECT_TRUE(storage::history_before(view, id).empty());
    }
  });
  write([](storage::Transaction& t) {
    t.trim_history([](EventId, std::string_view) {
      ADD_FAILURE();
      return true;
    });
  });
}

TEST_P(HistoryTable, IsWalkedBothWaysFromEveryId) {
  fill(kSample);
  read([](storage::View& view) {
    for (EventId id : seams(kSample)) {
      EXPECT_EQ(storage::history_after(view, id), model_after(kSample, id)) << id.to_string();
      EXPECT_EQ(storage::history_before(view, id), model_before(kSample, id)) << id.to_string();
    }
    storage::expect_history_matches(view);
  });
}

TEST_P(HistoryTable, EndsAWalkWhenItIsTold) {
  fill(kSample);
  read([](storage::View& view) {
    for (size_t most = 1; most <= kSample.size(); ++most) {
      size_t met = 0;
      view.for_each_history({}, [&](EventId, std::string_view) { return ++met < most; });
      EXPECT_EQ(met, most);
      met = 0;
      view.for_each_history_back(kLastId, [&](EventId, std::string_view) { return ++met < most; });
      EXPECT_EQ(met, most);
    }
  });
}

TEST_P(HistoryTable, LetsAWalkCallWhatItLikes) {
  fill(kSample);
  run("SET k v");
  read([](storage::View& view) {
    view.for_each_history({}, [&](EventId first, std::string_view row) {
      const std::string before(row);
      EXPECT_EQ(view.get("k")->value, "v");
      EXPECT_EQ(storage::history_after(view, first), model_after(kSample, first));
      EXPECT_EQ(storage::history_before(view, first), model_before(kSample, first));
      EXPECT_EQ(row, before);
      return true;
    });
  });
}

TEST_P(HistoryTable, ForgetsWhatIsTrimmed) {
  for (size_t trimmed = 0; trimmed <= kSample.size(); ++trimmed) {
    TestStore store(GetParam());
    auto writer = store.get().new_writer();
    storage::Transaction& filled = writer->begin();
    for (const auto& [first, row] : kSample) append_row(filled, first, row);
    ASSERT_TRUE(filled.commit());
    storage::Transaction& transaction = writer->begin();
    trim_rows(transaction, trimmed);
    const HistoryRows left(kSample.begin() + static_cast<std::ptrdiff_t>(trimmed), kSample.end());
    EXPECT_EQ(storage::history_after(transaction), left);
    ASSERT_TRUE(transaction.commit());
    auto reader = store.get().new_reader();
    storage::View& view = reader->begin();
    storage::expect_history_matches(view);
    for (EventId id : seams(kSample)) {
      EXPECT_EQ(storage::history_after(view, id), model_after(left, id)) << id.to_string();
      EXPECT_EQ(storage::history_before(view, id), model_before(left, id)) << id.to_string();
    }
    reader->end();
  }
}

TEST_P(HistoryTable, BeginsAgainAfterEverythingWasTrimmed) {
  fill(kSample);
  write([](storage::Transaction& t) { trim_rows(t, 100); });
  EXPECT_EQ(store_.get().applied_state().history.bytes, 0U);
  fill({{{300, 0}, "new"}});
  read([](storage::View& view) {
    EXPECT_EQ(storage::history_after(view), (HistoryRows{{{300, 0}, "new"}}));
    storage::expect_history_matches(view);
  });
}

TEST_P(HistoryTable, ShowsATransactionItsOwnRows) {
  fill(kSample);
  write([](storage::Transaction& t) {
    append_row(t, {300, 0}, "new");
    trim_rows(t, kSample.size() - 1);
    const HistoryRows expected = {kSample.back(), {{300, 0}, "new"}};
    EXPECT_EQ(storage::history_after(t), expected);
    storage::expect_history_matches(t);
    trim_rows(t, 2);
    EXPECT_TRUE(storage::history_after(t).empty());
    append_row(t, {301, 0}, "newer");
    storage::expect_history_matches(t);
  });
  read(storage::expect_history_matches);
}

TEST_P(HistoryTable, IsTakenBackWithTheTransaction) {
  fill(kSample);
  const storage::AppliedState before = store_.get().applied_state();
  storage::Transaction& transaction = writer_->begin();
  append_row(transaction, {300, 0}, "new");
  trim_rows(transaction, 3);
  append_row(transaction, {301, 0}, "new");
  trim_rows(transaction, 4);
  transaction.rollback();
  EXPECT_EQ(transaction.applied_state(), before);
  EXPECT_EQ(store_.get().applied_state(), before);
  read([](storage::View& view) { EXPECT_EQ(storage::history_after(view), kSample); });
  fill({{{300, 0}, "again"}});
  read(storage::expect_history_matches);
}

TEST_P(HistoryTable, HoldsLargeRows) {
  const HistoryRows rows = {{{1, 0}, std::string(64 << 10, 'a')},
                            {{2, 0}, std::string(9 << 20, 'b')},
                            {{3, 0}, "small"},
                            {{4, 0}, std::string(9 << 20, 'c')}};
  fill(rows);
  read([&](storage::View& view) { EXPECT_TRUE(storage::history_after(view) == rows); });
  write([](storage::Transaction& t) { trim_rows(t, 2); });
  read(storage::expect_history_matches);
}

TEST_P(HistoryTable, AgreesWithAModelUnderRandomChanges) {
  std::mt19937_64 random(5);
  HistoryRows model;
  uint64_t revision = 0;
  for (int round = 0; round < 300; ++round) {
    HistoryRows changed = model;
    storage::Transaction& transaction = writer_->begin();
    for (uint64_t changes = random() % 20; changes > 0; --changes) {
      if (random() % 3 != 0) {
        revision += 1 + random() % 3;
        const size_t size = random() % 50 == 0 ? random() % 100'000 : random() % 300;
        changed.emplace_back(EventId{revision, static_cast<uint32_t>(random() % 3)},
                             std::string(size, 'r'));
        append_row(transaction, changed.back().first, changed.back().second);
      } else {
        const size_t count = random() % 5 == 0 ? random() % 200 : random() % 4;
        const size_t gone = std::min(count, changed.size());
        changed.erase(changed.begin(), changed.begin() + static_cast<std::ptrdiff_t>(gone));
        trim_rows(transaction, count);
      }
    }
    if (random() % 4 == 0) {
      transaction.rollback();
    } else {
      ASSERT_TRUE(transaction.commit());
      model = std::move(changed);
    }
    read([&](storage::View& view) {
      storage::expect_history_matches(view);
      for (EventId id : {EventId{revision / 2, 1}, EventId{revision, 0}, EventId{}}) {
        ASSERT_TRUE(storage::history_after(view, id) == model_after(model, id));
        ASSERT_TRUE(storage::history_before(view, id) == model_before(model, id));
      }
    });
  }
  EXPECT_FALSE(model.empty());
}

}  // namespace kvorum::command::testing
