#include "command/history.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

namespace kvorum::command {
namespace {

constexpr UnixMillis kStamp = 1'700'000'000'123;
constexpr uint32_t kChangeMax = std::numeric_limits<uint32_t>::max();

struct Change {
  EventId id;
  const EventKind* kind;
  std::string key;
  std::optional<std::string> value;
  bool ends_revision = false;
  bool operator==(const Change&) const = default;
};

std::string row_of(const std::vector<Change>& changes) {
  HistoryRowWriter writer;
  for (const Change& change : changes) {
    writer.add(change.id, *change.kind, change.key, change.value);
    if (change.ends_revision) writer.end_revision();
  }
  EXPECT_EQ(writer.first(), changes.front().id);
  EXPECT_EQ(writer.last(), changes.back().id);
  return std::string(writer.finish(kStamp));
}

// Reads `row` from memory that ends where it does. Nothing if it is damaged.
std::optional<std::vector<Change>> read(EventId first, std::string_view row) {
  const std::vector<char> exact(row.begin(), row.end());
  HistoryRowReader reader(first, {exact.data(), exact.size()});
  std::vector<Change> changes;
  HistoryEvent event;
  while (reader.next(event)) {
    const auto value = event.value ? std::optional(std::string(*event.value)) : std::nullopt;
    changes.push_back({event.id, event.kind, std::string(event.key), value, event.ends_revision});
  }
  EXPECT_FALSE(reader.next(event));
  if (!reader.ok()) return std::nullopt;
  EXPECT_EQ(reader.stamp(), kStamp);
  EXPECT_EQ(reader.last(), changes.back().id);
  return changes;
}

// Three revisions and a part of a fourth.
std::vector<Change> sample_changes() {
  return {{{7, 3}, &events::kAll[0], "key", "value"},
          {{7, 4}, &events::kAll[7], std::string("\0\xff", 2), std::nullopt, true},
          {{8, 0}, &events::kAll[0], "", "", true},
          {{9, 0}, &events::kAll[5], "k", std::nullopt},
          {{9, 1}, &events::kAll[11], std::string(200, 'k'), std::string("\n\0 ", 3), true},
          {{10, 0}, &events::kAll[13], "last", std::nullopt}};
}

TEST(HistoryRow, ReadsBackWhatWasWritten) {
  EXPECT_EQ(read({7, 3}, row_of(sample_changes())), sample_changes());
}

TEST(HistoryRow, IsTheDocumentedBytes) {
  HistoryRowWriter writer;
  EXPECT_TRUE(writer.empty());
  writer.add({300, 1}, events::kSet, "key", "v");
  writer.end_revision();
  writer.add({301, 0}, events::kDel, "k", std::nullopt);
  EXPECT_EQ(writer.bytes(), 10U);
  EXPECT_EQ(writer.finish(200), std::string_view("\xc8\x01\x01\x00\x07\x03key\x01v\x18\x01k", 14));
  writer.clear();
  EXPECT_TRUE(writer.empty());
  writer.add({1, 0}, events::kSet, "", "");
  EXPECT_EQ(writer.finish(0), std::string_view("\0\0\0\x06\0\0", 6));
}

TEST(HistoryRow, HoldsTheLargestKeysAndValues) {
  const std::vector<Change> changes = {
      {{1, 0}, &events::kAll[0], std::string(64 << 10, '\0'), std::string(8 << 20, '\xff'), true},
      {{2, 0}, &events::kAll[5], std::string(64 << 10, 'k'), std::nullopt, true}};
  const std::string row = row_of(changes);
  EXPECT_TRUE(read({1, 0}, row) == changes);
  EXPECT_LT(row.size(), (8U << 20) + (128U << 10) + 64);
}

TEST(HistoryRow, HoldsManyEvents) {
  std::vector<Change> changes;
  EventId id{1, 0};
  std::mt19937_64 random(3);
  for (int i = 0; i < 20'000; ++i) {
    const bool ends = random() % 3 == 0;
    changes.push_back({id, &events::kAll[random() % std::size(events::kAll)],
                       std::to_string(random() % 100), std::nullopt, ends});
    if (random() % 2 == 0) changes.back().value = std::string(random() % 300, 'v');
    id = ends ? EventId{id.revision + 1, 0} : id.next();
  }
  EXPECT_TRUE(read({1, 0}, row_of(changes)) == changes);
}

// Only a FLUSHALL of more keys than an id can count gets there.
TEST(HistoryRow, CountsNoFurtherThanAnIdCan) {
  const std::vector<Change> changes = {{{5, kChangeMax - 1}, &events::kAll[6], "a", std::nullopt},
                                       {{5, kChangeMax}, &events::kAll[6], "b", std::nullopt},
                                       {{5, kChangeMax}, &events::kAll[6], "c", std::nullopt, true},
                                       {{6, 0}, &events::kAll[0], "d", "1", true}};
  EXPECT_EQ(read({5, kChangeMax - 1}, row_of(changes)), changes);
}

TEST(HistoryRow, HoldsOnlyWhatFollowsEachOther) {
  HistoryRowWriter writer;
  EXPECT_TRUE(writer.is_next({4, 4}));
  writer.add({4, 4}, events::kDel, "k", std::nullopt);
  EXPECT_TRUE(writer.is_next({4, 5}));
  for (EventId other : {EventId{4, 4}, EventId{4, 6}, EventId{5, 0}}) {
    EXPECT_FALSE(writer.is_next(other)) << other.to_string();
  }
  writer.end_revision();
  EXPECT_TRUE(writer.is_next({5, 0}));
  EXPECT_FALSE(writer.is_next({4, 5}));
  EXPECT_DEATH(writer.add({6, 0}, events::kDel, "k", std::nullopt), "is_next");
}

TEST(HistoryRow, KnowsWhenItIsCutShortOrTooLong) {
  const std::string row = row_of(sample_changes());
  for (size_t size = 0; size < row.size(); ++size) {
    EXPECT_FALSE(read({7, 3}, std::string_view(row).substr(0, size))) << size;
  }
  EXPECT_FALSE(read({7, 3}, row + "x"));
  EXPECT_FALSE(read({7, 3}, row + std::string("\x18\x01k", 3)));  // another event
}

// What a flipped bit leaves is a row that says so, or other events; never more of them, nor from
// elsewhere.
TEST(HistoryRow, SurvivesEveryFlippedBit) {
  const std::string row = row_of(sample_changes());
  size_t found = 0;
  for (size_t bit = 0; bit < row.size() * 8; ++bit) {
    std::string flipped = row;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    const std::vector<char> exact(flipped.begin(), flipped.end());
    HistoryRowReader reader({7, 3}, {exact.data(), exact.size()});
    HistoryEvent event;
    size_t bytes = 0;
    while (reader.next(event)) {
      ASSERT_NE(event.kind, nullptr);
      bytes += 2 + event.key.size() + (event.value ? event.value->size() : 0);
      ASSERT_LE(bytes, row.size());
    }
    found += reader.ok() ? 0 : 1;
  }
  EXPECT_GT(found, 50U);
}

TEST(HistoryRow, SurvivesRandomBytes) {
  std::mt19937_64 random(11);
  size_t ok = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string row = row_of({{{7, 3}, &events::kAll[0], "key", "value", true},
                              {{8, 0}, &events::kAll[5], "k", std::nullopt}});
    for (uint64_t changes = 1 + random() % 4; changes > 0; --changes) {
      const size_t at = random() % row.size();
      switch (random() % 3) {
        case 0:
          row[at] = static_cast<char>(random());
          break;
        case 1:
          row.erase(at, 1);
          break;
        default:
          row.insert(at, 1, static_cast<char>(random()));
      }
    }
    const std::vector<char> exact(row.begin(), row.end());
    HistoryRowReader reader({7, 3}, {exact.data(), exact.size()});
    HistoryEvent event;
    while (reader.next(event)) ASSERT_LE(event.id, reader.last());
    ok += reader.ok() ? 1 : 0;
  }
  EXPECT_LT(ok, 150'000U);
}

TEST(HistoryRow, DoesNotTrustItsHead) {
  EXPECT_FALSE(read({7, 3}, ""));
  EXPECT_FALSE(read({7, 3}, std::string("\0\0\x03", 3)));  // no event
  // Ends before it begins; ends beyond the last revision; a change that is no number of one.
  for (std::string_view head : {std::string_view("\0\0\x02", 3), std::string_view("\0\x09\x03", 3),
                                std::string_view("\0\0\x85\x80\x80\x80\x10", 7)}) {
    EXPECT_FALSE(HistoryRowReader({UINT64_MAX - 8, 3}, head).ok());
  }
  // A key of 2^32 bytes.
  EXPECT_FALSE(read({7, 3}, std::string("\0\0\x03\x06\xff\xff\xff\xff\x0f", 9)));
  // Kinds that there are not.
  for (std::string_view event :
       {std::string_view("\0\0\x03\x02\0\0", 6), std::string_view("\0\0\x03\x3e\0\0", 6),
        std::string_view("\0\0\x03\xff\xff\xff\xff\x0f\0\0", 10)}) {
    EXPECT_FALSE(read({7, 3}, event));
  }
}

// They are on disk.
TEST(EventKinds, KeepTheirNumbers) {
  const std::vector<std::string_view> names = {
      "set",    "setrange", "append",      "incrby",    "incrbyfloat", "del",     "del",
      "expire", "persist",  "rename_from", "rename_to", "copy_to",     "restore", "expired"};
  ASSERT_EQ(std::size(events::kAll), names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    const EventKind* kind = find_event_kind(i + 1);
    ASSERT_NE(kind, nullptr);
    EXPECT_EQ(kind->name, names[i]);
  }
  EXPECT_EQ(find_event_kind(6)->notify, NotifyClass::kGeneric);
  EXPECT_EQ(find_event_kind(7)->notify, NotifyClass::kNone);
  EXPECT_EQ(find_event_kind(0), nullptr);
  EXPECT_EQ(find_event_kind(names.size() + 1), nullptr);
  EXPECT_EQ(find_event_kind(UINT64_MAX), nullptr);
}

}  // namespace
}  // namespace kvorum::command
