#include "resp/reply_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace kvorum::resp {
namespace {

using std::string_literals::operator""s;

std::string written(Protocol protocol, const std::function<void(ReplyWriter&)>& write) {
  // Not empty before: a writer only appends.
  std::string out = "~";
  ReplyWriter writer(out, protocol);
  write(writer);
  EXPECT_EQ(out[0], '~');
  return out.substr(1);
}

TEST(ReplyWriter, WritesEachTypeInBothProtocols) {
  struct Case {
    std::function<void(ReplyWriter&)> write;
    std::string resp2;
    std::string resp3;
  };
  const std::vector<Case> cases = {
      {[](auto& w) { w.ok(); }, "+OK\r\n", "+OK\r\n"},
      {[](auto& w) { w.simple("QUEUED"); }, "+QUEUED\r\n", "+QUEUED\r\n"},
      {[](auto& w) { w.error("ERR no"); }, "-ERR no\r\n", "-ERR no\r\n"},
      {[](auto& w) { w.integer(-7); }, ":-7\r\n", ":-7\r\n"},
      {[](auto& w) { w.bulk("a\r\n\0b"s); }, "$5\r\na\r\n\0b\r\n"s, "$5\r\na\r\n\0b\r\n"s},
      {[](auto& w) { w.bulk(""); }, "$0\r\n\r\n", "$0\r\n\r\n"},
      {[](auto& w) { w.bulk({}); }, "$0\r\n\r\n", "$0\r\n\r\n"},
      {[](auto& w) { w.null(); }, "$-1\r\n", "_\r\n"},
      {[](auto& w) { w.null_array(); }, "*-1\r\n", "_\r\n"},
      {[](auto& w) { w.array(3); }, "*3\r\n", "*3\r\n"},
      {[](auto& w) { w.map(3); }, "*6\r\n", "%3\r\n"},
      {[](auto& w) { w.set(3); }, "*3\r\n", "~3\r\n"},
      {[](auto& w) { w.push(3); }, "*3\r\n", ">3\r\n"},
      {[](auto& w) { w.real(1.5); }, "$3\r\n1.5\r\n", ",1.5\r\n"},
      {[](auto& w) { w.boolean(true); }, ":1\r\n", "#t\r\n"},
      {[](auto& w) { w.boolean(false); }, ":0\r\n", "#f\r\n"},
      {[](auto& w) { w.big_number("-12345678901234567890"); }, "$21\r\n-12345678901234567890\r\n",
       "(-12345678901234567890\r\n"},
      {[](auto& w) { w.verbatim("txt", "a b"); }, "$3\r\na b\r\n", "=7\r\ntxt:a b\r\n"},
      {[](auto& w) { w.raw("+a\r\n:1\r\n"); }, "+a\r\n:1\r\n", "+a\r\n:1\r\n"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(written(Protocol::kResp2, c.write), c.resp2);
    EXPECT_EQ(written(Protocol::kResp3, c.write), c.resp3);
  }
}

TEST(ReplyWriter, WritesIntegersOfEveryLength) {
  std::vector<int64_t> values = {0, std::numeric_limits<int64_t>::max(),
                                 std::numeric_limits<int64_t>::min()};
  int64_t power = 1;
  for (int digits = 1; digits <= 18; ++digits) {
    power *= 10;
    for (const int64_t value : {power - 1, power, power + 1, power / 2}) {
      values.push_back(value);
      values.push_back(-value);
    }
  }
  for (const int64_t value : values) {
    EXPECT_EQ(written(Protocol::kResp2, [&](auto& w) { w.integer(value); }),
              ":" + std::to_string(value) + "\r\n");
  }
}

TEST(ReplyWriter, WritesBulksOfEverySize) {
  for (size_t size = 0; size < 1200; ++size) {
    const std::string bytes(size, static_cast<char>('a' + size % 26));
    ASSERT_EQ(written(Protocol::kResp2, [&](auto& w) { w.bulk(bytes); }),
              "$" + std::to_string(size) + "\r\n" + bytes + "\r\n");
  }
}

TEST(ReplyWriter, KeepsAnErrorOnOneLine) {
  EXPECT_EQ(written(Protocol::kResp2, [](auto& w) { w.error("ERR a\r\n+b\nc\r"); }),
            "-ERR a  +b c \r\n");
}

TEST(ReplyWriterDeathTest, ChecksThatASimpleStringIsOneLine) {
  EXPECT_DEATH(written(Protocol::kResp2, [](auto& w) { w.simple("a\r\n+b"); }), "has_line_break");
}

std::string real(double value) {
  std::string text = written(Protocol::kResp3, [&](auto& w) { w.real(value); });
  EXPECT_EQ(text.front(), ',');
  EXPECT_TRUE(text.ends_with("\r\n"));
  return text.substr(1, text.size() - 3);
}

TEST(ReplyWriter, WritesRealsShortAndReadable) {
  EXPECT_EQ(real(0), "0");
  EXPECT_EQ(real(-0.0), "-0");
  EXPECT_EQ(real(3), "3");
  EXPECT_EQ(real(100000), "100000");
  EXPECT_EQ(real(0.1), "0.1");
  EXPECT_EQ(real(0.0001), "0.0001");
  EXPECT_EQ(real(0.00001), "1e-05");
  EXPECT_EQ(real(-1234567.5), "-1234567.5");
  EXPECT_EQ(real(9007199254740992), "9007199254740992");
  EXPECT_EQ(real(1e20), "1e+20");
  EXPECT_EQ(real(-2.2250738585072014e-308), "-2.2250738585072014e-308");
  EXPECT_EQ(real(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(real(-std::numeric_limits<double>::infinity()), "-inf");
  EXPECT_EQ(real(std::nan("")), "nan");
  EXPECT_EQ(real(-std::nan("")), "nan");
}

TEST(ReplyWriter, WritesRealsThatReadBackTheSame) {
  std::mt19937_64 random(22);
  for (int i = 0; i < 20000; ++i) {
    const double value = i % 2 == 0
                             ? std::ldexp(static_cast<double>(static_cast<int64_t>(random())),
                                          static_cast<int>(random() % 140) - 70)
                             : std::ldexp(static_cast<double>(static_cast<int64_t>(random())),
                                          static_cast<int>(random() % 1900) - 1000);
    ASSERT_EQ(std::strtod(real(value).c_str(), nullptr), value);
  }
}

}  // namespace
}  // namespace kvorum::resp
