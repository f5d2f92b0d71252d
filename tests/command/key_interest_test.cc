// Nobody who listens may be told that nobody does; and most keys nobody listens to are known as
// such.

#include "command/key_interest.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace kvorum::command {
namespace {

TEST(KeyInterest, HasNoneAtFirst) {
  KeyInterest interest;
  EXPECT_FALSE(interest.any());
  EXPECT_FALSE(interest.has("a"));
  EXPECT_FALSE(interest.has(""));
}

TEST(KeyInterest, KnowsKeysUntilTheLastListenerLeaves) {
  KeyInterest interest;
  interest.add_key("a");
  interest.add_key("a");
  EXPECT_TRUE(interest.any());
  EXPECT_TRUE(interest.has("a"));
  EXPECT_FALSE(interest.has("b"));
  EXPECT_FALSE(interest.has("ab"));
  interest.remove_key("a");
  EXPECT_TRUE(interest.has("a"));
  interest.remove_key("a");
  EXPECT_FALSE(interest.has("a"));
  EXPECT_FALSE(interest.any());
}

TEST(KeyInterest, KnowsGlobsByWhatTheyBeginWith) {
  KeyInterest interest;
  interest.add_glob("service:*");
  interest.add_glob("dns[ab]*.local");
  interest.add_glob("exactly\\*");
  for (const char* key : {"service:", "service:a", "dnsa.local", "dnsz", "exactly*"}) {
    EXPECT_TRUE(interest.has(key)) << key;
  }
  for (const char* key : {"service", "", "dn", "exactly", "exactly**", "Service:a"}) {
    EXPECT_FALSE(interest.has(key)) << key;
  }
  interest.remove_glob("service:*");
  EXPECT_FALSE(interest.has("service:a"));
  EXPECT_TRUE(interest.has("dnsa.local"));
  interest.remove_glob("dns[ab]*.local");
  interest.remove_glob("exactly\\*");
  EXPECT_FALSE(interest.any());
}

TEST(KeyInterest, OfAGlobThatBeginsWithAWildcardIsInEveryKey) {
  for (const char* glob : {"*", "*.local", "?", "[a]"}) {
    KeyInterest interest;
    interest.add_glob(glob);
    EXPECT_TRUE(interest.has("")) << glob;
    EXPECT_TRUE(interest.has("anything")) << glob;
    interest.remove_glob(glob);
    EXPECT_FALSE(interest.has("anything")) << glob;
  }
}

TEST(KeyInterest, InAllIsInEveryKey) {
  KeyInterest interest;
  interest.add_all();
  EXPECT_TRUE(interest.has("a"));
  interest.remove_all();
  EXPECT_FALSE(interest.has("a"));
  EXPECT_FALSE(interest.any());
}

TEST(KeyInterest, TakesLongPrefixesForTheirBeginning) {
  const std::string prefix(300, 'p');
  KeyInterest interest;
  interest.add_glob(prefix + "*");
  EXPECT_TRUE(interest.has(prefix + "x"));
  EXPECT_FALSE(interest.has("p"));
  interest.remove_glob(prefix + "*");
  EXPECT_FALSE(interest.has(prefix + "x"));
}

TEST(KeyInterest, ChangesItsVersionWithEveryListenerThatComes) {
  KeyInterest interest;
  uint64_t before = interest.version();
  const auto grew = [&] { return interest.version() > std::exchange(before, interest.version()); };
  interest.add_key("a");
  EXPECT_TRUE(grew());
  interest.add_glob("a*");
  EXPECT_TRUE(grew());
  interest.add_all();
  EXPECT_TRUE(grew());
  interest.remove_all();
  EXPECT_FALSE(grew());
}

TEST(KeyInterest, OfThousandsOfListenersIsInFewOtherKeys) {
  KeyInterest interest;
  for (int i = 0; i < 10'000; ++i) {
    interest.add_key(fmt::format("watched:{}", i));
    interest.add_glob(fmt::format("prefix:{:05}:*", i));
  }
  int wrong = 0;
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(interest.has(fmt::format("watched:{}", i)));
    ASSERT_TRUE(interest.has(fmt::format("prefix:{:05}:{}", i, i)));
    wrong += interest.has(fmt::format("key:{:012}", i)) ? 1 : 0;
  }
  EXPECT_LT(wrong, 2'000);
  for (int i = 0; i < 10'000; ++i) {
    interest.remove_key(fmt::format("watched:{}", i));
    interest.remove_glob(fmt::format("prefix:{:05}:*", i));
  }
  EXPECT_FALSE(interest.any());
  for (int i = 0; i < 10'000; ++i) ASSERT_FALSE(interest.has(fmt::format("watched:{}", i)));
}

}  // namespace
}  // namespace kvorum::command
