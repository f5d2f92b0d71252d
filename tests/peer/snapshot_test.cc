#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/peer/snapshot_testing.h"

namespace kvorum::peer {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr size_t kMiB = size_t{1} << 20;

Contents sample() {
  return {{"WiredTiger", pattern(50)},
          {"WiredTiger.wt", pattern(3 * kMiB + 7)},
          {"a-empty", ""},
          {"exact", pattern(kChunkBytesMax)},
          {"more", pattern(kChunkBytesMax + 1)},
          {"one", "1"},
          {"z-empty", ""}};
}

SnapshotSenderOptions quick() {
  SnapshotSenderOptions options;
  options.backoff_min = options.backoff_max = std::chrono::milliseconds(1);
  return options;
}

class Snapshots : public ::testing::Test {
 protected:
  void send(SnapshotSender& by, const std::string& address, const Contents& contents,
            Ending& ending) {
    by.send(raft::NodeId(2), address, std::make_unique<MemorySource>(contents), test_meta(),
            ending.done());
  }
  // One transfer, to its end: why it failed.
  std::string transfer(Wire& wire, const Contents& contents) {
    Ending ending;
    send(sender, wire.address(), contents, ending);
    return ending.error();
  }
  void expect_arrives(const Contents& contents) {
    Wire wire(target);
    EXPECT_EQ(transfer(wire, contents), "");
    EXPECT_EQ(target.installed, 1U);
    EXPECT_TRUE(target.contents == contents);
    EXPECT_EQ(target.meta, test_meta());
    EXPECT_FALSE(target.has_leftovers());
  }

