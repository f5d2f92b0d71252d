#include "net/connector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "net/listener.h"
#include "tests/net/testing.h"

namespace kvorum::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

class ConnectorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Listener::open(
        test.loop, *parse_address("127.0.0.1:0"),
        [this](Fd fd) { test.loop.connections().add(std::move(fd), server); },
        [](const std::string&) {});
    ASSERT_TRUE(opened);
    listener = std::move(*opened);
    server.consume = [](Connection& c, std::string_view input) {
      c.out().append(input);
      return input.size();
    };
  }
  void connect(Connector& connector, const Address& address, milliseconds timeout = seconds(10)) {
    connector.connect(address, timeout, [this](Result<Fd> r) { result = std::move(r); });
    EXPECT_FALSE(result.has_value()) << "called back before connect() returned";
  }
  Address local() const { return {"127.0.0.1", listener->port(), ""}; }

  TestLoop test;
  TestHandler server;
  std::unique_ptr<Listener> listener;
  std::optional<Result<Fd>> result;
};

TEST_F(ConnectorTest, GivesASocketThatTalks) {
  Connector connector(test.loop);
  connect(connector, local());
  EXPECT_TRUE(connector.connecting());
  test.run_until([&] { return result.has_value(); });
  EXPECT_FALSE(connector.connecting());
  ASSERT_TRUE(*result) << result->error().message;
  TestHandler client;
  test.loop.connections().add(std::move(**result), client).out() += "hello";
  test.run_until([&] { return client.received == "hello"; });
}

TEST_F(ConnectorTest, LooksNamesUpWithoutBlocking) {
  Connector connector(test.loop);
  connect(connector, {"localhost", listener->port(), ""});
  test.run_until([&] { return result.has_value(); });
  EXPECT_TRUE(*result) << result->error().message;
}

TEST_F(ConnectorTest, ConnectsToAUnixSocket) {
  TempFolder folder;
  std::string path = folder.path("peer.sock");
  auto unix_listener = Listener::open(
      test.loop, *parse_address(path), [](Fd) {}, [](const std::string&) {});
  ASSERT_TRUE(unix_listener);
  Connector connector(test.loop);
  connect(connector, *parse_address(path));
  test.run_until([&] { return result.has_value(); });
  EXPECT_TRUE(*result);
}

TEST_F(ConnectorTest, SaysThatThePeerRefuses) {
  Address gone = local();
  listener.reset();
  Connector connector(test.loop);
  connect(connector, gone);
  test.run_until([&] { return result.has_value(); });
  ASSERT_FALSE(*result);
  EXPECT_EQ(result->error().message,
            fmt::format("can't connect to {}: Connection refused", gone.text()));
}

TEST_F(ConnectorTest, GivesUpInTime) {
  // A queue that is full lets the kernel drop what knocks.
  Fd deaf(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  auto any = resolve({"127.0.0.1", 0, ""}, true);
  ASSERT_EQ(bind(deaf.get(), any->front().get(), any->front().size), 0);
  ASSERT_EQ(listen(deaf.get(), 0), 0);
  Address address{"127.0.0.1", local_port(deaf.get()), ""};
  std::vector<Fd> queued;
  for (int i = 0; i < 4; ++i) {
    queued.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    auto target = resolve(address, true);
    (void)::connect(queued.back().get(), target->front().get(), target->front().size);
  }
  Connector connector(test.loop);
  connect(connector, address, milliseconds(50));
  test.run_until([&] { return result.has_value(); });
  ASSERT_FALSE(*result);
  EXPECT_THAT(result->error().message, HasSubstr("timed out"));
}

TEST_F(ConnectorTest, IsSilentAfterCancel) {
  Connector connector(test.loop);
  connect(connector, local());
  connector.cancel();
  connect(connector, {"localhost", listener->port(), ""});
  connector.cancel();
  test.run_turns(20);
  EXPECT_FALSE(result.has_value());
}

TEST_F(ConnectorTest, MayBeDestroyedByItsCallback) {
  auto connector = std::make_unique<Connector>(test.loop);
  connector->connect(local(), seconds(10), [&](Result<Fd> r) {
    connector.reset();
    result = std::move(r);
  });
  test.run_until([&] { return result.has_value(); });
  EXPECT_TRUE(*result);
}

TEST_F(ConnectorTest, MayTryAgainFromItsCallback) {
  Connector connector(test.loop);
  Address gone = local();
  listener.reset();
  int attempts = 0;
  std::function<void(Result<Fd>)> again = [&](Result<Fd>) {
    if (++attempts < 5) connector.connect(gone, seconds(10), again);
  };
  connector.connect(gone, seconds(10), again);
  test.run_until([&] { return attempts == 5; });
}

}  // namespace
}  // namespace kvorum::net
