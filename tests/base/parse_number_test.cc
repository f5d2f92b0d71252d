#include "base/parse_number.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace kvorum {
namespace {

TEST(ParseNumber, ReadsWholeUnsignedDecimals) {
  EXPECT_EQ(parse_number<uint64_t>("0"), 0u);
  EXPECT_EQ(parse_number<uint64_t>("007"), 7u);
  EXPECT_EQ(parse_number<uint64_t>("18446744073709551615"), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(parse_number<uint16_t>("65535"), 65535u);
}

TEST(ParseNumber, RefusesWhatIsNoneOrTooLarge) {
  for (std::string_view text : {"", " 1", "1 ", "-1", "+1", "1a", "a", "18446744073709551616"}) {
    EXPECT_FALSE(parse_number<uint64_t>(text)) << text;
  }
  EXPECT_FALSE(parse_number<uint16_t>("65536"));
}

TEST(ParseNumber, LeavesTheNumberAloneWhenThereIsNone) {
  uint32_t number = 5;
  EXPECT_FALSE(parse_number("x", number));
  EXPECT_EQ(number, 5u);
  EXPECT_TRUE(parse_number("6", number));
  EXPECT_EQ(number, 6u);
}

}  // namespace
}  // namespace kvorum
