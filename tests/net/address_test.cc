#include "net/address.h"

#include <gtest/gtest.h>

namespace kvorum::net {
namespace {

TEST(Address, ReadsWhatItPrints) {
  for (const char* text :
       {"127.0.0.1:6379", "[::1]:6379", "[::]:0", "db.example.com:65535", "*:1", "/run/k.sock"}) {
    Result<Address> address = parse_address(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->text(), text);
  }
  EXPECT_EQ(parse_address("unix:relative.sock")->path, "relative.sock");
  EXPECT_EQ(parse_address("unix:/a")->path, "/a");
  EXPECT_EQ(parse_address("[fe80::1]:7")->host, "fe80::1");
}

TEST(Address, SaysWhatIsWrong) {
  EXPECT_EQ(parse_address("localhost").error().message, "'localhost' is not an address: no port");
  EXPECT_EQ(parse_address("h:x").error().message,
            "'h:x' is not an address: 'x' is not a port number");
  for (const char* text : {"", ":", ":80", "h:", "h:65536", "h:-1", "::1:80", "[]:80",
                           "unix:", "h:80 ", "h:4294967296"}) {
    EXPECT_FALSE(parse_address(text)) << text;
  }
}

TEST(Address, ResolvesNumbersWithoutLookingNamesUp) {
  auto v4 = resolve({"127.0.0.1", 80, ""}, true);
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->front().text(), "127.0.0.1:80");
  auto v6 = resolve({"::1", 80, ""}, true);
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->front().text(), "[::1]:80");
  EXPECT_EQ(resolve({"*", 80, ""}, true)->front().text(), "0.0.0.0:80");
  EXPECT_FALSE(resolve({"localhost", 80, ""}, true));
}

TEST(Address, RefusesUnixPathsTheKernelCannotHold) {
  EXPECT_TRUE(resolve({"", 0, std::string(107, 'p')}, true));
  EXPECT_FALSE(resolve({"", 0, std::string(108, 'p')}, true));
}

}  // namespace
}  // namespace kvorum::net
