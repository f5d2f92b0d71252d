// What the peer port answers to those who do not belong, and what a dialler makes of such answers.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "peer/network.h"
#include "tests/peer/testing.h"

namespace kvorum::peer {
namespace {

const std::string kDoorSign =
    "-ERR this is the port where kvorum nodes talk to each other: clients connect to server.port";

std::string greeting(uint64_t node) {
  return encode(greeting_of({raft::NodeId(node), std::string(kCluster), "secret"}, Purpose::kLink,
                            raft::NodeId(1)));
}

class Strangers : public ::testing::Test {
 protected:
  void SetUp() override { a.start(); }
  // The line that answers `bytes`, after which the connection must end.
  std::string answer_to(const std::string& bytes) {
    BareSocket stranger(a.options.port);
    stranger.put(bytes);
    std::string line = stranger.line();
    EXPECT_TRUE(stranger.at_end());
    return line;
  }

  TestNode a{1};
};

TEST_F(Strangers, WhoAreNoNodesReadTheDoorSign) {
  EXPECT_EQ(answer_to("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), kDoorSign);
  EXPECT_EQ(answer_to("PING\r\n"), kDoorSign);
  EXPECT_EQ(answer_to("*1\r\n$4\r\nPING\r\n"), kDoorSign);
  EXPECT_EQ(answer_to("\x16\x03\x01"), kDoorSign);
  EXPECT_TRUE(a.wait_note("a connection from 127.0.0.1 is no kvorum node"));
}

TEST_F(Strangers, WithHostileFramesAreShownOut) {
  EXPECT_EQ(answer_to("*1\r\n$9223372036854775807\r\n"), kDoorSign);
  EXPECT_EQ(answer_to("*1000000000\r\n"), kDoorSign);
  EXPECT_EQ(answer_to("*1\r\n*1\r\n*1\r\n"), kDoorSign);
  EXPECT_EQ(answer_to("*7\r\n$6\r\nkvorum\r\n$9000\r\n"), kDoorSign);
  EXPECT_EQ(answer_to("$" + std::string(100'000, '1')), kDoorSign);
}

TEST_F(Strangers, ThatDoNotGreetInTimeAreClosed) {
  TestNode hasty(2);
  hasty.options.greeting_timeout = std::chrono::milliseconds(50);
  hasty.start();
  BareSocket silent(hasty.options.port);
  BareSocket half(hasty.options.port);
  half.put("*7\r\n$6\r\nkvorum\r\n");
  EXPECT_TRUE(silent.at_end());
  EXPECT_TRUE(half.at_end());
  // Who has greeted may be silent.
  BareSocket node(hasty.options.port);
  node.put(encode(greeting_of({raft::NodeId(3), std::string(kCluster), "secret"}, Purpose::kLink,
                              raft::NodeId(2))));
  EXPECT_EQ(node.line(), "+OK kvorum 1 2");
  BareSocket late(hasty.options.port);
  EXPECT_TRUE(late.at_end());
  node.put(encode(numbered(1)));
  EXPECT_EQ(number_of(hasty.message(1)), 1u);
}

TEST_F(Strangers, InGreatNumberDoNotKeepANodeOut) {
  std::vector<BareSocket> crowd;
  for (int i = 0; i < 300; ++i) crowd.emplace_back(a.options.port);
  BareSocket node(a.options.port);
  node.put(greeting(2));
  EXPECT_EQ(node.line(), "+OK kvorum 1 1");
  EXPECT_TRUE(crowd.front().at_end());
  node.put(encode(numbered(1)));
  EXPECT_EQ(number_of(a.message(1)), 1u);
}

TEST_F(Strangers, WithTheWrongSecretAreRefused) {
  EXPECT_EQ(answer_to(encode(greeting_of({raft::NodeId(2), std::string(kCluster), "guess"},
                                         Purpose::kLink, raft::NodeId(1)))),
            "-REFUSED wrong peer secret: configure the same secret on all nodes");
  EXPECT_TRUE(a.wait_note(
      "refused a connection from 127.0.0.1: wrong peer secret: configure the same secret"));
}

TEST_F(Strangers, WithALinkThatSendRubbishAreClosed) {
  const std::string good = encode(envelope(2, 1, raft::TimeoutNow{}));
  for (const std::string& rubbish :
       {std::string("*1\r\n$4\r\nPING\r\n"), std::string("nonsense"), std::string("+OK\r\n"),
        std::string("*2\r\n$7\r\nforward\r\n$999999999999\r\n"),
        encode(envelope(3, 1, raft::TimeoutNow{})), encode(envelope(2, 3, raft::TimeoutNow{}))}) {
    BareSocket node(a.options.port);
    node.put(greeting(2) + good + rubbish + good);
    EXPECT_EQ(node.line(), "+OK kvorum 1 1");
    EXPECT_TRUE(node.line().starts_with("-ERR what came was "));
    EXPECT_TRUE(node.at_end());
  }
  // Nothing behind the rubbish was taken.
  a.with([](Seen& seen) { EXPECT_EQ(seen.messages.size(), 6u); });
  EXPECT_TRUE(
      a.wait_note("closed the connection of node 2 from 127.0.0.1, which sent a message "
                  "from node 3 to node 1"));
}

// How a real dialler's handshake ends with a node it does not belong to.
class Dialler : public ::testing::Test {
 protected:
  void dial() {
    a.start();
    b.start();
    b.knows({{raft::NodeId(1), a.address(), ""}});
  }

  TestNode a{1};
  TestNode b{2};
};

TEST_F(Dialler, OfAnotherClusterIsRefused) {
  b.identity.cluster = "ffffffffffffffffffffffffffffffff";
  dial();
  EXPECT_TRUE(b.wait_note("refuses this node: this node belongs to cluster 0011223344"));
  EXPECT_TRUE(a.wait_note("refused node 2 from 127.0.0.1: this node belongs to cluster"));
}

TEST_F(Dialler, WithTheWrongSecretIsRefused) {
  b.identity.secret = "other";
  dial();
  EXPECT_TRUE(b.wait_note("refuses this node: wrong peer secret"));
}

TEST_F(Dialler, OfANodeThatIsNotThereIsRefused) {
  a.start();
  b.start();
  b.knows({{raft::NodeId(3), a.address(), ""}});
  EXPECT_TRUE(b.wait_note("refuses this node: node 1 is here, not node 3"));
  b.with([](Seen& seen) { EXPECT_TRUE(seen.linked.empty()); });
}

TEST_F(Dialler, OfItselfIsRefused) {
  a.start();
  a.knows({{raft::NodeId(3), a.address(), ""}});
  EXPECT_TRUE(a.wait_note("refuses this node: this is node 1 itself"));
}

TEST_F(Dialler, OfARedisServerSaysSo) {
  BoundSocket redis;
  redis.listen();
  b.start();
  b.knows({{raft::NodeId(1), redis.address(), ""}});
  BareSocket server(redis);
  EXPECT_EQ(server.words().front(), "kvorum");
  server.put("-ERR unknown command 'kvorum', with args beginning with: '1'\r\n");
  EXPECT_TRUE(b.wait_note("refuses this node: unknown command 'kvorum'"));
}

TEST_F(Dialler, OfSomethingThatSpeaksOtherwiseSaysSo) {
  BoundSocket other;
  other.listen();
  b.start();
  b.knows({{raft::NodeId(1), other.address(), ""}});
  BareSocket server(other);
  server.put("SSH-2.0-OpenSSH\r\n");
  EXPECT_TRUE(b.wait_note("what it answers is not the kvorum peer protocol"));
}

TEST_F(Dialler, OfSomebodyWhoDoesNotAnswerSaysSoAndDialsAgain) {
  BoundSocket mute;
  mute.listen();
  b.options.greeting_timeout = std::chrono::milliseconds(200);
  b.start();
  b.knows({{raft::NodeId(1), mute.address(), ""}});
  BareLink first(mute);
  EXPECT_TRUE(b.wait_note("does not answer"));
  BareLink second(mute);
  second.welcome_as(1);
  EXPECT_TRUE(b.wait_linked(1));
}

}  // namespace
}  // namespace kvorum::peer
