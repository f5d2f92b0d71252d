// The table of what tracking connections have read, alone.

#include "server/tracking.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <utility>

#include "server/session.h"

namespace kvorum::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class TrackingTable : public ::testing::Test {
 protected:
  Session& tracker(uint64_t id, TrackingOptions options = {}) {
    sessions_.push_back(std::make_unique<Session>());
    Session& session = *sessions_.back();
    session.id = id;
    session.authenticated = true;
    session.tracking = std::make_unique<TrackingState>();
    session.tracking->options = options;
    table_.start(session);
    return session;
  }
  Session& broadcast(uint64_t id, std::vector<std::string> prefixes, bool no_loop = false) {
    Session& session = tracker(id, {.broadcast = true, .no_loop = no_loop});
    for (const std::string& prefix : prefixes) {
      session.tracking->prefixes.insert(prefix);
      table_.add_prefix(session, prefix);
    }
    return session;
  }
  // CLIENT IDs of who is told.
  std::vector<uint64_t> changed(std::string_view key, uint64_t revision, uint64_t writer = 0) {
    return changed(key, EventId{revision, 0}, writer);
  }
  std::vector<uint64_t> changed(std::string_view key, EventId id, uint64_t writer) {
    std::vector<uint64_t> told;
    table_.changed(key, id, writer, [&](Session& session) { told.push_back(session.id); });
    std::ranges::sort(told);
    return told;
  }
  using Sent = std::vector<std::pair<uint64_t, std::string>>;
  Sent broadcasts() {
    Sent sent;
    table_.broadcast(
        [&](Session& session, const std::string& keys) { sent.emplace_back(session.id, keys); });
    return sent;
  }

  std::vector<std::unique_ptr<Session>> sessions_;
  Tracking table_;
};

TEST_F(TrackingTable, TellsReadersOnce) {
  Session& one = tracker(1);
  Session& two = tracker(2);
  table_.remember(one, "k", last_change_of(10));
  table_.remember(two, "k", last_change_of(10));
  table_.remember(two, "other", last_change_of(10));
  EXPECT_EQ(table_.keys(), 2u);
  EXPECT_EQ(table_.items(), 3u);
  EXPECT_THAT(changed("unread", 11), IsEmpty());
  EXPECT_THAT(changed("k", 12), ElementsAre(1, 2));
  EXPECT_THAT(changed("k", 13), IsEmpty());
  EXPECT_EQ(table_.keys(), 1u);
  EXPECT_EQ(table_.items(), 1u);
}

TEST_F(TrackingTable, ReadingAgainRemembersOnce) {
  Session& one = tracker(1);
  Session& two = tracker(2);
  for (int i = 0; i < 3; ++i) {
    table_.remember(one, "k", last_change_of(10));
    table_.remember(two, "k", last_change_of(10));
  }
  EXPECT_EQ(table_.items(), 2u);
  EXPECT_THAT(changed("k", 11), ElementsAre(1, 2));
}

TEST_F(TrackingTable, AChangeThatWasSeenIsNoNews) {
  Session& early = tracker(1);
  Session& late = tracker(2);
  table_.remember(early, "k", last_change_of(10));
  table_.remember(late, "k", last_change_of(20));
  EXPECT_THAT(changed("k", 20), ElementsAre(1));
  EXPECT_EQ(table_.items(), 1u);
  EXPECT_THAT(changed("k", 21), ElementsAre(2));
  EXPECT_EQ(table_.keys(), 0u);
}

TEST_F(TrackingTable, ChangesOfOneRevisionAreToldApart) {
  Session& one = tracker(1);
  table_.remember(one, "k", EventId{10, 2});
  EXPECT_THAT(changed("k", EventId{10, 2}, 0), IsEmpty());
  EXPECT_THAT(changed("k", EventId{10, 3}, 0), ElementsAre(1));
}

