#include "config/notify_flags.h"

#include <gtest/gtest.h>

namespace kvorum {
namespace {

TEST(NotifyFlags, AreWrittenInRedisOrder) {
  struct {
    const char* given;
    const char* written;
  } const cases[] = {
      {"", ""},
      {"KEA", "AKE"},
      {"AKE", "AKE"},
      {"g$lshzxetd", "A"},
      {"KEA$n", "AnKE"},
      {"Kxg", "gxK"},
      {"m", "m"},
      {"KEmn", "nKEm"},
      {"KEg$lshzxetd", "AKE"},
      {"KEg$lshzxet", "g$lshzxetKE"},
      {"Am", "Am"},
  };
  for (const auto& c : cases) {
    std::optional<NotifyFlags> flags = NotifyFlags::parse(c.given);
    ASSERT_TRUE(flags) << c.given;
    EXPECT_EQ(flags->to_string(), c.written) << c.given;
    EXPECT_EQ(NotifyFlags::parse(flags->to_string()), flags) << c.given;
  }
}

TEST(NotifyFlags, RefuseOtherLetters) {
  for (const char* letters : {"Q", "KEAQ", "K E", "a", "k"}) {
    EXPECT_FALSE(NotifyFlags::parse(letters)) << letters;
  }
}

TEST(NotifyFlags, AreActiveWithAChannelAndAClass) {
  EXPECT_FALSE(NotifyFlags().active());
  EXPECT_FALSE(NotifyFlags::parse("KE")->active());
  EXPECT_FALSE(NotifyFlags::parse("A")->active());
  EXPECT_TRUE(NotifyFlags::parse("Kx")->active());
  EXPECT_TRUE(NotifyFlags::parse("KEA")->has(NotifyFlags::kExpired));
  EXPECT_FALSE(NotifyFlags::parse("KEA")->has(NotifyFlags::kKeyMiss));
}

}  // namespace
}  // namespace kvorum
