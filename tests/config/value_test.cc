#include "config/value.h"

#include <gtest/gtest.h>

#include <limits>

#include "config/text.h"

namespace kvorum::config {
namespace {

TEST(ParseBytes, KnowsRedisUnitsAndBinaryOnes) {
  struct {
    const char* text;
    int64_t bytes;
  } const cases[] = {
      {"0", 0},
      {"100", 100},
      {"7b", 7},
      {"1k", 1000},
      {"1kb", 1024},
      {"1KiB", 1024},
      {"64m", 64'000'000},
      {"64mb", 64 << 20},
      {"64MB", 64 << 20},
      {"64MiB", 64 << 20},
      {"2g", 2'000'000'000},
      {"2GB", int64_t{2} << 30},
      {"9223372036854775807", std::numeric_limits<int64_t>::max()},
  };
  for (const auto& c : cases) EXPECT_EQ(parse_bytes(c.text), c.bytes) << c.text;
}

TEST(ParseBytes, RefusesEverythingElse) {
  for (const char* text : {"", "mb", "-1", "1.5mb", "1 mb", "1tb", "1mbb", " 1",
                           "9223372036854775808", "9000000000gb", "0x10"}) {
    EXPECT_EQ(parse_bytes(text), std::nullopt) << text;
  }
}

TEST(FormatBytes, UsesTheLargestUnitThatFits) {
  EXPECT_EQ(format_bytes(0), "0");
  EXPECT_EQ(format_bytes(1023), "1023");
  EXPECT_EQ(format_bytes(1024), "1KiB");
  EXPECT_EQ(format_bytes(1536), "1536");
  EXPECT_EQ(format_bytes(256 << 20), "256MiB");
  EXPECT_EQ(format_bytes(uint64_t{3} << 30), "3GiB");
}

TEST(ParseInteger, TakesWholeNumbersOnly) {
  EXPECT_EQ(parse_integer("-1"), -1);
  EXPECT_EQ(parse_integer("007"), 7);
  for (const char* text : {"", "1x", " 1", "1 ", "1.0", "+1", "9223372036854775808", "yes"}) {
    EXPECT_EQ(parse_integer(text), std::nullopt) << text;
  }
}

TEST(SplitWords, SplitsAtSpacesAndCommas) {
  EXPECT_EQ(split_words(" a, b\tc  ,,d "), (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_TRUE(split_words(" , ").empty());
}

TEST(Value, LeavesTheConfigAloneWhenTheTextIsWrong) {
  Value classes =
      limits_by_class({{"normal", [](Config& c) -> auto& { return c.server.output_buffer_normal;
}
}  // namespace
, {
  "pubsub", [](Config & c) -> auto& {
    return c.server.output_buffer_pubsub;
  }
}
}  // namespace kvorum::config
);
Config config;
ASSERT_TRUE(classes.parse(config, "normal 1mb 0 0 pubsub x 0 0"));
EXPECT_EQ(config.server.output_buffer_normal, OutputBufferLimit{});
ASSERT_FALSE(classes.parse(config, "NORMAL 1mb 1kb 5"));
EXPECT_EQ(config.server.output_buffer_normal, (OutputBufferLimit{1 << 20, 1 << 10, 5}));
EXPECT_EQ(classes.config_text(config), "normal 1048576 1024 5 pubsub 33554432 8388608 60");
}

TEST(Value, ReadsPermissionsAsOctal) {
  Value perm = octal(
      [](auto& c) -> auto& { return c.server.unix_socket_perm; }, 0777);
  Config config;
  ASSERT_FALSE(perm.parse(config, "0750"));
  EXPECT_EQ(config.server.unix_socket_perm, 0750U);
  EXPECT_EQ(perm.file_text(config), "0750");
  for (const char* text : {"", "8", "1000", "rwx", "-1"})
    EXPECT_TRUE(perm.parse(config, text)) << text;
  EXPECT_EQ(config.server.unix_socket_perm, 0750U);
}

TEST(EditDistance, CountsASwapAsOneMistake) {
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("port", "port"), 0U);
  EXPECT_EQ(edit_distance("prot", "port"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(Nearest, SuggestsOnlyWhatCouldHaveBeenMeant) {
  const std::vector<std::string> names = {"server.port", "server.bind", "log.level"};
  EXPECT_EQ(nearest("server.prot", names), "server.port");
  EXPECT_EQ(nearest("LOG.LEVEL", names), "log.level");
  EXPECT_EQ(nearest("zzzzzz", names), "");
  EXPECT_EQ(nearest("", names), "");
  EXPECT_EQ(nearest(std::string(100'000, 's'), names), "");
  EXPECT_EQ(suggestion("server.bnd", names), "; did you mean 'server.bind'?");
}

}  // namespace
}  // namespace kvorum::config
