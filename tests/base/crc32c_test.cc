#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

namespace kvorum {
namespace {

// RFC 3720 appendix B.4, and the check value of the CRC catalogues.
TEST(Crc32c, GivesThePublishedValues) {
  std::string ascending;
  std::string descending;
  for (int i = 0; i < 32; ++i) {
    ascending += static_cast<char>(i);
    descending += static_cast<char>(31 - i);
  }
  struct {
    std::string bytes;
    uint32_t crc;
  } const cases[] = {
      {"", 0},
      {"123456789", 0xe3069283},
      {std::string(32, '\0'), 0x8a9136aa},
      {std::string(32, '\xff'), 0x62a8ab43},
      {ascending, 0x46dd794e},
      {descending, 0x113fdb5c},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(crc32c(c.bytes), c.crc) << c.bytes.size();
    EXPECT_EQ(crc32c_portable(c.bytes), c.crc) << c.bytes.size();
  }
}

TEST(Crc32c, IsTheSameWithAndWithoutTheInstruction) {
  std::mt19937 random(1);
  std::string bytes(300, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  for (size_t offset = 0; offset < 9; ++offset) {
    for (size_t size = 0; offset + size <= bytes.size(); size += 7) {
      std::string_view part = std::string_view(bytes).substr(offset, size);
      ASSERT_EQ(crc32c(part, 77), crc32c_portable(part, 77)) << offset << " " << size;
    }
  }
}

TEST(Crc32c, ContinuesFromWhatCameBefore) {
  const std::string_view all = "the quick brown fox";
  for (size_t at = 0; at <= all.size(); ++at) {
    EXPECT_EQ(crc32c(all.substr(at), crc32c(all.substr(0, at))), crc32c(all)) << at;
  }
}

TEST(Crc32c, SeesEverySingleBitFlip) {
  std::string bytes = "a record of the log";
  const uint32_t crc = crc32c(bytes);
  for (char& byte : bytes) {
    for (int bit = 0; bit < 8; ++bit) {
      byte = static_cast<char>(byte ^ (1 << bit));
      EXPECT_NE(crc32c(bytes), crc);
      byte = static_cast<char>(byte ^ (1 << bit));
    }
  }
}

}  // namespace
}  // namespace kvorum
