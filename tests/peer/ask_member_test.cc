#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "peer/network.h"
#include "tests/peer/testing.h"

namespace kvorum::peer {
namespace {

constexpr std::chrono::milliseconds kLong = kPatience;

class AskMember : public ::testing::Test {
 protected:
  // Asks while this thread answers.
  Result<std::string> ask(const std::vector<std::string>& words,
                          const std::function<void(TestNode&)>& answer) {
    a.start();
    Result<std::string> result;
    std::thread asker([&] { result = ask_member(a.address(), "secret", words, kLong); });
    if (a.wait([](const Seen& seen) { return seen.answer != nullptr; })) answer(a);
    asker.join();
    return result;
  }

  TestNode a{1};
};

TEST_F(AskMember, GetsTheAnswer) {
  const std::string text = pattern(100'000);
  const auto answer = ask({"join", std::string("\0\r\n", 3), ""}, [&](TestNode& node) {
    node.with([&](Seen& seen) { seen.answer(true, text); });
  });
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(*answer, text);
  a.with([](Seen& seen) {
    EXPECT_EQ(seen.question, (std::vector<std::string>{"join", std::string("\0\r\n", 3), ""}));
  });
}

TEST_F(AskMember, GetsTheErrorThatTheMemberAnswers) {
  const auto answer = ask({"join"}, [](TestNode& node) {
    node.with([](Seen& seen) { seen.answer(false, "NOLEADER try\r\nlater"); });
  });
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().message, "NOLEADER try  later");
}

TEST_F(AskMember, IsToldWhyItIsRefused) {
  a.start();
  const auto answer = ask_member(a.address(), "guess", {"join"}, kLong);
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().message, a.address() +
                                        " refuses: wrong peer secret: configure the same "
                                        "secret on all nodes");
}

TEST_F(AskMember, GivesUpInTime) {
  a.start();
  const auto answer = ask_member(a.address(), "secret", {"x"}, std::chrono::milliseconds(50));
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().message, a.address() + " did not answer in time");
  // The answer that comes too late, and one after the end of the network, hurt nobody.
  std::function<void(bool, std::string)> answer_late;
  ASSERT_TRUE(a.wait([](const Seen& seen) { return seen.answer != nullptr; }));
  a.with([&](Seen& seen) { answer_late = seen.answer; });
  answer_late(true, "late");
  a.stop();
  answer_late(true, "too late");
}

TEST_F(AskMember, GivesUpInTimeOnOneWhoAnswersByteByByte) {
  BoundSocket slow;
  slow.listen();
  std::thread server([&] {
    BareSocket socket(slow);
    socket.words();
    // Until the asker has gone.
    while (send(socket.fd(), "+", 1, MSG_NOSIGNAL) == 1) {
      pollfd gone{socket.fd(), POLLIN, 0};
      if (poll(&gone, 1, 1) != 0) return;
    }
  });
  const auto answer = ask_member(slow.address(), "", {"x"}, std::chrono::milliseconds(100));
  server.join();
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().message, slow.address() + " did not answer in time");
}

TEST_F(AskMember, SaysWhatIsWrongWithTheAddress) {
  const auto nobody = free_port();
  const auto unreachable =
      ask_member(fmt::format("127.0.0.1:{}", nobody), "", {"x"}, std::chrono::milliseconds(1000));
  ASSERT_FALSE(unreachable.has_value());
  EXPECT_EQ(unreachable.error().message,
            fmt::format("can't connect to 127.0.0.1:{}: Connection refused", nobody));
  EXPECT_FALSE(ask_member("nonsense", "", {"x"}, kLong).has_value());

  BoundSocket other;
  other.listen();
  std::thread server([&] {
    BareSocket socket(other);
    socket.words();
    socket.put("HTTP/1.1 400 Bad Request\r\n");
    EXPECT_TRUE(socket.at_end());
  });
  const auto foreign = ask_member(other.address(), "", {"x"}, kLong);
  server.join();
  ASSERT_FALSE(foreign.has_value());
  EXPECT_EQ(foreign.error().message, other.address() + " is not the peer port of a kvorum node");
}

TEST_F(AskMember, IsToldWhenTheMemberClosesWithoutAnAnswer) {
  BoundSocket other;
  other.listen();
  std::thread server([&] {
    BareSocket socket(other);
    socket.words();
  });
  const auto answer = ask_member(other.address(), "", {"x"}, kLong);
  server.join();
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().message, other.address() + " closed the connection without an answer");
}

}  // namespace
}  // namespace kvorum::peer
