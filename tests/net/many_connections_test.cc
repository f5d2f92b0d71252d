#include <fmt/format.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/resource.h>

#include "tests/net/testing.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KVORUM_SANITIZED 1
#else
#define KVORUM_SANITIZED 0
#endif

namespace kvorum::net {
namespace {

constexpr size_t kConnections = 1000;

size_t allocated_bytes() {
  return mallinfo2().uordblks;
}

// Of one length, so that what malloc caches does not blur the sum, and each different.
std::string request(size_t i) {
  return fmt::format("request {:05} {}", i, std::string(80, 'r'));
}

TEST(ManyConnections, AllGetTheirAnswersAndCostLittleWhenIdle) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < 2 * kConnections + 100) GTEST_SKIP() << "too few descriptors allowed";
  TestLoop test;
  TestHandler handler;
  handler.consume = [](Connection& c, std::string_view input) {
    c.out().append(input);
    return input.size();
  };
  std::vector<std::array<Fd, 2>> pairs;
  pairs.reserve(kConnections);
  for (size_t i = 0; i < kConnections; ++i) pairs.push_back(socket_pair());
  size_t before = allocated_bytes();
  for (auto& [here, there] : pairs) test.loop.connections().add(std::move(here), handler);
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < kConnections; ++i) put(pairs[i][1], request(i));
    uint64_t written = test.loop.connections().bytes_written();
    uint64_t expected = written + kConnections * request(0).size();
    test.run_until([&] { return test.loop.connections().bytes_written() == expected; });
    for (size_t i = 0; i < kConnections; ++i) EXPECT_EQ(take(pairs[i][1]), request(i));
    handler.received = std::string();
  }
  // Also what the loop keeps for all of them, which is bounded.
  for (int i = 0; i < 2; ++i) test.loop.connections().trim();
  size_t each = (allocated_bytes() - before) / kConnections;
  if (!KVORUM_SANITIZED) {
    EXPECT_LT(each, 1024u);
  }

  for (auto& [here, there] : pairs) there.reset();
  test.run_until([&] { return test.loop.connections().size() == 0; });
  EXPECT_EQ(handler.closed, static_cast<int>(kConnections));
}

}  // namespace
}  // namespace kvorum::net
