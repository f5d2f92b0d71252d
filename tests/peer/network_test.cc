// Real networks on loopback, each with its own thread.
#include "peer/network.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/tcp.h>

#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/peer/testing.h"

namespace kvorum::peer {
namespace {

TEST(Network, CarriesMessagesBothWaysInOrder) {
  TestNode a(1), b(2);
  link_both(a, b);
  constexpr uint64_t kMessages = 2000;
  for (uint64_t n = 1; n <= kMessages; ++n) {
    a.send(2, numbered(n));
    b.send(1, numbered(n));
  }
  for (TestNode* node : {&a, &b}) {
    ASSERT_TRUE(node->wait([](const Seen& seen) { return seen.messages.size() == kMessages; }));
    node->with([&](Seen& seen) {
      for (uint64_t n = 1; n <= kMessages; ++n) {
        EXPECT_EQ(seen.messages[n - 1].first, node == &a ? 2u : 1u);
        EXPECT_EQ(number_of(seen.messages[n - 1].second), n);
      }
    });
  }
}

// Small ones are sent by who posts them, while the network sleeps; large ones are not.
TEST(Network, KeepsTheOrderOfSmallAndLargeMessages) {
  TestNode a(1), b(2);
  link_both(a, b);
  constexpr size_t kMessages = 3000;
  for (size_t n = 1; n <= kMessages; ++n) {
    std::string data = std::to_string(n) + " ";
    if (n % 3 == 0) data.resize(5000, 'x');
    a.send(2, ForwardedBatch{std::move(data)});
    if (n % 50 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ASSERT_TRUE(b.wait([](const Seen& seen) { return seen.messages.size() == kMessages; }));
  b.with([&](Seen& seen) {
    for (size_t n = 1; n <= kMessages; ++n) {
      EXPECT_EQ(std::stoul(std::get<ForwardedBatch>(seen.messages[n - 1].second).data), n);
    }
  });
}

TEST(Network, CarriesEnvelopesBetweenThreeNodes) {
  TestNode a(1), b(2), c(3);
  for (TestNode* node : {&a, &b, &c}) node->start();
  for (TestNode* node : {&a, &b, &c}) node->knows({a.member(), b.member(), c.member()});
  ASSERT_TRUE(a.wait_linked(2) && a.wait_linked(3));
  a.send(2, envelope(1, 2, raft::TimeoutNow{}));
  a.send(3, envelope(1, 3, raft::ReadIndexRequest{5, true}));
  for (TestNode* node : {&b, &c}) {
    EXPECT_EQ(std::get<raft::Envelope>(node->message(1)).to, node->identity.node);
  }
  a.network->post_send_all(PublishedMessage{"channel", "text", false});
  for (TestNode* node : {&b, &c}) {
    EXPECT_EQ(std::get<PublishedMessage>(node->message(2)).message, "text");
  }
  ASSERT_TRUE(c.wait_linked(2) && b.wait_linked(3));
  c.send(2, envelope(3, 2, raft::TimeoutNow{}));
  EXPECT_EQ(std::get<raft::Envelope>(b.message(3)).from, raft::NodeId(3));
}

TEST(Network, DropsWhatIsPostedBeforeTheLinkStands) {
  TestNode a(1);
  BoundSocket listener;
  listener.listen();
  a.start();
  a.send(2, numbered(1));
  a.knows({{raft::NodeId(2), listener.address(), ""}});
  BareLink peer(listener);
  a.send(2, numbered(2));
  // Once this member is dialled, what was posted before has been dropped.
  BoundSocket other;
  other.listen();
  a.knows({{raft::NodeId(2), listener.address(), ""}, {raft::NodeId(3), other.address(), ""}});
  BareSocket third(other);
  peer.welcome_as(2);
  ASSERT_TRUE(a.wait_linked(2));
  a.send(2, numbered(3));
  EXPECT_EQ(peer.quick.words(), (std::vector<std::string>{"refused", "3", "3"}));
}

TEST(Network, ManyMessagesPostedTogetherLeaveAsOneWrite) {
  TestNode a(1);
  // On the network's thread, so that it sees them all at once.
  a.when_linked = [&] {
    for (uint64_t n = 1; n <= 100; ++n) a.send(2, numbered(n));
  };
  BareMember member(a);
  BareSocket& peer = member.link.quick;
  for (uint64_t n = 1; n <= 100; ++n) {
    EXPECT_EQ(peer.words()[1], std::to_string(n));
  }
  // One segment for the greeting, one for the messages: without delay each write is one.
  tcp_info info{};
  socklen_t size = sizeof(info);
  ASSERT_EQ(getsockopt(peer.fd(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
  EXPECT_EQ(info.tcpi_data_segs_in, 2u);
}

TEST(Network, LinksAgainAfterAPeerCameBackOnItsPort) {
  TestNode a(1), b(2);
  link_both(a, b);
  b.stop();
  ASSERT_TRUE(a.wait_note("lost the link to node 2"));
  b.start();
  b.knows({a.member(), b.member()});
  ASSERT_TRUE(a.wait_linked(2, 2));
  a.send(2, numbered(1));
  EXPECT_EQ(number_of(b.message(1)), 1u);
  ASSERT_TRUE(b.wait_linked(1, 2));
  b.send(1, numbered(2));
  EXPECT_EQ(number_of(a.message(1)), 2u);
}

TEST(Network, APeerThatDialsIsDialledWithoutDelay) {
  TestNode a(1), b(2);
  a.options.backoff_min = a.options.backoff_max = std::chrono::hours(1);
  a.start();
  a.knows({b.member()});
  ASSERT_TRUE(a.wait_note("can't reach node 2"));
  b.start();
  b.knows({a.member()});
  EXPECT_TRUE(a.wait_linked(2));
}

TEST(Network, FollowsAMemberToItsNewAddress) {
  TestNode a(1), b(2), moved(2);
  link_both(a, b);
  moved.start();
  a.knows({a.member(), moved.member()});
  ASSERT_TRUE(a.wait_linked(2, 2));
  a.send(2, numbered(1));
  EXPECT_EQ(number_of(moved.message(1)), 1u);
  EXPECT_TRUE(b.with([](Seen& seen) { return seen.messages.empty(); }));
}

TEST(Network, DoesNotDialMembersWithoutAddressNorItself) {
  TestNode a(1), b(2);
  link_both(a, b);
  a.knows({a.member(), {raft::NodeId(2), "", ""}, {raft::NodeId(3), "", ""}});
  a.send(2, numbered(1));
  a.send(1, numbered(2));
  a.knows({a.member(), b.member()});
  ASSERT_TRUE(a.wait_linked(2, 2));
  a.send(2, numbered(3));
  EXPECT_EQ(number_of(b.message(1)), 3u);
  a.with([](Seen& seen) {
    EXPECT_TRUE(seen.messages.empty());
    EXPECT_EQ(seen.linked, (std::vector<uint64_t>{2, 2}));
  });
}

TEST(Network, LinksToFormerMembersEnd) {
  TestNode a(1);
  BareMember member(a);
  ASSERT_TRUE(a.wait_linked(2));
  a.knows({});
  EXPECT_TRUE(member.link.quick.at_end());
  EXPECT_TRUE(member.link.bulk.at_end());
}

TEST(Network, AnEntryOfSeventyMebibytesPasses) {
  TestNode a(1), b(2);
  link_both(a, b);
  const auto entry = make_entry(1, 1, pattern(size_t{70} << 20));
  a.send(2, envelope(1, 2, raft::AppendRequest{{}, {}, {entry}, 0}));
  const Message message = b.message(1);
  const auto& append = std::get<raft::AppendRequest>(std::get<raft::Envelope>(message).message);
  ASSERT_EQ(append.entries.size(), 1u);
  EXPECT_TRUE(append.entries.front()->data == entry->data);
  // It went through although it is larger than the bound of what may be unsent.
  EXPECT_GT(entry->data.size(), a.options.unsent_bytes_max);
}

TEST(Network, DropsWhatWouldWaitBehindTooMuch) {
  TestNode a(1);
  a.options.unsent_bytes_max = size_t{1} << 20;
  BareMember member(a);
  BareSocket& peer = member.link.bulk;
  ASSERT_TRUE(a.wait_linked(2));
  // Far more than the kernel's buffers hold, and the peer reads nothing: the first fills them, the
  // second is over the bound while the first waits.
  const std::string large = pattern(size_t{30} << 20);
  a.send(2, ForwardedBatch{large});
  a.send(2, ForwardedBatch{"dropped: " + large});
  // Once this member is dialled, what was posted before has been handled.
  BoundSocket other;
  other.listen();
  a.knows(
      {{raft::NodeId(2), member.listener.address(), ""}, {raft::NodeId(3), other.address(), ""}});
  BareSocket third(other);
  EXPECT_EQ(third.words().front(), "kvorum");
  const std::string frame = encode(ForwardedBatch{large});
  EXPECT_TRUE(peer.take(frame.size()) == frame);
  // Now there is room again.
  const std::string next = encode(ForwardedBatch{"next"});
  a.send(2, ForwardedBatch{"next"});
  EXPECT_TRUE(peer.take(next.size()) == next);
}

TEST(Network, BroadcastsLeaveRoomForOtherMessages) {
  TestNode a(1);
  BareMember member(a);
  BareSocket& peer = member.link.bulk;
  ASSERT_TRUE(a.wait_linked(2));
  a.network->post_send_all(PublishedMessage{"c", "taken", false});
  EXPECT_EQ(peer.words().back(), "taken");
  // More than a quarter of the bound waits, and less than all.
  const std::string frame = encode(ForwardedBatch{pattern(size_t{40} << 20)});
  a.send(2, ForwardedBatch{pattern(size_t{40} << 20)});
  a.network->post_send_all(PublishedMessage{"c", "dropped", false});
  const std::string next = encode(ForwardedBatch{"next"});
  a.send(2, ForwardedBatch{"next"});
  EXPECT_TRUE(peer.take(frame.size()) == frame);
  EXPECT_TRUE(peer.take(next.size()) == next);
}

TEST(Network, APeerThatTakesNothingIsDialledAnew) {
  TestNode a(1);
  a.options.silence_max = std::chrono::milliseconds(200);
  BareMember stopped(a);
  ASSERT_TRUE(a.wait_linked(2));
  a.send(2, ForwardedBatch{pattern(size_t{30} << 20)});
  EXPECT_TRUE(a.wait_note("lost the link to node 2"));
  BareSocket again(stopped.listener);
  EXPECT_EQ(again.words().at(2), "bulk");
  again.put(welcome(raft::NodeId(2)));
  ASSERT_TRUE(a.wait_linked(2, 2));
  const std::string next = encode(ForwardedBatch{"next"});
  a.send(2, ForwardedBatch{"next"});
  EXPECT_TRUE(again.take(next.size()) == next);
}

TEST(Network, AnOptionalAddressNeedNotExist) {
  TestNode a(1);
  a.options.bind = {"127.0.0.1", "-192.0.2.1"};
  a.start();
  EXPECT_TRUE(a.wait_note("no peer port on 192.0.2.1"));
  a.options.bind = {"-192.0.2.1"};
  EXPECT_FALSE(Network::open(a.identity, a.options, a).has_value());
}

TEST(Network, AHalfFrameForEverDoesNotHurtOthers) {
  TestNode a(1), b(2);
  link_both(a, b);
  BareSocket silent(a.options.port);
  silent.put("*7\r\n$6\r\nkvo");
  BareSocket half(a.options.port);
  half.put(encode(greeting_of({raft::NodeId(3), std::string(kCluster), "secret"}, Purpose::kLink,
                              raft::NodeId(1))));
  EXPECT_EQ(half.line(), "+OK kvorum 1 1");
  half.put("*2\r\n$7\r\nforward\r\n$200000000\r\nabc");
  b.send(1, numbered(1));
  EXPECT_EQ(number_of(a.message(1)), 1u);
}

TEST(Network, ANewerConnectionOfANodeReplacesTheOlder) {
  TestNode a(1);
  a.start();
  const std::string greeting = encode(greeting_of(
      {raft::NodeId(3), std::string(kCluster), "secret"}, Purpose::kLink, raft::NodeId(1)));
  BareSocket older(a.options.port);
  older.put(greeting + encode(numbered(1)));
  EXPECT_EQ(older.line(), "+OK kvorum 1 1");
  EXPECT_EQ(number_of(a.message(1)), 1u);
  BareSocket newer(a.options.port);
  newer.put(greeting);
  EXPECT_EQ(newer.line(), "+OK kvorum 1 1");
  // Read by somebody only if two nodes run under one id.
  EXPECT_EQ(older.line(), "-ERR node 3 has connected anew, from 127.0.0.1");
  EXPECT_TRUE(older.at_end());
  newer.put(encode(numbered(2)));
  EXPECT_EQ(number_of(a.message(2)), 2u);
}

TEST(Network, ARemovedNodeIsToldWhenItDials) {
  TestNode a(1), b(2);
  a.with([](Seen& seen) { seen.removed = 2; });
  a.start();
  b.start();
  b.knows({a.member()});
  ASSERT_TRUE(b.wait([](const Seen& seen) { return !seen.refusals.empty(); }));
  b.with([](Seen& seen) {
    EXPECT_EQ(seen.refusals.front(),
              (std::pair<uint64_t, std::string>(1, "node was removed from this cluster")));
    EXPECT_TRUE(seen.linked.empty());
  });
  EXPECT_TRUE(a.wait_note("refused node 2 from 127.0.0.1: node was removed from this cluster"));
}

TEST(Network, ARemovedNodeIsToldWhileItIsLinked) {
  TestNode a(1), b(2);
  link_both(a, b);
  a.with([](Seen& seen) { seen.removed = 2; });
  a.knows({a.member()});
  EXPECT_TRUE(b.wait([](const Seen& seen) { return !seen.refusals.empty(); }));
}

TEST(Network, HandsOverTheSocketOfASnapshot) {
  TestNode a(1);
  a.start();
  BareSocket sender(a.options.port);
  sender.put(encode(greeting_of({raft::NodeId(3), std::string(kCluster), "secret"},
                                Purpose::kSnapshot, raft::NodeId(1))) +
             "first bytes");
  EXPECT_EQ(sender.line(), "+OK kvorum 1 1");
  ASSERT_TRUE(a.wait([](const Seen& seen) { return seen.stream.has_value(); }));
  a.with([&](Seen& seen) {
    std::string read = seen.stream_head;
    sender.put(" and the rest");
    std::string more(64, '\0');
    // It comes non-blocking.
    EXPECT_EQ(fcntl(seen.stream->get(), F_SETFL, 0), 0);
    while (read.size() < std::string_view("first bytes and the rest").size()) {
      const ssize_t n = recv(seen.stream->get(), more.data(), more.size(), 0);
      ASSERT_GT(n, 0);
      read.append(more, 0, static_cast<size_t>(n));
    }
    EXPECT_EQ(read, "first bytes and the rest");
    ASSERT_EQ(send(seen.stream->get(), "thanks\n", 7, MSG_NOSIGNAL), 7);
  });
  EXPECT_EQ(sender.line(), "thanks");
}

TEST(Network, SaysTheSameOnceAndAgainWhenSomethingChanged) {
  TestNode a(1), b(2);
  a.options.backoff_max = std::chrono::milliseconds(20);
  BoundSocket refuser;
  refuser.listen();
  a.start();
  a.knows({{raft::NodeId(2), refuser.address(), ""}});
  for (int i = 0; i < 3; ++i) {
    BareSocket peer(refuser);
    EXPECT_EQ(peer.words().front(), "kvorum");
    peer.put("-REFUSED not today\r\n");
    EXPECT_TRUE(peer.at_end());
  }
  a.with([](Seen& seen) { EXPECT_EQ(seen.times_noted("not today"), 1u); });
  BareLink peer(refuser);
  peer.welcome_as(2);
  ASSERT_TRUE(a.wait_linked(2));
  peer.quick.close();
  ASSERT_TRUE(a.wait_note("lost the link to node 2"));
  BareSocket again(refuser);
  EXPECT_EQ(again.words().front(), "kvorum");
  again.put("-REFUSED not today\r\n");
  EXPECT_TRUE(a.wait([](const Seen& seen) { return seen.times_noted("not today") == 2; }));
}

TEST(Network, APortThatIsTakenIsAnErrorThatNamesIt) {
  BoundSocket taken;
  taken.listen();
  TestNode a(1);
  a.options.port = taken.port;
  const auto opened = Network::open(a.identity, a.options, a);
  ASSERT_FALSE(opened.has_value());
  EXPECT_NE(opened.error().message.find(std::to_string(taken.port)), std::string::npos);
}

TEST(Network, WithoutAPortItCanStillDial) {
  TestNode a(1), b(2);
  a.options.port = 0;
  a.start();
  EXPECT_EQ(a.network->port(), 0);
  b.start();
  EXPECT_EQ(b.network->port(), b.options.port);
  a.knows({b.member()});
  ASSERT_TRUE(a.wait_linked(2));
  a.send(2, numbered(1));
  EXPECT_EQ(number_of(b.message(1)), 1u);
}

TEST(Network, SendsWhatWasPostedBeforeItStops) {
  TestNode a(1), b(2);
  link_both(a, b);
  a.send(2, numbered(1));
  a.stop();
  EXPECT_EQ(number_of(b.message(1)), 1u);
}

}  // namespace
}  // namespace kvorum::peer
