#include "base/event_id.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace kvorum {
namespace {

constexpr uint64_t kRevisionMax = std::numeric_limits<uint64_t>::max();
constexpr uint32_t kChangeMax = std::numeric_limits<uint32_t>::max();

TEST(EventId, ReadsBackItsOwnText) {
  for (EventId id : {EventId{}, EventId{42, 3}, EventId{kRevisionMax, kChangeMax}}) {
    EXPECT_EQ(EventId::parse(id.to_string()), id);
    EXPECT_EQ(fmt::format("{}", id), id.to_string());
  }
  EXPECT_EQ((EventId{42, 3}.to_string()), "42-3");
}

TEST(EventId, IsFollowedByTheSmallestThatIsGreater) {
  EXPECT_EQ((EventId{}.next()), (EventId{0, 1}));
  EXPECT_EQ((EventId{42, 3}.next()), (EventId{42, 4}));
  EXPECT_EQ((EventId{42, kChangeMax}.next()), (EventId{43, 0}));
  EXPECT_EQ((EventId{kRevisionMax, kChangeMax}.next()), (EventId{kRevisionMax, kChangeMax}));
}

TEST(EventId, TakesARevisionAloneForItsFirstChange) {
  EXPECT_EQ(EventId::parse("42"), (EventId{42, 0}));
}

TEST(EventId, RefusesEverythingElse) {
  for (const char* text : {"", "-", "42-", "-3", "a", "42-a", "4 2", " 42", "42-3 ", "42-3-1", "+1",
                           "-1-1", "42--1", "0x1", "18446744073709551616", "1-4294967296"}) {
    EXPECT_EQ(EventId::parse(text), std::nullopt) << text;
  }
}

TEST(EventId, OrdersByRevisionThenChange) {
  EXPECT_LT((EventId{1, kChangeMax}), (EventId{2, 0}));
  EXPECT_LT((EventId{2, 0}), (EventId{2, 1}));
  EXPECT_LT((EventId{9, 0}), (EventId{10, 0}));
}

}  // namespace
}  // namespace kvorum
