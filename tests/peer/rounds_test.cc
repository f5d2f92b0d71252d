// The core above a link whose bulk connection is slow: heartbeats overtake entries there.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <variant>

#include "peer/link.h"
#include "tests/raft/cluster.h"

namespace kvorum::peer {
namespace {

using raft::test::Cluster;

constexpr std::array<uint64_t, 3> kNodes{1, 2, 3};

// Three cores; what they say travels as a Link's two connections would carry it.
class Rounds : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster.elect(1);
    cluster.deliver_all();
  }

  // Takes what was said since the last time, by the connection that each message goes by.
  void send_all() {
    for (raft::Envelope& envelope : cluster.network()) {
      const bool append = std::holds_alternative<raft::AppendRequest>(envelope.message);
      const auto urgent = urgent_part(envelope);
      const auto way = std::pair(envelope.from, envelope.to);
      if (urgent && rounds[way] != round_of(*urgent)) {
        rounds[way] = round_of(*urgent);
        if (overtaking == Overtaking::kUrgentPart) {
          quick.push_back(*urgent);
          if (asks_nothing(envelope)) continue;
        }
        if (overtaking == Overtaking::kWhole) quick.push_back(envelope);
      }
      appends_with_entries += append && !urgent_part(envelope) ? 1 : 0;
      (append ? bulk : quick).push_back(std::move(envelope));
    }
    cluster.network().clear();
  }
  bool deliver_first(std::deque<raft::Envelope>& connection) {
    send_all();
    if (connection.empty()) return false;
    raft::Envelope envelope = std::move(connection.front());
    connection.pop_front();
    cluster.step(envelope.from.value(), envelope.to.value(), envelope.term,
                 std::move(envelope.message));
    return true;
  }
  void deliver_quick() {
    while (deliver_first(quick)) {
    }
  }
  // All that is on its way, and what follows from it.
  void deliver_all() {
    do {
      deliver_quick();
    } while (deliver_first(bulk));
  }
  void tick() {
    for (const uint64_t node : kNodes) cluster.tick(node);
  }
  void pass(uint32_t ticks) {
    for (uint32_t i = 0; i < ticks; ++i) {
      tick();
      deliver_quick();
    }
  }
  static std::pair<raft::Term, uint64_t> round_of(const raft::Envelope& heartbeat) {
    return {heartbeat.term, std::get<raft::AppendRequest>(heartbeat.message).round};
  }

  Cluster cluster{{1, 2, 3}};
  enum class Overtaking { kNothing, kUrgentPart, kWhole };
  Overtaking overtaking = Overtaking::kUrgentPart;
  std::deque<raft::Envelope> quick;
  std::deque<raft::Envelope> bulk;
  std::map<std::pair<raft::NodeId, raft::NodeId>, std::pair<raft::Term, uint64_t>> rounds;
  size_t appends_with_entries = 0;
};

TEST_F(Rounds, KeepALeaderWhileAnEntryIsUnderWayAndSendItOnce) {
  const raft::CoreStatus before = cluster.status(1);
  const raft::EntryId id = cluster.propose(1, "large");
  pass(20 * cluster.defaults.election_timeout_ticks);
  const raft::CoreStatus during = cluster.status(1);
  EXPECT_EQ(during.role, raft::Role::kLeader);
  EXPECT_EQ(during.hard_state.term, before.hard_state.term);
  EXPECT_GT(during.lease_ticks_left, 0u);
  EXPECT_LT(during.hard_state.commit, id.index);
  EXPECT_EQ(appends_with_entries, 2u);
  deliver_all();
  EXPECT_EQ(appends_with_entries, 2u);
  for (const uint64_t node : kNodes) EXPECT_EQ(cluster.status(node).applied, id.index);
}

TEST_F(Rounds, WithoutOvertakingTheLeaderIsLost) {
  overtaking = Overtaking::kNothing;
  const raft::Term before = cluster.core(1).term();
  cluster.propose(1, "large");
  pass(20 * cluster.defaults.election_timeout_ticks);
  const raft::CoreStatus after = cluster.status(1);
  EXPECT_TRUE(after.role != raft::Role::kLeader || after.hard_state.term > before);
}

// Why it is not the whole heartbeat.
TEST_F(Rounds, WithItsQuestionAHeartbeatHasTheEntrySentAgainAndAgain) {
  overtaking = Overtaking::kWhole;
  cluster.propose(1, "large");
  pass(20 * cluster.defaults.election_timeout_ticks);
  EXPECT_GT(appends_with_entries, 20u);
}

TEST_F(Rounds, GrantReadsWhileAnEntryIsUnderWay) {
  cluster.propose(1, "large");
  send_all();
  cluster.core(1).read_index(5, false);
  cluster.run(1);
  deliver_quick();
  ASSERT_EQ(cluster.node(1).reads.size(), 1u);
  EXPECT_EQ(cluster.node(1).reads.front().context, 5u);
}

TEST_F(Rounds, ALostEntryIsMissedByTheHeartbeatsBehindIt) {
  const raft::EntryId id = cluster.propose(1, "lost");
  send_all();
  bulk.clear();
  pass(cluster.defaults.heartbeat_interval_ticks);
  deliver_all();
  EXPECT_EQ(cluster.status(2).applied, id.index);
}

// Connections that are slow, stand still, and lose all that is on them, whoever leads.
TEST_F(Rounds, AtRandomEndWithEqualLogs) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    std::mt19937 chance(seed);
    for (int step = 0; step < 300; ++step) {
      const uint64_t node = 1 + chance() % 3;
      switch (chance() % 8) {
        case 0:
          tick();
          break;
        case 1:
          if (cluster.core(node).role() == raft::Role::kLeader) cluster.propose(node);
          break;
        case 2:
          if (chance() % 20 == 0) bulk.clear();
          break;
        case 3:
          if (chance() % 40 == 0) quick.clear();
          break;
        case 4:
          deliver_first(bulk);
          break;
        default:
          deliver_first(quick);
      }
      for (const uint64_t each : kNodes) cluster.core(each).check_invariants();
    }
    for (uint32_t i = 0; i < 20 * cluster.defaults.election_timeout_ticks; ++i) {
      tick();
      deliver_all();
    }
    const raft::CoreStatus first = cluster.status(1);
    for (const uint64_t each : kNodes) {
      ASSERT_NE(cluster.status(each).leader, raft::kNoNode) << "seed " << seed;
      ASSERT_EQ(cluster.status(each).applied, first.last.index) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace kvorum::peer