  Identity identity{raft::NodeId(1), std::string(kCluster), "secret"};
  Target target;
  SnapshotSender sender{identity, quick()};
};

TEST_F(Snapshots, ArriveWhole) {
  expect_arrives(sample());
}

TEST_F(Snapshots, MayHaveNoFilesOrOnlyEmptyOnes) {
  expect_arrives({});
  Wire wire(target);
  EXPECT_EQ(transfer(wire, {{"a", ""}, {"b", ""}}), "");
  EXPECT_EQ(target.contents.size(), 2U);
}

TEST_F(Snapshots, MayHaveManyFiles) {
  Contents many;
  for (size_t i = 0; i < 200; ++i) many["f" + std::to_string(i)] = pattern(i % 50);
  expect_arrives(many);
}

TEST_F(Snapshots, FollowEachOther) {
  Wire wire(target);
  std::array<Ending, 3> endings;
  for (Ending& ending : endings) send(sender, wire.address(), sample(), ending);
  for (Ending& ending : endings) EXPECT_EQ(ending.error(), "");
  EXPECT_EQ(target.installed, 3U);
}

TEST_F(Snapshots, TravelBetweenNetworks) {
  TestNode node(2);
  node.start();
  Ending ending;
  send(sender, node.address(), {{"large", pattern(20 * kMiB)}}, ending);
  ASSERT_TRUE(node.wait([](const Seen& seen) { return seen.stream.has_value(); }));
  node.with([&](Seen& seen) {
    target.receiver->receive(raft::NodeId(1), std::move(*seen.stream), seen.stream_head);
  });
  EXPECT_EQ(ending.error(), "");
  EXPECT_TRUE(target.contents.at("large") == pattern(20 * kMiB));
}

TEST_F(Snapshots, GoOnWhereABrokenLinkLeftThem) {
  const Contents contents{{"a", pattern(5 * kMiB)}, {"b", pattern(7 * kMiB)}, {"c", pattern(9)}};
  Wire wire(target, {{.cut_after = 100},
                     {.cut_after = 2 * kMiB},
                     {.cut_after = 3 * kMiB + 12'345},
                     {.cut_after = 300'000},
                     {.cut_after = 1 * kMiB}});
  EXPECT_EQ(transfer(wire, contents), "");
  EXPECT_EQ(wire.connections(), 6U);
  EXPECT_TRUE(target.contents == contents);
  // At most the part that was cut is sent again each time.
  EXPECT_LT(wire.bytes(), 12 * kMiB + 6 * kChunkBytesMax);
}

TEST_F(Snapshots, AreNotSentAgainWhenOnlyTheLastAnswerWasLost) {
  Wire wire(target, {{.cut_at_answer = "installed"}});
  EXPECT_EQ(transfer(wire, sample()), "");
  EXPECT_EQ(wire.connections(), 2U);
  EXPECT_EQ(target.installed, 1U);
  EXPECT_LT(wire.bytes(), 4 * kMiB);
}

TEST_F(Snapshots, AreSentAgainFromAPartThatWasDamaged) {
  Wire wire(target, {{.damage_at = 2 * kMiB}});
  EXPECT_EQ(transfer(wire, sample()), "");
  EXPECT_EQ(wire.connections(), 2U);
  EXPECT_TRUE(target.contents == sample());
}

TEST_F(Snapshots, AreGivenUpWhenNothingMoreArrives) {
  Wire wire(target, std::vector<Fate>(20, {.damage_at = 50'000}));
  EXPECT_THAT(transfer(wire, {{"a", pattern(kMiB)}}),
              ::testing::AllOf(HasSubstr("given up after 5 attempts without progress"),
                               HasSubstr("damaged on its way")));
  EXPECT_EQ(wire.connections(), 5U);
  EXPECT_EQ(target.installed, 0U);
}

TEST_F(Snapshots, BeginAnewAtAReceiverThatWasRestarted) {
  const Contents contents{{"a", pattern(4 * kMiB)}};
  Target restarted;
  unsigned calls = 0;
  Wire wire(
      [&](net::Fd socket, std::string already_read) {
        Target& now = calls++ == 0 ? target : restarted;
        now.receiver->receive(raft::NodeId(1), std::move(socket), std::move(already_read));
      },
      {{.cut_after = 3 * kMiB}});
  EXPECT_EQ(transfer(wire, contents), "");
  EXPECT_TRUE(restarted.contents == contents);
  EXPECT_GT(wire.bytes(), 7 * kMiB);
}

TEST_F(Snapshots, FailWithTheReasonWhyTheyWereNotInstalled) {
  target.installs = fail("the node is ahead of it");
  Wire wire(target);
  EXPECT_EQ(transfer(wire, sample()), "the node is ahead of it");
  EXPECT_EQ(wire.connections(), 1U);
  EXPECT_FALSE(target.has_leftovers());
}

TEST_F(Snapshots, AreNotInstalledWhenTheirStoreIsDamaged) {
  target.verified = fail("a block has a wrong checksum");
  Wire wire(target);
  EXPECT_EQ(transfer(wire, sample()), "the snapshot is damaged: a block has a wrong checksum");
  EXPECT_EQ(target.installed, 0U);
  EXPECT_FALSE(target.has_leftovers());
}

TEST_F(Snapshots, AreNotInstalledWhenTheyHoldSomethingElse) {
  Wire wire(target);
  target.verified->applied.index = raft::Index(999);
  EXPECT_EQ(transfer(wire, sample()),
            "the snapshot is at index 999 of term 3, not at 1000 of 3 as it was said to be");
  target.verified = test_state();
  target.verified->configuration.voters.pop_back();
  EXPECT_THAT(transfer(wire, sample()), HasSubstr("another time or configuration"));
  EXPECT_EQ(target.installed, 0U);
}

TEST_F(Snapshots, FailWhenTheirFilesCantBeRead) {
  Wire wire(target);
  auto source = std::make_unique<MemorySource>(sample());
  source->broken = true;
  Ending ending;
  sender.send(raft::NodeId(2), wire.address(), std::move(source), test_meta(), ending.done());
  EXPECT_EQ(ending.error(), "the disk can't be read");
}

TEST_F(Snapshots, FailWhenNobodyListens) {
  const BoundSocket silent;
  Ending ending;
  send(sender, silent.address(), sample(), ending);
  EXPECT_THAT(ending.error(), HasSubstr("can't connect to " + silent.address()));
  Ending nowhere;
  send(sender, "no port", sample(), nowhere);
  EXPECT_THAT(nowhere.error(), HasSubstr("not an address"));
}

TEST_F(Snapshots, FailWithTheReasonOfARefusal) {
  TestNode node(2);
  node.identity.secret = "another";
  node.start();
  Ending ending;
  send(sender, node.address(), sample(), ending);
  EXPECT_EQ(ending.error(),
            node.address() + " refuses: wrong peer secret: configure the same secret on all nodes");
}

TEST_F(Snapshots, KeepToTheirPace) {
  SnapshotSenderOptions options = quick();
  options.bytes_per_second = 2 * kMiB;
  SnapshotSender paced(identity, options);
  Wire wire(target);
  Ending ending;
  const auto began = std::chrono::steady_clock::now();
  send(paced, wire.address(), {{"a", pattern(kMiB)}}, ending);
  EXPECT_EQ(ending.error(), "");
  // Half a second, but for the first part and the last.
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(290));
}

TEST_F(Snapshots, AreCancelledWithTheirSender) {
  SnapshotSenderOptions options = quick();
  options.bytes_per_second = 10'000;
  auto slow = std::make_unique<SnapshotSender>(identity, options);
  Wire wire(target);
  Ending running;
  Ending waiting;
  send(*slow, wire.address(), sample(), running);
  send(*slow, wire.address(), sample(), waiting);
  wire.wait_bytes(4096);
  slow.reset();
  ASSERT_TRUE(running.over());
  ASSERT_TRUE(waiting.over());
  EXPECT_EQ(running.error(), "this node stops");
  EXPECT_EQ(waiting.error(), "this node stops");
}

TEST_F(Snapshots, FailAtOnceAfterTheirSenderStopped) {
  sender.stop();
  Ending ending;
  send(sender, "127.0.0.1:1", sample(), ending);
  EXPECT_EQ(ending.error(), "this node stops");
}

TEST_F(Snapshots, OutliveNoReceiver) {
  SnapshotSenderOptions options = quick();
  options.bytes_per_second = 100'000;
  options.attempts_max = 1;
  SnapshotSender slow(identity, options);
  Wire wire(target);
  Ending ending;
  send(slow, wire.address(), sample(), ending);
  wire.wait_bytes(20'000);
  EXPECT_TRUE(target.has_leftovers());
  target.receiver->stop();
  EXPECT_FALSE(target.has_leftovers());
  target.receiver.reset();
  EXPECT_THAT(ending.error(), HasSubstr("connection"));
}

// What a receiver answers to senders that speak for themselves.
class SnapshotReceiving : public ::testing::Test {
 protected:
  std::string begin(const SnapshotFiles& files, const std::string& id = "id") {
    return encode_begin({test_meta(), id, files});
  }
  static std::string chunk(SnapshotPosition position, std::string_view bytes, uint32_t wrong = 0) {
    std::string out;
    append_chunk(out, {position, crc32c(bytes) ^ wrong, bytes});
    return out;
  }
  // The line that answers a first frame.
  std::string answer_to(const std::string& frame) {
    BareSocket socket = target.dial(1);
    socket.put(frame);
    return socket.line();
  }

  using Words = std::vector<std::string>;
  Target target;
};

TEST_F(SnapshotReceiving, RefusesNamesThatLeadElsewhere) {
  for (const std::string name : {"", ".", "..", ".hidden", "../x", "a/b", "/etc/passwd", "a\nb"}) {
    EXPECT_THAT(answer_to(begin({{name, 1}})), StartsWith("-ERR ")) << name;
  }
  EXPECT_THAT(answer_to(begin({{std::string("a\0b", 3), 1}})), HasSubstr("not allowed"));
  EXPECT_THAT(answer_to(begin({{std::string(256, 'x'), 1}})), HasSubstr("not allowed"));
  EXPECT_THAT(answer_to(begin({{"a", 1}, {"a", 2}})), HasSubstr("one name"));
  EXPECT_FALSE(target.has_leftovers());
}

TEST_F(SnapshotReceiving, RefusesImpossibleCountsAndSizes) {
  EXPECT_THAT(answer_to(begin({{"a", UINT64_MAX}})), HasSubstr("not possible"));
  EXPECT_THAT(answer_to(begin({{"a", uint64_t{1} << 62}, {"b", uint64_t{1} << 62}})),
              HasSubstr("not possible"));
  EXPECT_THAT(answer_to(begin({{"a", uint64_t{1} << 60}})), HasSubstr("no room"));
  EXPECT_THAT(answer_to(encode_command({"begin", "3", "1000", "1",
                                        raft::encode(test_meta().configuration), "id", "10001"})),
              HasSubstr("more than 10000"));
  EXPECT_THAT(
      answer_to(encode_command({"begin", "3", "1000", "1", raft::encode(test_meta().configuration),
                                "id", "2", "a", "1"})),
      HasSubstr("as many files"));
  EXPECT_THAT(answer_to(encode_command({"begin", "3", "1000", "1", "junk", "id", "0"})),
              HasSubstr("configuration"));
  EXPECT_THAT(answer_to(encode_command({"chunk", "0", "0", "0", "x"})),
              HasSubstr("does not begin"));
  EXPECT_THAT(answer_to("*1\r\n$99999999999\r\n"), StartsWith("-RETRY "));
  EXPECT_FALSE(target.has_leftovers());
}

TEST_F(SnapshotReceiving, RefusesPartsOutOfOrderDamagedOrTooLong) {
  const SnapshotFiles files{{"a", 10}};
  for (const std::string& bad :
       {chunk({0, 5}, "x"), chunk({1, 0}, "x"), chunk({0, 0}, "0123456789", 1)}) {
    BareSocket socket = target.dial(1);
    socket.put(begin(files));
    EXPECT_EQ(socket.words(), (Words{"resume", "0", "0"}));
    socket.put(bad);
    EXPECT_THAT(socket.line(), StartsWith("-RETRY "));
    EXPECT_TRUE(socket.at_end());
  }
  BareSocket socket = target.dial(1);
  socket.put(begin(files) + chunk({0, 0}, "0123456789x"));
  EXPECT_EQ(socket.words(), (Words{"resume", "0", "0"}));
  EXPECT_THAT(socket.line(), HasSubstr("longer"));
}

TEST_F(SnapshotReceiving, RefusesAWrongChecksumOfTheWhole) {
  BareSocket socket = target.dial(1);
  socket.put(begin({{"a", 3}}) + chunk({0, 0}, "abc") + encode_end(crc32c("abc") ^ 1));
  EXPECT_EQ(socket.words(), (Words{"resume", "0", "0"}));
  EXPECT_EQ(socket.words(), (Words{"ack", "0", "3"}));
  EXPECT_THAT(socket.line(), StartsWith("-ERR the checksum of the whole snapshot"));
  EXPECT_TRUE(socket.at_end());
  EXPECT_FALSE(target.has_leftovers());
  EXPECT_EQ(target.installed, 0U);
}

TEST_F(SnapshotReceiving, RefusesAnEndThatComesEarly) {
  BareSocket socket = target.dial(1);
  socket.put(begin({{"a", 3}}) + encode_end(0));
  EXPECT_EQ(socket.words(), (Words{"resume", "0", "0"}));
  EXPECT_THAT(socket.line(), HasSubstr("before all of it had come"));
}

TEST_F(SnapshotReceiving, RefusesASecondSender) {
  BareSocket first = target.dial(1);
  first.put(begin({{"a", 3}}));
  EXPECT_EQ(first.words(), (Words{"resume", "0", "0"}));
  BareSocket second = target.dial(3);
  second.put(begin({{"b", 3}}, "other"));
  EXPECT_EQ(second.line(), "-ERR node 1 is sending a snapshot to this node already");
  EXPECT_TRUE(second.at_end());
  first.put(chunk({0, 0}, "abc") + encode_end(crc32c("abc")));
  EXPECT_EQ(first.words(), (Words{"ack", "0", "3"}));
  EXPECT_EQ(first.words(), (Words{"installed"}));
}

TEST_F(SnapshotReceiving, TakesTheSameSenderAnewAndGoesOn) {
  BareSocket first = target.dial(1);
  first.put(begin({{"a", 6}}) + chunk({0, 0}, "abc"));
  EXPECT_EQ(first.words(), (Words{"resume", "0", "0"}));
  EXPECT_EQ(first.words(), (Words{"ack", "0", "3"}));
  BareSocket again = target.dial(1);
  again.put(begin({{"a", 6}}));
  EXPECT_EQ(again.words(), (Words{"resume", "0", "3"}));
  EXPECT_TRUE(first.at_end());
}

TEST_F(SnapshotReceiving, BeginsAnewForAnotherSnapshotOfTheSameSender) {
  BareSocket first = target.dial(1);
  first.put(begin({{"a", 6}}) + chunk({0, 0}, "abc"));
  EXPECT_EQ(first.words(), (Words{"resume", "0", "0"}));
  EXPECT_EQ(first.words(), (Words{"ack", "0", "3"}));
  for (const std::string& other : {begin({{"a", 6}}, "other"), begin({{"a", 7}}, "other")}) {
    BareSocket again = target.dial(1);
    again.put(other);
    EXPECT_EQ(again.words(), (Words{"resume", "0", "0"}));
  }
}

TEST(SnapshotReceiver, GivesASilentSenderUpForAnother) {
  Target target(std::chrono::milliseconds(0));
  const auto frame = [](const std::string& id) {
    return encode_begin({test_meta(), id, {{"a", 3}}});
  };
  BareSocket silent = target.dial(1);
  silent.put(frame("one"));
  EXPECT_EQ(silent.words().front(), "resume");
  BareSocket other = target.dial(3);
  other.put(frame("two"));
  EXPECT_EQ(other.words().front(), "resume");
  EXPECT_EQ(silent.line(), "-ERR node 3 sends a snapshot now");
}

TEST(SnapshotReceiver, RemovesLeftoversWhenItBegins) {
  TempFolder folder;
  std::filesystem::create_directories(folder.path() + "/incoming");
  std::ofstream(folder.path() + "/incoming/old") << "old";
  const SnapshotReceiver receiver(folder.path(), [](auto&&...) { return ok(); });
  EXPECT_FALSE(std::filesystem::exists(folder.path() + "/incoming"));
}

}  // namespace
}  // namespace kvorum::peer