TEST_F(TrackingTable, TheOldestReadCounts) {
  Session& one = tracker(1);
  table_.remember(one, "k", last_change_of(10));
  table_.remember(one, "k", last_change_of(20));
  EXPECT_THAT(changed("k", 15), ElementsAre(1));
}

TEST_F(TrackingTable, NoLoopKeepsOwnChangesFromTheWriterAlone) {
  Session& writer = tracker(1, {.no_loop = true});
  Session& other = tracker(2, {.no_loop = true});
  table_.remember(writer, "k", last_change_of(10));
  table_.remember(other, "k", last_change_of(10));
  EXPECT_THAT(changed("k", 11, 1), ElementsAre(2));
  EXPECT_EQ(table_.keys(), 0u);
  table_.remember(writer, "k", last_change_of(11));
  EXPECT_THAT(changed("k", 12), ElementsAre(1));
  Session& loops = tracker(3);
  table_.remember(loops, "k", last_change_of(12));
  EXPECT_THAT(changed("k", 13, 3), ElementsAre(3));
}

TEST_F(TrackingTable, TellsNobodyWhoStopped) {
  Session& one = tracker(1);
  Session& two = tracker(2);
  table_.remember(one, "k", last_change_of(10));
  table_.remember(two, "k", last_change_of(10));
  table_.stop(one);
  EXPECT_THAT(changed("k", 11), ElementsAre(2));
  table_.remember(two, "k", last_change_of(11));
  table_.stop(two);
  EXPECT_FALSE(table_.active());
  EXPECT_EQ(table_.keys(), 0u);
  EXPECT_EQ(table_.items(), 0u);
}

TEST_F(TrackingTable, ReadersThatAreGoneDoNotPileUp) {
  Session& stays = tracker(1);
  table_.remember(stays, "k", last_change_of(10));
  for (uint64_t id = 2; id < 1000; ++id) {
    Session& passing = tracker(id);
    table_.remember(passing, "k", last_change_of(10));
    table_.stop(passing);
  }
  EXPECT_LT(table_.items(), 50u);
  EXPECT_THAT(changed("k", 11), ElementsAre(1));
  EXPECT_EQ(table_.items(), 0u);
}

TEST_F(TrackingTable, EvictionTellsAllReadersOfTheKey) {
  Session& one = tracker(1);
  Session& two = tracker(2);
  for (int i = 0; i < 100; ++i) {
    table_.remember(one, std::to_string(i), last_change_of(10));
    table_.remember(two, std::to_string(i), last_change_of(10));
  }
  std::multiset<std::string> told;
  auto tell = [&](Session&, std::string_view key) { told.emplace(key); };
  table_.evict(40, 50, 7, tell);
  EXPECT_EQ(table_.keys(), 50u);
  EXPECT_THAT(told, SizeIs(100));
  table_.evict(40, 50, 8, tell);
  EXPECT_EQ(table_.keys(), 40u);
  EXPECT_EQ(table_.items(), 80u);
  table_.evict(40, 50, 9, tell);
  EXPECT_EQ(table_.keys(), 40u);
  for (int i = 0; i < 100; ++i) {
    const bool evicted = told.contains(std::to_string(i));
    EXPECT_EQ(changed(std::to_string(i), 11).empty(), evicted);
  }
  table_.remember(one, "last", last_change_of(10));
  table_.evict(0, 50, 10, tell);
  EXPECT_EQ(table_.items(), 0u);
}

