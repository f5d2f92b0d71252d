#include "server/stream_questions.h"

#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "resp/reply_parser.h"
#include "server/session.h"

namespace kvorum::server {
namespace {

constexpr uint64_t kAll = std::numeric_limits<uint64_t>::max();
constexpr size_t kUnbounded = std::numeric_limits<size_t>::max();

Session& session() {
  static Session session;
  session.authenticated = true;
  return session;
}

const HistoryScan kScan = HistoryScan::forward({}, {9, 0}, std::nullopt);

command::HistoryEvent set(EventId id, std::string_view key, std::string_view value = "v") {
  return {id, &command::events::kSet, key, value};
}

std::string answer(const StreamQuestion& question,
                   resp::Protocol protocol = resp::Protocol::kResp2) {
  std::string text;
  resp::ReplyWriter reply(text, protocol);
  question.answer(kScan, reply);
  resp::ReplyParser parser;
  parser.feed(text);
  return resp::to_string(**parser.next());
}

std::vector<ReadName> names(const std::vector<std::pair<std::string, EventId>>& wanted) {
  std::vector<ReadName> names;
  for (const auto& [target, after] : wanted) {
    ReadName& name = names.emplace_back();
    name.session = &session();
    name.name = "name of " + target;
    name.target = target;
    name.after = after;
  }
  return names;
}

bool matches(std::string_view target, std::string_view key) {
  return NamedKeys(session(), target).have(key);
}

TEST(NamedKeys, AreThoseOfAPatternSubscription) {
  EXPECT_TRUE(matches("a", "a"));
  EXPECT_FALSE(matches("a", "ab"));
  EXPECT_TRUE(matches("", ""));
  EXPECT_FALSE(matches("", "a"));
  EXPECT_TRUE(matches("*", "a"));
  EXPECT_TRUE(matches("a*", "a"));
  EXPECT_FALSE(matches("a*", "b"));
  EXPECT_TRUE(matches("a?c", "abc"));
  EXPECT_FALSE(matches("a?c", "abcd"));
  EXPECT_TRUE(matches("a\\*", "a*"));
  EXPECT_FALSE(matches("a\\*", "ab"));
}

TEST(RangeQuestion, TakesAsManyAsAreAskedFor) {
  RangeQuestion question(session(), "k", 2, kUnbounded);
  EXPECT_TRUE(question.take(set({1, 0}, "k")));
  EXPECT_TRUE(question.take(set({2, 0}, "other")));
  EXPECT_FALSE(question.take({{3, 0}, &command::events::kDel, "k", std::nullopt}));
  EXPECT_EQ(answer(question),
            "[[\"1-0\", [\"event\", \"set\", \"key\", \"k\", \"value\", \"v\"]], "
            "[\"3-0\", [\"event\", \"del\", \"key\", \"k\"]]]");
}

TEST(RangeQuestion, DoesNotEndEarlyUnnoticed) {
  RangeQuestion question(session(), "k", kAll, 100);
  EXPECT_TRUE(question.take(set({1, 0}, "k", std::string(200, 'x'))));
  EXPECT_TRUE(question.take(set({2, 0}, "other")));
  EXPECT_NE(answer(question).find("\"1-0\""), std::string::npos) << "one is always given";
  EXPECT_FALSE(question.take(set({3, 0}, "k")));
  EXPECT_EQ(answer(question),
            "(error) ERR the reply would be larger than 100 bytes: ask for less with COUNT");
}

TEST(ReadQuestion, KeepsEachNamesEntriesApart) {
  ReadQuestion question(names({{"k", {1, 0}}, {"*", {}}, {"none", {}}}), kAll, kUnbounded);
  EXPECT_TRUE(question.take(set({1, 0}, "k")));
  EXPECT_TRUE(question.take(set({2, 0}, "k")));
  EXPECT_EQ(answer(question),
            "[[\"name of k\", [[\"2-0\", [\"event\", \"set\", \"key\", \"k\", \"value\", "
            "\"v\"]]]], [\"name of *\", [[\"1-0\", [\"event\", \"set\", \"key\", \"k\", \"value\", "
            "\"v\"]], [\"2-0\", [\"event\", \"set\", \"key\", \"k\", \"value\", \"v\"]]]]]");
  EXPECT_TRUE(answer(question, resp::Protocol::kResp3).starts_with("{\"name of k\": [[\"2-0\", "));
}

TEST(ReadQuestion, IsDoneWhenAllNamesHaveEnough) {
  ReadQuestion question(names({{"a", {}}, {"b", {}}}), 1, kUnbounded);
  EXPECT_TRUE(question.take(set({1, 0}, "a")));
  EXPECT_TRUE(question.take(set({2, 0}, "a")));
  EXPECT_FALSE(question.take(set({3, 0}, "b")));
  const std::string text = answer(question);
  EXPECT_EQ(text.find("2-0"), std::string::npos);
  EXPECT_NE(text.find("3-0"), std::string::npos);
}

// Whatever is in a reply that ended early, each name reads on from its own last entry.
TEST(ReadQuestion, EndsEarlyWithWhatComesFirst) {
  ReadQuestion question(names({{"k", {}}, {"*", {}}}), kAll, 100);
  EXPECT_TRUE(question.take(set({1, 0}, "x")));
  EXPECT_FALSE(question.take(set({2, 0}, "k", std::string(200, 'x'))));
  EXPECT_FALSE(question.take(set({3, 0}, "x")));
  const std::string text = answer(question);
  EXPECT_NE(text.find("[\"name of k\", [[\"2-0\""), std::string::npos) << text;
  EXPECT_EQ(text.find("3-0"), std::string::npos);
  EXPECT_EQ(text.find("2-0"), text.rfind("2-0")) << "once there was enough, nothing was added";
}

TEST(ReadQuestion, HasNoReplyOfNothing) {
  ReadQuestion question(names({{"k", {5, 0}}}), kAll, kUnbounded);
  EXPECT_TRUE(question.take(set({5, 0}, "k")));
  EXPECT_FALSE(question.found());
  EXPECT_EQ(answer(question), "(nil array)");
}

TEST(LengthQuestion, CountsWhatMatches) {
  LengthQuestion question(session(), "a*");
  for (std::string_view key : {"a", "b", "ab"}) EXPECT_TRUE(question.take(set({1, 0}, key)));
  EXPECT_EQ(answer(question), "2");
}

TEST(InfoQuestion, ShowsBothEnds) {
  InfoQuestion question(session(), "k");
  for (uint64_t revision : {3, 4, 5}) EXPECT_TRUE(question.take(set({revision, 0}, "k")));
  EXPECT_TRUE(question.take(set({6, 0}, "other")));
  EXPECT_EQ(answer(question, resp::Protocol::kResp3),
            "{\"length\": 3, \"radix-tree-keys\": 0, \"radix-tree-nodes\": 0, "
            "\"last-generated-id\": \"9-0\", \"max-deleted-entry-id\": \"0-0\", "
            "\"entries-added\": 3, \"recorded-first-entry-id\": \"3-0\", \"groups\": 0, "
            "\"first-entry\": [\"3-0\", [\"event\", \"set\", \"key\", \"k\", \"value\", \"v\"]], "
            "\"last-entry\": [\"5-0\", [\"event\", \"set\", \"key\", \"k\", \"value\", \"v\"]]}");
}

}  // namespace
}  // namespace kvorum::server
