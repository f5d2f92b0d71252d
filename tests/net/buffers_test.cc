#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "net/input_buffer.h"
#include "net/output_buffer.h"
#include "tests/net/testing.h"

namespace kvorum::net {
namespace {

TEST(InputBuffer, KeepsTheBytesInOrderWhateverIsAppendedAndConsumed) {
  std::mt19937 random(7);
  std::string stream = pattern(1 << 20);
  InputBuffer buffer;
  size_t appended = 0;
  size_t consumed = 0;
  while (consumed < stream.size()) {
    size_t more = std::min<size_t>(random() % 40000, stream.size() - appended);
    buffer.append(std::string_view(stream).substr(appended, more));
    appended += more;
    ASSERT_EQ(buffer.view(), std::string_view(stream).substr(consumed, appended - consumed));
    size_t less = buffer.size() == 0 ? 0 : random() % (buffer.size() + 1);
    if (appended == stream.size()) less = buffer.size();
    buffer.consume(less);
    consumed += less;
  }
  EXPECT_TRUE(buffer.empty());
}

TEST(InputBuffer, OwnsNoMemoryWhenEmpty) {
  InputBuffer buffer;
  EXPECT_EQ(buffer.capacity(), 0u);
  buffer.append(pattern(1000));
  buffer.consume(1000);
  EXPECT_EQ(buffer.capacity(), 0u);
  buffer.assign(pattern(1000));
  buffer.assign({});
  EXPECT_EQ(buffer.capacity(), 0u);
}

TEST(InputBuffer, ShrinksAfterALargeRequest) {
  InputBuffer buffer;
  std::string bytes = pattern((8 << 20) + 10);
  buffer.append(bytes);
  buffer.consume(8 << 20);
  EXPECT_LE(buffer.capacity(), 4096u);
  EXPECT_EQ(buffer.view(), std::string_view(bytes).substr(8 << 20));
}

TEST(InputBuffer, DoublesSoThatALargeRequestIsNotCopiedForEachRead) {
  InputBuffer buffer;
  int grown = 0;
  size_t capacity = 0;
  std::string bytes = pattern(1024);
  for (int i = 0; i < 16 * 1024; ++i) {
    buffer.append(bytes);
    if (buffer.capacity() != capacity) ++grown;
    capacity = buffer.capacity();
  }
  EXPECT_LE(grown, 20);
}

std::string gathered(const OutputBuffer& buffer, size_t pieces_max) {
  std::vector<iovec> pieces(pieces_max);
  size_t count = buffer.gather(pieces);
  std::string result;
  for (size_t i = 0; i < count; ++i) {
    result.append(static_cast<char*>(pieces[i].iov_base), pieces[i].iov_len);
  }
  return result;
}

TEST(OutputBuffer, SendsAppendedAndSharedBytesInOrderAcrossPartialWrites) {
  std::mt19937 random(11);
  std::string expected;
  std::string sent;
  OutputBuffer buffer;
  std::string source = pattern(4 << 20);
  auto next = [&, at = size_t{0}](size_t size) mutable {
    at = (at + 7919) % (source.size() - size);
    expected.append(source, at, size);
    return source.substr(at, size);
  };
  for (int round = 0; round < 3000; ++round) {
    if (random() % 2 == 0) {
      buffer.tail().append(next(random() % 3000));
    } else {
      buffer.push(std::make_shared<const std::string>(next(random() % 3000)));
    }
    ASSERT_EQ(buffer.size(), expected.size() - sent.size());
    std::string ready = gathered(buffer, 1 + random() % 8);
    size_t taken = ready.empty() ? 0 : random() % (ready.size() + 1);
    buffer.consume(taken);
    sent.append(ready, 0, taken);
  }
  while (!buffer.empty()) {
    std::string ready = gathered(buffer, 3);
    ASSERT_FALSE(ready.empty());
    buffer.consume(ready.size());
    sent += ready;
  }
  EXPECT_EQ(sent, expected);
}

TEST(OutputBuffer, LetsGoOfSharedBytesOnceTheyAreSent) {
  auto shared = std::make_shared<const std::string>(pattern(5000));
  OutputBuffer one;
  OutputBuffer two;
  one.push(shared);
  two.push(shared);
  EXPECT_EQ(shared.use_count(), 3);
  one.consume(5000);
  EXPECT_EQ(shared.use_count(), 2);
  two.clear();
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(OutputBuffer, DoesNotKeepWhatASlowReaderHasTaken) {
  OutputBuffer buffer;
  for (int i = 0; i < 1000; ++i) {
    buffer.tail().append(pattern(10000));
    if (i > 10) buffer.consume(10000);
  }
  EXPECT_LE(buffer.tail().size(), 400000u);
}

}  // namespace
}  // namespace kvorum::net