TEST_F(TrackingTable, BroadcastsWhatChangedOncePerPrefix) {
  broadcast(1, {"a:", "b:"});
  broadcast(2, {""});
  EXPECT_EQ(table_.prefixes(), 3u);
  EXPECT_THAT(broadcasts(), IsEmpty());
  changed("b:2", 1);
  changed("a:1", 2);
  changed("b:1", 3);
  changed("b:2", 4);
  changed("c", 5);
  EXPECT_THAT(broadcasts(),
              ElementsAre(Sent::value_type(2,
                                           "*4\r\n$3\r\na:1\r\n$3\r\nb:1\r\n$3\r\nb:2\r\n"
                                           "$1\r\nc\r\n"),
                          Sent::value_type(1, "*1\r\n$3\r\na:1\r\n"),
                          Sent::value_type(1, "*2\r\n$3\r\nb:1\r\n$3\r\nb:2\r\n")));
  EXPECT_THAT(broadcasts(), IsEmpty());
}

TEST_F(TrackingTable, NoLoopLeavesOutWhatTheConnectionChangedLast) {
  broadcast(1, {""}, true);
  broadcast(2, {""});
  changed("mine", 1, 1);
  changed("theirs", 2, 1);
  changed("theirs", 3, 2);
  EXPECT_THAT(broadcasts(),
              UnorderedElementsAre(Sent::value_type(1, array_of_key("theirs")),
                                   Sent::value_type(2, "*2\r\n$4\r\nmine\r\n$6\r\ntheirs\r\n")));
  changed("mine", 4, 1);
  EXPECT_THAT(broadcasts(), ElementsAre(Sent::value_type(2, array_of_key("mine"))));
}

TEST_F(TrackingTable, APrefixEndsWithItsLastSession) {
  Session& one = broadcast(1, {"a"});
  Session& two = broadcast(2, {"a", "b"});
  changed("a1", 1);
  changed("b1", 1);
  table_.stop(two);
  EXPECT_EQ(table_.prefixes(), 1u);
  EXPECT_THAT(broadcasts(), ElementsAre(Sent::value_type(1, array_of_key("a1"))));
  changed("a1", 2);
  table_.stop(one);
  EXPECT_EQ(table_.prefixes(), 0u);
  EXPECT_THAT(broadcasts(), IsEmpty());
}

TEST_F(TrackingTable, BroadcastsAndReadersDoNotMix) {
  broadcast(1, {"k"});
  Session& reader = tracker(2);
  table_.remember(reader, "k", last_change_of(10));
  EXPECT_THAT(changed("k", 11), ElementsAre(2));
  EXPECT_THAT(broadcasts(), SizeIs(1));
  table_.stop(reader);
  EXPECT_TRUE(table_.active());
}

// A key's readers with the revision they saw, as the table should have them.
TEST_F(TrackingTable, AgreesWithAModelUnderRandomUse) {
  std::mt19937 random(11);
  constexpr uint64_t kSessions = 5;
  for (uint64_t id = 1; id <= kSessions; ++id) tracker(id, {.no_loop = id == 3});
  std::map<std::string, std::map<uint64_t, uint64_t>> model;
  uint64_t revision = 1;
  for (int step = 0; step < 20'000; ++step) {
    const std::string key(1, static_cast<char>('a' + random() % 8));
    const uint64_t id = 1 + random() % kSessions;
    if (random() % 3 > 0) {
      const uint64_t seen = revision + random() % 4;
      table_.remember(*sessions_[id - 1], key, last_change_of(seen));
      model[key].emplace(id, seen);
      continue;
    }
    const uint64_t writer = random() % 2 == 0 ? id : 0;
    std::vector<uint64_t> expected;
    std::erase_if(model[key], [&](const auto& reader) {
      if (reader.second >= revision) return false;
      if (!(reader.first == 3 && writer == 3)) expected.push_back(reader.first);
      return true;
    });
    ASSERT_EQ(changed(key, revision, writer), expected) << "step " << step;
    ++revision;
  }
  size_t items = 0;
  size_t keys = 0;
  for (const auto& [key, readers] : model) {
    items += readers.size();
    keys += readers.empty() ? 0 : 1;
  }
  EXPECT_EQ(table_.items(), items);
  EXPECT_EQ(table_.keys(), keys);
}

}  // namespace
}  // namespace kvorum::server
