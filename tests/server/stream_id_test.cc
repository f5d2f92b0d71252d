#include "server/stream_id.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace kvorum::server {
namespace {

constexpr std::string_view kMost = "18446744073709551615";
constexpr uint32_t kLastChange = std::numeric_limits<uint32_t>::max();

std::string text(const Result<EventId>& id) {
  return id ? id->to_string() : id.error().message;
}

std::string last_of(uint64_t revision) {
  return EventId{revision, kLastChange}.to_string();
}

constexpr std::string_view kInvalid = "ERR Invalid stream ID specified as stream command argument";

TEST(StreamId, BeginsARange) {
  EXPECT_EQ(text(parse_range_start("-")), "0-0");
  EXPECT_EQ(text(parse_range_start("42")), "42-0");
  EXPECT_EQ(text(parse_range_start("042-3")), "42-3");
  EXPECT_EQ(text(parse_range_start("(42")), "42-1");
  EXPECT_EQ(text(parse_range_start("(42-3")), "42-4");
  EXPECT_EQ(text(parse_range_start("+")), last_of(std::numeric_limits<uint64_t>::max()));
}

TEST(StreamId, EndsARange) {
  EXPECT_EQ(text(parse_range_end("-")), "0-0");
  EXPECT_EQ(text(parse_range_end("42")), last_of(42));
  EXPECT_EQ(text(parse_range_end("42-3")), "42-3");
  EXPECT_EQ(text(parse_range_end("(42")), last_of(42)) << "all but the one that no change has";
  EXPECT_EQ(text(parse_range_end("(42-3")), "42-2");
  EXPECT_EQ(text(parse_range_end("(42-0")), last_of(41));
  EXPECT_EQ(text(parse_range_end("+")), last_of(std::numeric_limits<uint64_t>::max()));
}

TEST(StreamId, TakesChangesThatNoEventIdHas) {
  EXPECT_EQ(text(parse_range_start("42-5000000000")), "43-0");
  EXPECT_EQ(text(parse_range_start("(42-4294967295")), "43-0");
  EXPECT_EQ(text(parse_range_start("(42-" + std::string(kMost))), "43-0");
  EXPECT_EQ(text(parse_range_end("42-5000000000")), last_of(42));
  EXPECT_EQ(text(parse_read_position("42-5000000000")), last_of(42));
}

TEST(StreamId, IsWhereAReadGoesOn) {
  EXPECT_EQ(text(parse_read_position("42-3")), "42-3");
  EXPECT_EQ(text(parse_read_position("42")), "42-0");
  EXPECT_TRUE(text(parse_read_position(">")).starts_with("ERR The > ID can be specified only"));
  for (const char* id : {"-", "+", "$", "(1", "x", "", "1-", "-1", "1-2-3", "1-*"}) {
    EXPECT_EQ(text(parse_read_position(id)), kInvalid) << id;
  }
}

TEST(StreamId, IsRefusedAsRedisDoes) {
  for (const char* id :
       {"$", ">", "x", "", "(", "(-", "(+", "1-x", "1-*", "-1", " 1", "18446744073709551616"}) {
    EXPECT_EQ(text(parse_range_start(id)), kInvalid) << id;
    EXPECT_EQ(text(parse_range_end(id)), kInvalid) << id;
  }
  const std::string most = fmt::format("({}-{}", kMost, kMost);
  EXPECT_EQ(text(parse_range_start(most)), "ERR invalid start ID for the interval");
  EXPECT_EQ(text(parse_range_end("(0-0")), "ERR invalid end ID for the interval");
}

TEST(StreamId, HasANeighbour) {
  EXPECT_EQ(id_before({42, 3}), (EventId{42, 2}));
  EXPECT_EQ(id_before({42, 0}), (EventId{41, kLastChange}));
  EXPECT_EQ(id_before({0, 0}), (EventId{0, 0}));
}

}  // namespace
}  // namespace kvorum::server
