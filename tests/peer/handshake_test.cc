#include "peer/handshake.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/peer/testing.h"

namespace kvorum::peer {
namespace {

Frame frame_of(const std::string& bytes) {
  FrameReader reader(kGreetingLimits);
  auto frame = reader.next(bytes);
  EXPECT_TRUE(frame.has_value() && frame->has_value());
  return frame && *frame ? std::move(**frame) : Frame{};
}

Identity identity(uint64_t node) {
  return {raft::NodeId(node), std::string(kCluster), "secret"};
}

// What node 1 answers to `greeting` after it travelled.
std::string answer_to(const Greeting& greeting, const Identity& self = identity(1),
                      bool protected_mode = true, bool same_machine = false) {
  const auto arrived = decode_greeting(frame_of(encode(greeting)));
  if (!arrived) return "ERR " + arrived.error().message;
  const auto refusal = judge(*arrived, self, protected_mode, same_machine);
  return refusal ? refusal->code + " " + refusal->why : "";
}

Greeting good_greeting() {
  return greeting_of(identity(2), Purpose::kLink, raft::NodeId(1));
}

TEST(Handshake, WelcomesANodeOfTheCluster) {
  EXPECT_EQ(answer_to(good_greeting()), "");
  EXPECT_EQ(answer_to(greeting_of(identity(2), Purpose::kBulk, raft::NodeId(1))), "");
  EXPECT_EQ(answer_to(greeting_of(identity(2), Purpose::kSnapshot, raft::NodeId(1))), "");
  EXPECT_EQ(answer_to(greeting_of(identity(2), Purpose::kLink, raft::kNoNode)), "");
  EXPECT_EQ(answer_to(greeting_from_outside("secret")), "");
  EXPECT_FALSE(refusal_in(frame_of(welcome(raft::NodeId(1))), raft::NodeId(1)));
  EXPECT_FALSE(refusal_in(frame_of(welcome(raft::NodeId(1))), raft::kNoNode));
}

TEST(Handshake, GreetingIsReadable) {
  EXPECT_EQ(
      frame_of(encode(good_greeting())).words,
      (std::vector<std::string>{"kvorum", "1", "link", std::string(kCluster), "2", "1", "secret"}));
}

TEST(Handshake, RefusesAnotherCluster) {
  Greeting greeting = good_greeting();
  greeting.cluster = "ffff";
  EXPECT_EQ(answer_to(greeting),
            "REFUSED this node belongs to cluster 00112233445566778899aabbccddeeff, not to 'ffff': "
            "correct the address, or join this cluster with an empty data folder");
}

TEST(Handshake, RefusesADiallerThatWantsAnotherNode) {
  Greeting greeting = good_greeting();
  greeting.to = raft::NodeId(3);
  EXPECT_EQ(answer_to(greeting),
            "REFUSED node 1 is here, not node 3: the address is used by another node now; remove "
            "the member that is gone, or correct its address");
}

TEST(Handshake, RefusesItself) {
  Greeting greeting = good_greeting();
  greeting.from = raft::NodeId(1);
  EXPECT_EQ(answer_to(greeting),
            "REFUSED this is node 1 itself: the address leads back to its own node, or two nodes "
            "run on copies of one data folder; correct the address, or give one an empty folder "
            "and join");
}

TEST(Handshake, RefusesAnotherVersionWhateverFollowsIt) {
  Greeting greeting = good_greeting();
  greeting.version = 2;
  const std::string sentence =
      "REFUSED this node speaks version 1 of the peer protocol, not 2: run versions of kvorum that "
      "share one";
  EXPECT_EQ(answer_to(greeting), sentence);
  const auto other = decode_greeting(frame_of(encode_command({"kvorum", "2", "what", "else"})));
  ASSERT_TRUE(other.has_value());
  EXPECT_EQ(other->version, 2u);
}

TEST(Handshake, RefusesAWrongSecret) {
  Greeting greeting = good_greeting();
  greeting.secret = "Secret";
  EXPECT_EQ(answer_to(greeting),
            "REFUSED wrong peer secret: configure the same secret on all nodes");
  greeting.secret = "";
  EXPECT_EQ(answer_to(greeting),
            "REFUSED this cluster has a peer secret and none was given: configure the same secret");
  Identity self = identity(1);
  self.secret = "";
  greeting.secret = "secret";
  EXPECT_EQ(answer_to(greeting, self, false),
            "REFUSED a peer secret was given and this node has none: configure the same secret");
  // Also a question's, and before anything about the cluster is told.
  EXPECT_NE(answer_to(greeting_from_outside("wrong")), "");
  greeting = good_greeting();
  greeting.secret = "wrong";
  greeting.cluster = "ffff";
  EXPECT_EQ(answer_to(greeting).find(kCluster), std::string::npos);
}

TEST(Handshake, InProtectedModeWithoutSecretOnlyThisMachineIsWelcome) {
  Identity self = identity(1);
  self.secret = "";
  Greeting greeting = good_greeting();
  greeting.secret = "";
  EXPECT_EQ(answer_to(greeting, self, true, true), "");
  EXPECT_EQ(answer_to(greeting, self, false, false), "");
  EXPECT_EQ(answer_to(greeting, self, true, false),
            "REFUSED this node has no peer secret, so in protected mode it only talks to nodes on "
            "its own machine: give all nodes the same secret, or turn protected mode off if the "
            "network is trusted");
}

TEST(Handshake, RefusesWhatIsNoGreeting) {
  const auto error_of = [](const std::vector<std::string>& words) {
    const auto greeting = decode_greeting(frame_of(encode_command(words)));
    return greeting ? "" : greeting.error().message;
  };
  EXPECT_EQ(error_of({"PING"}), kNotAPeer);
  EXPECT_NE(error_of({"kvorum"}), "");
  EXPECT_NE(error_of({"kvorum", "one"}), "");
  EXPECT_NE(error_of({"kvorum", "1", "link"}), "");
  EXPECT_EQ(error_of({"kvorum", "1", "link", "c", "2", "1", "s"}), "");
  EXPECT_EQ(error_of({"kvorum", "1", "bulk", "c", "2", "1", "s"}), "");
  EXPECT_NE(error_of({"kvorum", "1", "gossip", "c", "2", "1", "s"}), "");
  EXPECT_NE(error_of({"kvorum", "1", "link", "c", "-2", "1", "s"}), "");
  EXPECT_NE(error_of({"kvorum", "1", "link", "c", "2", "1", "s", "x"}), "");
  // Nobody greets as no node, and who asks has no id.
  EXPECT_NE(error_of({"kvorum", "1", "link", "c", "0", "1", "s"}), "");
  EXPECT_NE(error_of({"kvorum", "1", "ask", "c", "2", "0", "s"}), "");
  EXPECT_NE(decode_greeting(Frame{Frame::Kind::kStatus, {"kvorum"}}).has_value(), true);
}

TEST(Handshake, DiallerUnderstandsRefusals) {
  const auto refusal = refusal_in(frame_of("-REMOVED gone for good\r\n"), raft::NodeId(1));
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->code, "REMOVED");
  EXPECT_EQ(refusal->why, "gone for good");
  EXPECT_EQ(refusal->line(), "-REMOVED gone for good\r\n");
  EXPECT_EQ(refusal_in(frame_of("-REFUSED no\x1b[31m\r\n"), raft::NodeId(1))->why, "no?[31m");
}

TEST(Handshake, DiallerDoesNotTakeAnythingForAWelcome) {
  for (const std::string answer : {"+OK\r\n", "+PONG\r\n", "+OK kvorum 1 2\r\n", "-LOADING x\r\n",
                                   "$2\r\nOK\r\n", "*1\r\n$2\r\nOK\r\n"}) {
    const auto refusal = refusal_in(frame_of(answer), raft::NodeId(1));
    ASSERT_TRUE(refusal.has_value()) << answer;
    EXPECT_EQ(refusal->code, "ERR");
  }
}

TEST(Handshake, ComparesSecretsWhole) {
  EXPECT_TRUE(same_secret("", ""));
  EXPECT_TRUE(same_secret("abc", "abc"));
  EXPECT_FALSE(same_secret("abc", "abd"));
  EXPECT_FALSE(same_secret("abc", "ab"));
  EXPECT_FALSE(same_secret("aa", "a"));
  EXPECT_FALSE(same_secret("a", ""));
  EXPECT_FALSE(same_secret("", "a"));
  EXPECT_FALSE(same_secret(std::string("\0", 1), ""));
}

}  // namespace
}  // namespace kvorum::peer
