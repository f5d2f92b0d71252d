#include "base/glob.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kvorum {
namespace {

struct Case {
  std::string pattern;
  std::vector<std::string> matches;
  std::vector<std::string> refuses;
};

void expect_cases(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    for (const std::string& text : c.matches) {
      EXPECT_TRUE(glob_match(c.pattern, text)) << "'" << c.pattern << "' on '" << text << "'";
    }
    for (const std::string& text : c.refuses) {
      EXPECT_FALSE(glob_match(c.pattern, text)) << "'" << c.pattern << "' on '" << text << "'";
    }
  }
}

TEST(Glob, MatchesStarsAndQuestionMarks) {
  expect_cases({
      {"", {""}, {"a"}},
      {"*", {"", "a", "abc"}, {}},
      {"**", {"", "a"}, {}},
      {"?", {"a", "?"}, {"", "ab"}},
      {"h?llo", {"hello", "hallo"}, {"hllo", "heello"}},
      {"h*llo", {"hllo", "heeeello"}, {"hell", "ahllo"}},
      {"a*b*c", {"abc", "aXbXc", "abcbc", "abbcc"}, {"ab", "acb", "abcd"}},
      {"*ab", {"ab", "aab", "abab"}, {"aba", "b"}},
      {"a**", {"a", "ab"}, {"", "ba"}},
      {"?*?", {"ab", "abc"}, {"a", ""}},
  });
}

TEST(Glob, MatchesSetsRangesAndNegations) {
  expect_cases({
      {"h[ae]llo", {"hello", "hallo"}, {"hillo", "hllo"}},
      {"h[^e]llo", {"hallo", "h^llo"}, {"hello"}},
      {"h[a-b]llo", {"hallo", "hbllo"}, {"hcllo", "h-llo"}},
      {"h[b-a]llo", {"hallo", "hbllo"}, {"hcllo"}},
      {"[^a-c]", {"d", "-"}, {"a", "b", "c", "dd"}},
      {"[a^]", {"a", "^"}, {"b"}},
      {"[\\]]", {"]"}, {"\\", "a"}},
      {"[\\^a]", {"^", "a"}, {"\\"}},
      {"[*?]", {"*", "?"}, {"a"}},
      {"[a-]x]", {"x", "_"}, {"ax", "b"}},
  });
}

TEST(Glob, MatchesEscapedBytesLiterally) {
  expect_cases({
      {"a\\*b", {"a*b"}, {"aXb", "a\\*b"}},
      {"\\?", {"?"}, {"a"}},
      {"\\[a]", {"[a]"}, {"a"}},
      {"\\a", {"a"}, {"\\a"}},
      {"*\\*", {"*", "ab*"}, {"ab"}},
  });
}

TEST(Glob, TakesMalformedPatternsAsRedisDoes) {
  expect_cases({
      {"\\", {"\\"}, {"", "a"}},
      {"[", {}, {"[", "a", ""}},
      {"[^", {"a", "["}, {"", "ab"}},
      {"[abc", {"a", "c"}, {"[", "abc"}},
      {"[a-", {"a", "-"}, {"b"}},
      {"[]", {}, {"]", "a"}},
      {"[]a]", {}, {"]", "a", "]a]"}},
  });
}

TEST(Glob, FoldsCaseOnlyWhenAsked) {
  EXPECT_FALSE(glob_match("MaxClients", "maxclients"));
  EXPECT_TRUE(glob_match("MAX*", "maxclients", true));
  EXPECT_TRUE(glob_match("[A-C]x", "bX", true));
  EXPECT_TRUE(glob_match("max*", "MAXCLIENTS", true));
  EXPECT_FALSE(glob_match("[^A]", "a", true));
}

TEST(Glob, ComparesBytesNotCharacters) {
  EXPECT_TRUE(glob_match(std::string_view("a\0*", 3), std::string_view("a\0b", 3)));
  EXPECT_FALSE(glob_match(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
  EXPECT_TRUE(glob_match("\xc3?", "\xc3\xa9"));
  EXPECT_TRUE(glob_match("[\x80-\xff]", "\xe9"));
}

// A matcher that tries every split would not finish this within the life of the sun.
TEST(Glob, TakesBoundedTimeOnHostilePatterns) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "a*";
  pattern += 'b';
  EXPECT_FALSE(glob_match(pattern, std::string(2000, 'a')));
  EXPECT_TRUE(glob_match(pattern, std::string(2000, 'a') + 'b'));
}

TEST(LiteralPrefix, TellsLiteralsPrefixesAndPatternsApart) {
  using Rest = LiteralPrefix::Rest;
  struct {
    std::string pattern;
    std::string text;
    Rest rest;
  } const cases[] = {
      {"", "", Rest::kNothing},         {"abc", "abc", Rest::kNothing},
      {"a\\*c", "a*c", Rest::kNothing}, {"a\\", "a\\", Rest::kNothing},
      {"*", "", Rest::kStar},           {"abc*", "abc", Rest::kStar},
      {"abc**", "abc", Rest::kStar},    {"a\\**", "a*", Rest::kStar},
      {"abc*d", "abc", Rest::kPattern}, {"ab?", "ab", Rest::kPattern},
      {"a[b]*", "a", Rest::kPattern},   {"*?", "", Rest::kPattern},
      {"x]y", "x]y", Rest::kNothing},
  };
  for (const auto& c : cases) {
    LiteralPrefix prefix = literal_prefix(c.pattern);
    EXPECT_EQ(prefix.text, c.text) << c.pattern;
    EXPECT_EQ(prefix.rest, c.rest) << c.pattern;
    EXPECT_EQ(prefix.is_literal(), c.rest == Rest::kNothing) << c.pattern;
    EXPECT_EQ(prefix.is_prefix(), c.rest == Rest::kStar) << c.pattern;
  }
}

}  // namespace
}  // namespace kvorum
