#include "base/bytes.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace kvorum {
namespace {

constexpr uint64_t kMax64 = std::numeric_limits<uint64_t>::max();

TEST(Bytes, ReadsBackWhatWasWritten) {
  std::string out;
  ByteWriter writer(out);
  writer.u8(0xfe);
  writer.u32_le(0x01020304);
  writer.u64_le(0x0102030405060708);
  writer.u32_be(0x01020304);
  writer.u64_be(0x0102030405060708);
  writer.varint(300);
  writer.string("key");
  writer.raw("tail");

  ByteReader reader(out);
  EXPECT_EQ(reader.u8(), 0xfe);
  EXPECT_EQ(reader.u32_le(), 0x01020304U);
  EXPECT_EQ(reader.u64_le(), 0x0102030405060708U);
  EXPECT_EQ(reader.u32_be(), 0x01020304U);
  EXPECT_EQ(reader.u64_be(), 0x0102030405060708U);
  EXPECT_EQ(reader.varint(), 300U);
  EXPECT_EQ(reader.string(), "key");
  EXPECT_FALSE(reader.done());
  EXPECT_EQ(reader.rest(), "tail");
  EXPECT_EQ(reader.raw(4), "tail");
  EXPECT_TRUE(reader.done());
}

TEST(Bytes, FixesTheByteOrderOfItsFormats) {
  std::string out;
  ByteWriter writer(out);
  writer.u32_le(0x01020304);
  writer.u32_be(0x01020304);
  writer.varint(300);
  EXPECT_EQ(out, std::string("\x04\x03\x02\x01\x01\x02\x03\x04\xac\x02"));
}

TEST(Bytes, BigEndianNumbersSortLikeNumbers) {
  std::string previous;
  for (uint64_t value :
       {uint64_t{0}, uint64_t{1}, uint64_t{255}, uint64_t{256}, uint64_t{1} << 32, kMax64}) {
    std::string out;
    ByteWriter(out).u64_be(value);
    EXPECT_LT(previous, out) << value;
    previous = out;
  }
}

TEST(Bytes, VarintsTakeOneByteForEverySevenBits) {
  struct {
    uint64_t value;
    size_t bytes;
  } const cases[] = {{0, 1}, {127, 1}, {128, 2}, {16383, 2}, {16384, 3}, {kMax64, 10}};
  for (const auto& c : cases) {
    std::string out;
    ByteWriter(out).varint(c.value);
    EXPECT_EQ(out.size(), c.bytes) << c.value;
    ByteReader reader(out);
    EXPECT_EQ(reader.varint(), c.value);
    EXPECT_TRUE(reader.done());
  }
}

TEST(Bytes, RefusesAVarintOfMoreThan64Bits) {
  const std::string too_big = std::string(9, '\xff') + '\x02';
  ByteReader reader(too_big);
  EXPECT_EQ(reader.varint(), 0U);
  EXPECT_FALSE(reader.ok());
  const std::string endless(20, '\x80');
  ByteReader other(endless);
  EXPECT_EQ(other.varint(), 0U);
  EXPECT_FALSE(other.ok());
}

TEST(Bytes, StaysBadAfterAShortRead) {
  const std::string in = "abc";
  ByteReader reader(in);
  EXPECT_EQ(reader.u32_le(), 0U);
  EXPECT_FALSE(reader.ok());
  EXPECT_FALSE(reader.done());
  EXPECT_EQ(reader.u8(), 0);
  EXPECT_EQ(reader.string(), "");
  EXPECT_EQ(reader.rest(), "");
}

TEST(Bytes, RefusesALengthBeyondTheInput) {
  std::string in;
  ByteWriter(in).varint(kMax64);
  in += "abc";
  ByteReader reader(in);
  EXPECT_EQ(reader.string(), "");
  EXPECT_FALSE(reader.ok());
}

}  // namespace
}  // namespace kvorum
