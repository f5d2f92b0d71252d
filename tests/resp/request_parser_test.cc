#include "resp/request_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "request_script.h"

namespace kvorum::resp {
namespace {

using std::string_literals::operator""s;
using testing::ElementsAre;
using testing::IsEmpty;
using Words = std::vector<std::string>;

struct Case {
  std::string input;
  std::vector<Words> requests{};
  std::string error{};
  size_t unread = 0;
};

void expect_cases(const std::vector<Case>& cases, RequestLimits limits = {},
                  bool authenticated = true) {
  for (const Case& c : cases) {
    SCOPED_TRACE(testing::PrintToString(c.input.substr(0, 80)));
    ScriptedConnection connection(limits, authenticated);
    connection.receive(c.input);
    const std::string error = c.error.empty() ? "" : "ERR Protocol error: " + c.error;
    EXPECT_EQ(connection.script().requests, c.requests);
    EXPECT_EQ(connection.script().error, error);
    EXPECT_EQ(connection.script().unread, c.unread);
  }
}

TEST(RequestParser, ReadsMultibulkRequests) {
  expect_cases({
      {"*1\r\n$4\r\nPING\r\n", {{"PING"}}},
      {"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", {{"GET", ""}}},
      {"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\n\r\n\0\xff\r\n"s, {{"SET", "k", "\r\n\0\xff"s}}},
      {"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nQUIT\r\n", {{"PING"}, {"QUIT"}}},
      {"*1\r\n$10\r\nabcdefghij\r\n", {{"abcdefghij"}}},
      {"*12\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n$1\r\n7\r\n"
       "$1\r\n8\r\n$1\r\n9\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n",
       {{"1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c"}}},
      {"", {}},
      {"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPI", {{"PING"}}, "", 10},
  });
}

TEST(RequestParser, TakesAnyTwoBytesForALineEndAfterItsCarriageReturnAsRedisDoes) {
  expect_cases({
      {"*1\rX$4\r\nPING\r\n", {{"PING"}}},
      {"*1\r\n$4\rXPINGXY*1\r\n$4\r\nPING\r\n", {{"PING"}, {"PING"}}},
  });
}

TEST(RequestParser, SkipsRequestsWithoutArguments) {
  expect_cases({
      {"*0\r\n*1\r\n$4\r\nPING\r\n", {{"PING"}}},
      {"*-1\r\nPING\r\n", {{"PING"}}},
      {"*-9223372036854775808\r\nPING\r\n", {{"PING"}}},
      {"\r\n\n \t\v\f\r\nPING\r\n", {{"PING"}}},
      {"\r\n*0\r\n*-10\r\n", {}},
      {"\r\n*0\r\n*-10\r\n\r", {}, "", 1},
      {"\r\n*0\r\n*x\r\n", {}, "invalid multibulk length"},
  });
}

TEST(RequestParser, GivesBackEmptyRequestsWhileNothingElseHasCome) {
  RequestParser parser;
  std::vector<std::string_view> args;
  const ParseResult result = parser.next("\r\n*0\r\n*1\r", args);
  EXPECT_EQ(result.status, ParseStatus::kIncomplete);
  EXPECT_EQ(result.consumed, 6U);
  EXPECT_EQ(parser.next("*1\r\n$1\r\na\r\n", args).status, ParseStatus::kRequest);
  EXPECT_THAT(args, ElementsAre("a"));
}

TEST(RequestParser, RefusesMalformedCounts) {
  for (const char* count : {"", "+1", " 1", "1 ", "01", "-0", "-", "--1", "x", "1x", "0x1", "1.0",
                            "9223372036854775807", "9223372036854775808", "18446744073709551617",
                            "-9223372036854775809", "99999999999999999999999", "2147483648"}) {
    expect_cases({{"*" + std::string(count) + "\r\n", {}, "invalid multibulk length"}});
  }
}

TEST(RequestParser, RefusesMalformedLengths) {
  for (const char* length : {"", "+1", " 1", "1 ", "01", "-0", "-1", "-10", "x", "blabla",
                             "9223372036854775807", "9223372036854775808", "-9223372036854775808",
                             "18446744073709551617", "536870913", "4\n"}) {
    expect_cases({{"*1\r\n$" + std::string(length) + "\r\nPING\r\n", {}, "invalid bulk length"}});
  }
}

TEST(RequestParser, SaysWhatStandsWhereADollarShould) {
  expect_cases({
      {"*1\r\nfoo\r\n", {}, "expected '$', got 'f'"},
      {"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", {}, "expected '$', got 'f'"},
      {"*2\r\n$4\r\nECHO\r\n*1\r\n", {}, "expected '$', got '*'"},
      {"*1\r\n\r\n", {}, "expected '$', got ' '"},
      {"*1\r\n\n\r\n", {}, "expected '$', got ' '"},
      {"*1\r\n\xe9\r\n", {}, "expected '$', got '\xe9'"},
      // Only a whole line is judged.
      {"*1\r\nfoo\r", {}, "", 8},
  });
}

TEST(RequestParser, ReadsInlineRequests) {
  expect_cases({
      {"PING\r\n", {{"PING"}}},
      {"PING\n", {{"PING"}}},
      {"  SET \t k\vv  w \r\n", {{"SET", "k\vv", "w"}}},
      {"ECHO a\rb\r\n", {{"ECHO", "a", "b"}}},
      {"ECHO a\r\r\n", {{"ECHO", "a"}}},
      {"ECHO \xff\r\n", {{"ECHO", "\xff"}}},
      {"ECHO a\0b\r\n"s, {{"ECHO", "a\0b"s}}},
      {"$3\r\nfoo\r\n", {{"$3"}, {"foo"}}},
      {" *1\r\n", {{"*1"}}},
      {"PING\r\n*1\r\n$4\r\nPING\r\nPING\r\nPI", {{"PING"}, {"PING"}, {"PING"}}, "", 2},
  });
}

TEST(RequestParser, UnquotesInlineArguments) {
  expect_cases({
      {R"(ECHO "a b")"
       "\r\n",
       {{"ECHO", "a b"}}},
      {"ECHO \"\\x41\\xfF\\n\\r\\t\\b\\a\\q\\\"\\\\\"\r\n", {{"ECHO", "A\xff\n\r\t\b\aq\"\\"}}},
      {"ECHO \"\\x4\" \"\\xg0\" \"\\x\"\r\n", {{"ECHO", "x4", "xg0", "x"}}},
      {"ECHO 'a\\'b\\n\"'\r\n", {{"ECHO", "a'b\\n\""}}},
      {"ECHO \"\" ''\r\n", {{"ECHO", "", ""}}},
      {"\"\"\r\n", {{""}}},
      {"ECHO a\"b c\" d'e f'\r\n", {{"ECHO", "ab c", "de f"}}},
      {"\vECHO\v\"x\"\vy\r\n", {{"ECHO\vx", "y"}}},
      {"a\\n\r\n", {{"a\\n"}}},
  });
}

TEST(RequestParser, RefusesUnbalancedQuotes) {
  for (const char* line :
       {"ECHO \"a", "ECHO 'a", "ECHO \"a\"b", "ECHO 'a'b", "ECHO \"a\\", "ECHO \"a\\\"",
        "ECHO 'a\\'", "ECHO \"a\"\"b\"", "\"", "set \"\"\"test-key\"\"\" test-value"}) {
    expect_cases({{std::string(line) + "\r\n", {}, "unbalanced quotes in request"}});
  }
}

TEST(RequestParser, RefusesLinesThatAreTooLong) {
  const size_t max = RequestLimits{}.inline_bytes_max;
  const std::string ones(max, '1');
  const std::string word(max, 'a');
  expect_cases({
      {word, {}, "", max},
      {word + "\n", {{word}}},
      {word + "a", {}, "too big inline request"},
      {word + "a\n", {}, "too big inline request"},
      {"*" + ones, {}, "too big mbulk count string"},
      {"*" + ones.substr(1), {}, "", max},
      {"*" + ones.substr(1) + "\r\n", {}, "invalid multibulk length"},
      {"*1\r\n$" + ones, {}, "too big bulk count string"},
      {"*1\r\n$" + ones.substr(1), {}, "", max + 4},
  });
}

TEST(RequestParser, HoldsToItsLimits) {
  const RequestLimits limits{
      .bulk_bytes_max = 8, .arguments_max = 3, .inline_bytes_max = 16, .request_bytes_max = 40};
  expect_cases(
      {
          {"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", {{"a", "b", "c"}}},
          {"*4\r\n", {}, "invalid multibulk length"},
          {"*1\r\n$8\r\n12345678\r\n", {{"12345678"}}},
          {"*1\r\n$9\r\n", {}, "invalid bulk length"},
          // 4 + 14 + 14 bytes leave 8: "$1", a byte and their line ends are 7, "$3" and 3 are 9.
          {"*3\r\n$8\r\n12345678\r\n$8\r\n12345678\r\n$1\r\n1\r\n",
           {{"12345678", "12345678", "1"}}},
          {"*3\r\n$8\r\n12345678\r\n$8\r\n12345678\r\n$3\r\n",
           {},
           "too big request, the limit is 40 bytes"},
          {"1234567890123456\n", {{"1234567890123456"}}},
          {"12345678901234567\n", {}, "too big inline request"},
      },
      limits);
}

TEST(RequestParser, LimitsAClientThatHasNotAuthenticated) {
  const std::string large(16384, 'x');
  std::string ten = "*10\r\n";
  for (int i = 0; i < 10; ++i) ten += "$1\r\na\r\n";
  expect_cases(
      {
          {ten, {Words(10, "a")}},
          {"*11\r\n", {}, "unauthenticated multibulk length"},
          {"*1048577\r\n", {}, "invalid multibulk length"},
          {"*1\r\n$16384\r\n" + large + "\r\n", {{large}}},
          {"*1\r\n$16385\r\n", {}, "unauthenticated bulk length"},
          {"*1\r\n$536870913\r\n", {}, "invalid bulk length"},
      },
      {}, false);
}

TEST(RequestParser, LiftsTheLimitsBetweenPipelinedRequests) {
  const std::string auth = "*1\r\n$4\r\nAUTH\r\n";
  const std::string input = auth + "*11\r\n";
  RequestParser parser;
  std::vector<std::string_view> args;
  parser.set_authenticated(false);
  ASSERT_EQ(parser.next(input, args).consumed, auth.size());
  parser.set_authenticated(true);
  EXPECT_EQ(parser.next("*11\r\n", args).status, ParseStatus::kIncomplete);
}

TEST(RequestParser, GivesAnErrorForEver) {
  RequestParser parser;
  std::vector<std::string_view> args;
  EXPECT_EQ(parser.next("*x\r\n", args).status, ParseStatus::kError);
  const ParseResult again = parser.next("PING\r\n", args);
  EXPECT_EQ(again.status, ParseStatus::kError);
  EXPECT_EQ(again.consumed, 0U);
  EXPECT_EQ(again.error, "ERR Protocol error: invalid multibulk length");
  EXPECT_THAT(args, IsEmpty());
}

TEST(RequestParser, PointsIntoTheInputOfMultibulkRequests) {
  const std::string input = "*1\r\n$4\r\nPING\r\n";
  RequestParser parser;
  std::vector<std::string_view> args;
  ASSERT_EQ(parser.next(input, args).status, ParseStatus::kRequest);
  EXPECT_EQ(args.at(0).data(), input.data() + 8);
}

TEST(RequestParser, SaysHowManyBytesItWants) {
  RequestParser parser;
  std::vector<std::string_view> args;
  EXPECT_EQ(parser.wanted(), 0U);
  parser.next("*", args);
  EXPECT_EQ(parser.wanted(), 2U);
  parser.next("*2\r", args);
  EXPECT_EQ(parser.wanted(), 1U);
  parser.next("*2\r\n$1000\r\nabc", args);
  EXPECT_EQ(parser.wanted(), 999U);
  const std::string whole = "*2\r\n$1000\r\n" + std::string(1000, 'a') + "\r\n$1\r\nb\r\n";
  EXPECT_EQ(parser.next(whole, args).status, ParseStatus::kRequest);
  EXPECT_EQ(parser.wanted(), 0U);
  parser.next("PI", args);
  EXPECT_EQ(parser.wanted(), 1U);
}

// Were each call to begin at the front again, either would take hours.
TEST(RequestParser, ReadsALargeArrayInSmallPiecesInLinearTime) {
  constexpr size_t kArguments = 200000;
  std::string input = fmt::format("*{}\r\n", kArguments);
  for (size_t i = 0; i < kArguments; ++i) input += "$1\r\nx\r\n";
  RequestParser parser;
  std::vector<std::string_view> args;
  for (size_t size = 1; size < input.size(); ++size) {
    ASSERT_EQ(parser.next(std::string_view(input).substr(0, size), args).status,
              ParseStatus::kIncomplete);
  }
  ASSERT_EQ(parser.next(input, args).status, ParseStatus::kRequest);
  EXPECT_THAT(args, testing::SizeIs(kArguments));
  EXPECT_EQ(args.back(), "x");
}

TEST(RequestParser, ReadsALargeBulkInSmallPiecesInLinearTime) {
  constexpr size_t kBytes = (size_t{64} << 20) - 1024;
  std::string input = fmt::format("*1\r\n${}\r\n", kBytes);
  input.append(kBytes, '\r').append("\r\n");
  RequestParser parser;
  std::vector<std::string_view> args;
  for (size_t size = 16; size < input.size(); size += 16) {
    ASSERT_EQ(parser.next(std::string_view(input).substr(0, size), args).status,
              ParseStatus::kIncomplete);
  }
  ASSERT_EQ(parser.next(input, args).status, ParseStatus::kRequest);
  EXPECT_EQ(args.at(0).size(), kBytes);
}

TEST(RequestParser, ReservesNothingForWhatAHeaderAnnounces) {
  RequestParser parser;
  std::vector<std::string_view> args;
  EXPECT_EQ(parser.next("*1048576\r\n$1\r\na\r\n", args).status, ParseStatus::kIncomplete);
  EXPECT_EQ(args.capacity(), 0U);
}

TEST(RequestParserDeathTest, ChecksThatTheInputIsNotDroppedUnderIt) {
  RequestParser parser;
  std::vector<std::string_view> args;
  ASSERT_EQ(parser.next("*2\r\n$4\r\nECHO\r\n", args).status, ParseStatus::kIncomplete);
  EXPECT_DEATH(parser.next("*2", args), "input went back");
}

}  // namespace
}  // namespace kvorum::resp
