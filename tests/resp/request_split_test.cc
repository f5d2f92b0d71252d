// What a request means must not depend on how TCP cut it into pieces.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "request_script.h"

namespace kvorum::resp {
namespace {

using std::string_literals::operator""s;

const std::vector<std::string>& corpus() {
  static const std::vector<std::string> inputs = {
      "*1\r\n$4\r\nPING\r\n",
      "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$12\r\nv\r\n\0*1\r\n$4\r\n\r\n"
      "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"s,
      "*2\r\n$4\r\nECHO\r\n$0\r\n\r\nPING\r\n\r\n*0\r\n*-1\r\nPING\n",
      "SET k \"a\\x41 \\\"b\\\"\" 'c\\'d' e\"f g\"\r\n*1\r\n$1\r\na\r\n",
      "ECHO \"unbalanced\r\nPING\r\n",
      "PING\r\n*1\r\nfoo\r\n",
      "*2\r\n$1\r\na\r\n\r\n\r\n",
      "*1\r\n$-1\r\n",
      "*1\r\n$99999999999999999999\r\n",
      "*9223372036854775808\r\n",
      "*1\rX$4\rYPINGZZ*1\r\n$4\r\nPING\r\n",
      "\r\n\r\n \t \r\n",
      "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nab",
      "*12345678901234567890123456789012345678901234567890",
      "*1\r\n$12345678901234567890123456789012345678901234567890",
      "abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz\r\n",
      "*2\r\n$32\r\n12345678901234567890123456789012\r\n$32\r\n12345678901234567890123456789012\r\n"
      "*2\r\n$32\r\n12345678901234567890123456789012\r\n$33\r\n",
  };
  return inputs;
}

// Small enough that the inputs above reach each of them.
constexpr RequestLimits kLimits{
    .bulk_bytes_max = 64, .arguments_max = 16, .inline_bytes_max = 40, .request_bytes_max = 82};

std::vector<size_t> random_cuts(std::mt19937_64& random, size_t size) {
  std::vector<size_t> cuts;
  for (size_t at = 0; at < size; at += 1 + random() % 9) cuts.push_back(at);
  cuts.push_back(size);
  return cuts;
}

Script parse_cut(std::string_view bytes, const std::vector<size_t>& cuts) {
  ScriptedConnection connection(kLimits);
  size_t begin = 0;
  for (const size_t end : cuts) {
    if (!connection.receive(bytes.substr(begin, end - begin))) break;
    begin = end;
  }
  return connection.script();
}

void expect_same(const Script& cut, const Script& whole, std::string_view input) {
  EXPECT_EQ(cut.requests, whole.requests) << testing::PrintToString(input);
  EXPECT_EQ(cut.error, whole.error) << testing::PrintToString(input);
  EXPECT_EQ(cut.unread, whole.unread) << testing::PrintToString(input);
}

TEST(RequestSplit, GivesTheSameAtEverySplitPoint) {
  for (const std::string& input : corpus()) {
    const Script whole = parse_whole(input, kLimits);
    for (size_t first = 0; first <= input.size(); ++first) {
      expect_same(parse_cut(input, {first, input.size()}), whole, input);
      for (size_t second = first; second <= input.size(); second += 3) {
        expect_same(parse_cut(input, {first, second, input.size()}), whole, input);
      }
    }
  }
}

TEST(RequestSplit, GivesTheSameByteByByte) {
  for (const std::string& input : corpus()) {
    std::vector<size_t> cuts;
    for (size_t i = 1; i <= input.size(); ++i) cuts.push_back(i);
    expect_same(parse_cut(input, cuts), parse_whole(input, kLimits), input);
  }
}

TEST(RequestSplit, ReachesEveryLimitWithTheCorpus) {
  std::string errors;
  for (const std::string& input : corpus()) errors += parse_whole(input, kLimits).error + "\n";
  for (const char* error :
       {"too big inline request", "too big mbulk count string", "too big bulk count string",
        "too big request", "invalid multibulk length", "invalid bulk length", "unbalanced quotes",
        "expected '$', got 'f'", "expected '$', got ' '"}) {
    EXPECT_NE(errors.find(error), std::string::npos) << error;
  }
}

TEST(RequestSplit, GivesTheSameForMutatedRequests) {
  constexpr std::string_view kBytes = "*$\r\n0129-+ \"'\\xa\0\xff";
  std::mt19937_64 random(20);
  for (int round = 0; round < 20000; ++round) {
    std::string input = corpus()[random() % corpus().size()] + corpus()[random() % corpus().size()];
    for (size_t n = 1 + random() % 4; n > 0; --n) {
      const size_t at = random() % input.size();
      switch (random() % 3) {
        case 0:
          input[at] = kBytes[random() % kBytes.size()];
          break;
        case 1:
          input.insert(at, 1, kBytes[random() % kBytes.size()]);
          break;
        default:
          input.erase(at, 1);
          break;
      }
    }
    expect_same(parse_cut(input, random_cuts(random, input.size())), parse_whole(input, kLimits),
                input);
    if (HasFailure()) FAIL() << "round " << round;
  }
}

// A written request reads back as it was, whatever bytes are in it.
TEST(RequestSplit, ReadsBackRandomRequests) {
  std::mt19937_64 random(21);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::vector<std::string>> requests(1 + random() % 3);
    std::string bytes;
    for (auto& request : requests) {
      request.resize(1 + random() % 6);
      bytes += fmt::format("*{}\r\n", request.size());
      for (std::string& argument : request) {
        for (size_t size = random() % 9; size > 0; --size) {
          argument.push_back(static_cast<char>(random()));
        }
        bytes += fmt::format("${}\r\n", argument.size()).append(argument).append("\r\n");
      }
    }
    ScriptedConnection connection;
    std::string_view rest = bytes;
    while (!rest.empty()) {
      const size_t size = std::min<size_t>(rest.size(), 1 + random() % 20);
      ASSERT_TRUE(connection.receive(rest.substr(0, size)));
      rest.remove_prefix(size);
    }
    ASSERT_EQ(connection.script().requests, requests);
    ASSERT_EQ(connection.script().unread, 0U);
  }
}

}  // namespace
}  // namespace kvorum::resp
