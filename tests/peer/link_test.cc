// What is large and what is small between two nodes: neither waits for the other.
#include "peer/link.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "tests/peer/testing.h"

namespace kvorum::peer {
namespace {

constexpr size_t kLarge = size_t{30} << 20;  // far more than the kernel's buffers hold

size_t forwarded_bytes(const Message& message) {
  const auto* batch = std::get_if<ForwardedBatch>(&message);
  return batch != nullptr ? batch->data.size() : 0;
}

raft::AppendRequest append_of(const Message& message) {
  const auto* envelope = std::get_if<raft::Envelope>(&message);
  const auto* append =
      envelope != nullptr ? std::get_if<raft::AppendRequest>(&envelope->message) : nullptr;
  return append != nullptr ? *append : raft::AppendRequest{};
}

// The number that a message of each kind that keeps its order was given.
uint64_t place_of(const Message& message) {
  if (const auto* batch = std::get_if<ForwardedBatch>(&message)) return std::stoull(batch->data);
  if (const auto* published = std::get_if<PublishedMessage>(&message)) {
    return std::stoull(published->channel);
  }
  return append_of(message).round;
}

Message heartbeat(uint64_t round, uint64_t commit, uint64_t term = 7) {
  const raft::EntryId previous{raft::Term(7), raft::Index(5)};
  return envelope(1, 2, raft::AppendRequest{previous, raft::Index(commit), {}, round}, term);
}

TEST(Link, SmallMessagesPassWhileALargeOneIsNotTaken) {
  TestNode a(1);
  BareMember member(a);
  ASSERT_TRUE(a.wait_linked(2));
  const std::string frame = encode(ForwardedBatch{pattern(kLarge)});
  a.send(2, ForwardedBatch{pattern(kLarge)});
  for (uint64_t n = 1; n <= 100; ++n) a.send(2, numbered(n));
  for (uint64_t n = 1; n <= 100; ++n) {
    EXPECT_EQ(member.link.quick.words().at(1), std::to_string(n));
  }
  EXPECT_TRUE(member.link.bulk.take(frame.size()) == frame);
}

TEST(Link, ASmallMessageIsReceivedWhileALargeOneIsUnderWay) {
  TestNode a(1);
  a.start();
  const auto greeting = [](Purpose purpose) {
    return encode(
        greeting_of({raft::NodeId(3), std::string(kCluster), "secret"}, purpose, raft::NodeId(1)));
  };
  BareSocket quick(a.options.port);
  BareSocket bulk(a.options.port);
  const std::string frame = encode(ForwardedBatch{pattern(kLarge)});
  bulk.put(greeting(Purpose::kBulk) + frame.substr(0, kLarge));
  quick.put(greeting(Purpose::kLink) + encode(numbered(1)));
  EXPECT_EQ(number_of(a.message(1)), 1u);
  bulk.put(frame.substr(kLarge));
  EXPECT_EQ(forwarded_bytes(a.message(2)), kLarge);
  // Neither has replaced the other.
  EXPECT_EQ(quick.line(), "+OK kvorum 1 1");
  EXPECT_EQ(bulk.line(), "+OK kvorum 1 1");
  quick.put(encode(numbered(2)));
  EXPECT_EQ(number_of(a.message(3)), 2u);
}

TEST(Link, WhatHasAnOrderKeepsItWhateverItsSize) {
  TestNode a(1), b(2);
  link_both(a, b);
  constexpr uint64_t kMessages = 60;
  for (uint64_t n = 1; n <= kMessages; ++n) {
    const std::string data(n % 2 == 0 ? size_t{1} << 20 : 1, 'x');
    switch (n % 3) {
      case 0:
        a.send(2, envelope(1, 2, raft::AppendRequest{{}, {}, {make_entry(7, 1, data)}, n}));
        break;
      case 1:
        a.send(2, ForwardedBatch{std::to_string(n) + " " + data});
        break;
      default:
        a.network->post_send_all(PublishedMessage{std::to_string(n), data, false});
        // A flood of them is thinned out, here nothing is.
        ASSERT_TRUE(b.wait([&](const Seen& seen) { return seen.messages.size() == n; }));
    }
  }
  ASSERT_TRUE(b.wait([&](const Seen& seen) { return seen.messages.size() == kMessages; }));
  b.with([](Seen& seen) {
    for (uint64_t n = 1; n <= kMessages; ++n) {
      EXPECT_EQ(place_of(seen.messages.at(n - 1).second), n);
    }
  });
}

// What comes by a connection, as a message.
Message next_of(BareSocket& socket) {
  const auto message = decode(socket.words());
  EXPECT_TRUE(message.has_value());
  return message.value_or(Message{});
}

TEST(Link, AHeartbeatThatAsksNothingGoesByTheQuickWayAlone) {
  TestNode a(1);
  BareMember member(a);
  ASSERT_TRUE(a.wait_linked(2));
  a.send(2, envelope(1, 2, raft::AppendRequest{{}, raft::Index(5), {}, 1}));
  a.send(2, heartbeat(2, 5));
  EXPECT_EQ(append_of(next_of(member.link.quick)).round, 1u);
  EXPECT_EQ(append_of(next_of(member.link.quick)).round, 2u);
  EXPECT_EQ(append_of(next_of(member.link.bulk)).round, 2u);
}

TEST(Link, AHeartbeatOvertakesEntriesButAsksAboutNone) {
  TestNode a(1);
  BareMember member(a);
  ASSERT_TRUE(a.wait_linked(2));
  const Message large =
      envelope(1, 2, raft::AppendRequest{{}, {}, {make_entry(7, 1, pattern(kLarge))}, 1});
  a.send(2, large);
  a.send(2, heartbeat(2, 3));
  const auto urgent = append_of(next_of(member.link.quick));
  EXPECT_EQ(urgent.round, 2u);
  EXPECT_EQ(urgent.commit, raft::Index(3));
  EXPECT_EQ(urgent.previous, raft::EntryId{});
  // Its question comes behind what it asks about.
  const std::string frame = encode(large);
  EXPECT_TRUE(member.link.bulk.take(frame.size()) == frame);
  const auto whole = append_of(next_of(member.link.bulk));
  EXPECT_EQ(whole.round, 2u);
  EXPECT_EQ(whole.previous.index, raft::Index(5));
}

TEST(Link, ARoundIsUrgentOnceInATerm) {
  TestNode a(1);
  BareMember member(a);
  ASSERT_TRUE(a.wait_linked(2));
  a.send(2, heartbeat(1, 3));
  a.send(2, heartbeat(1, 4));  // only a newer commit index
  a.send(2, heartbeat(2, 4));
  a.send(2, heartbeat(2, 4, 8));
  a.send(2, envelope(1, 2, raft::AppendRequest{{}, {}, {make_entry(7, 1, "x")}, 3}, 8));
  a.send(2, envelope(1, 2, raft::TimeoutNow{}, 8));
  for (const auto& [round, term] : {std::pair{1, 7}, {2, 7}, {2, 8}}) {
    const Message message = next_of(member.link.quick);
    EXPECT_EQ(append_of(message).round, static_cast<uint64_t>(round));
    EXPECT_EQ(std::get<raft::Envelope>(message).term, raft::Term(static_cast<uint64_t>(term)));
  }
  EXPECT_EQ(member.link.quick.words().front(), "timeout-now");
  for (const uint64_t round : {1u, 1u, 2u, 2u, 3u}) {
    EXPECT_EQ(append_of(next_of(member.link.bulk)).round, round);
  }
}

TEST(Link, StandsOnlyWithBothConnectionsAndAnewAfterEitherBroke) {
  TestNode a(1);
  a.options.backoff_max = std::chrono::milliseconds(20);
  BoundSocket listener;
  listener.listen();
  a.start();
  a.knows({{raft::NodeId(2), listener.address(), ""}});
  BareLink first(listener);
  first.quick.put(welcome(raft::NodeId(2)));
  // Small messages need not wait for the other.
  while (!HasFailure()) {
    a.send(2, numbered(1));
    if (first.quick.has_input()) break;
  }
  EXPECT_EQ(first.quick.words().at(1), "1");
  a.with([](Seen& seen) { EXPECT_TRUE(seen.linked.empty()); });
  first.bulk.put(welcome(raft::NodeId(2)));
  ASSERT_TRUE(a.wait_linked(2));

  first.bulk.close();
  BareSocket bulk(listener);
  EXPECT_EQ(BareLink::purpose_of(bulk.words()), "bulk");
  a.send(2, numbered(2));
  bulk.put(welcome(raft::NodeId(2)));
  ASSERT_TRUE(a.wait_linked(2, 2));

  first.quick.close();
  BareSocket quick(listener);
  EXPECT_EQ(BareLink::purpose_of(quick.words()), "link");
  quick.put(welcome(raft::NodeId(2)));
  ASSERT_TRUE(a.wait_linked(2, 3));
  a.send(2, ForwardedBatch{pattern(kLarge)});
  a.send(2, numbered(3));
  EXPECT_EQ(quick.words().at(1), "3");
  EXPECT_EQ(bulk.take(kLarge).size(), kLarge);
}

TEST(Link, ABrokenBulkConnectionDoesNotDisturbSmallMessages) {
  TestNode a(1);
  BareMember member(a);
  ASSERT_TRUE(a.wait_linked(2));
  a.send(2, ForwardedBatch{pattern(kLarge)});
  member.link.bulk.close();
  ASSERT_TRUE(a.wait_note("lost the link to node 2"));
  a.send(2, numbered(1));
  EXPECT_EQ(member.link.quick.words().at(1), "1");
}

TEST(Link, BothConnectionsOfANodeThatWasRemovedEnd) {
  TestNode a(1), b(2);
  link_both(a, b);
  BareSocket quick(a.options.port);
  BareSocket bulk(a.options.port);
  for (auto& [socket, purpose] : {std::pair<BareSocket&, Purpose>{quick, Purpose::kLink},
                                  std::pair<BareSocket&, Purpose>{bulk, Purpose::kBulk}}) {
    socket.put(encode(
        greeting_of({raft::NodeId(3), std::string(kCluster), "secret"}, purpose, raft::NodeId(1))));
    EXPECT_EQ(socket.line(), "+OK kvorum 1 1");
  }
  a.with([](Seen& seen) { seen.removed = 3; });
  a.knows({a.member(), b.member()});
  for (BareSocket* socket : {&quick, &bulk}) {
    EXPECT_EQ(socket->line(), "-REMOVED node was removed from this cluster");
    EXPECT_TRUE(socket->at_end());
  }
}

}  // namespace
}  // namespace kvorum::peer
