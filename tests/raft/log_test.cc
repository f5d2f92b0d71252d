#include "raft/log.h"

#include <gtest/gtest.h>

#include "tests/raft/cluster.h"

namespace kvorum::raft::test {
namespace {

RaftLog log_of(const std::vector<uint64_t>& terms, EntryId base = {}) {
  RaftLog log(base, 0);
  for (EntryPtr& entry : make_entries(terms, base.index.value() + 1)) log.append(std::move(entry));
  return log;
}

void persist_all(RaftLog& log) {
  log.take_unwritten();
  log.set_persisted(log.last_index());
}

TEST(RaftLog, KnowsTheTermsFromItsBaseToItsEnd) {
  RaftLog log = log_of({2, 2, 3}, id_of(1, 10));
  EXPECT_EQ(log.term_at(Index(9)), std::nullopt);
  EXPECT_EQ(log.term_at(Index(10)), Term(1));
  EXPECT_EQ(log.term_at(Index(13)), Term(3));
  EXPECT_EQ(log.term_at(Index(14)), std::nullopt);
  EXPECT_EQ(log.last(), id_of(3, 13));
  EXPECT_TRUE(log.contains(id_of(2, 12)));
  EXPECT_FALSE(log.contains(id_of(3, 12)));
}

TEST(RaftLog, FindsWhereTermsBeginAndEnd) {
  RaftLog log = log_of({2, 2, 4, 4, 4, 7}, id_of(1, 10));
  EXPECT_EQ(log.first_of_term_at(Index(15)), Index(13));
  EXPECT_EQ(log.first_of_term_at(Index(12)), Index(11));
  EXPECT_EQ(log.last_at_most(Term(4), Index(17)), Index(15));
  EXPECT_EQ(log.last_at_most(Term(4), Index(14)), Index(13));
  EXPECT_EQ(log.last_at_most(Term(3), Index(17)), Index(12));
  EXPECT_EQ(log.last_at_most(Term(1), Index(17)), Index(10));
  EXPECT_EQ(log.last_at_most(Term(9), Index(5)), Index(10));
}

TEST(RaftLog, HandsOutEachUnwrittenEntryOnce) {
  RaftLog log = log_of({1, 1});
  EXPECT_EQ(log.take_unwritten().size(), 2u);
  EXPECT_FALSE(log.has_unwritten());
  log.append(make_entry(1, 3));
  auto entries = log.take_unwritten();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0]->id, id_of(1, 3));
}

TEST(RaftLog, WritesReplacedEntriesAgain) {
  RaftLog log = log_of({1, 1, 1});
  persist_all(log);
  log.truncate_from(Index(2));
  EXPECT_EQ(log.persisted(), Index(1));
  log.append(make_entry(2, 2));
  auto entries = log.take_unwritten();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0]->id, id_of(2, 2));
  log.check_invariants();
}

TEST(RaftLog, HandsOutCommittedEntriesOnlyWhenTheyAreDurable) {
  RaftLog log = log_of({1, 1, 1});
  log.take_unwritten();
  log.commit_to(Index(3));
  EXPECT_FALSE(log.has_emittable());
  log.set_persisted(Index(2));
  EXPECT_EQ(log.take_emittable(1 << 20).size(), 2u);
  EXPECT_FALSE(log.has_emittable());
  log.set_persisted(Index(3));
  EXPECT_EQ(log.take_emittable(1 << 20).size(), 1u);
}

TEST(RaftLog, BoundsWhatItHandsOutButNeverToNothing) {
  RaftLog log = log_of({1, 1, 1, 1});
  persist_all(log);
  log.commit_to(Index(4));
  size_t two = 2 * log.at(Index(1))->bytes();
  EXPECT_EQ(log.take_emittable(two).size(), 2u);
  EXPECT_EQ(log.take_emittable(1).size(), 1u);
  EXPECT_EQ(log.slice(Index(1), two).size(), 2u);
  EXPECT_EQ(log.slice(Index(1), 0).size(), 1u);
  EXPECT_TRUE(log.slice(Index(5), two).empty());
}

TEST(RaftLog, ForgetsOnlyWhatIsApplied) {
  RaftLog log = log_of({1, 1, 1, 1});
  persist_all(log);
  log.commit_to(Index(3));
  log.take_emittable(1 << 20);
  log.set_applied(Index(2));
  log.compact({.checkpoint = Index(4)});
  EXPECT_EQ(log.first_index(), Index(3));
  EXPECT_EQ(log.term_at(Index(2)), Term(1));
  EXPECT_EQ(log.unapplied_bytes(), log.at(Index(3))->bytes());
  EXPECT_EQ(log.uncommitted_bytes(), log.at(Index(4))->bytes());
  log.check_invariants();
}

TEST(RaftLog, KeepsMoreOfWhatTheCheckpointDoesNotHold) {
  RaftLog log = log_of({1, 1, 1, 1, 1, 1});
  persist_all(log);
  log.commit_to(Index(6));
  log.take_emittable(1 << 20);
  log.set_applied(Index(6));
  size_t one = log.at(Index(1))->bytes();
  log.compact({.checkpoint = Index(2), .soft_max = one, .hard_max = 3 * one});
  EXPECT_EQ(log.first_index(), Index(4));
  log.compact({.checkpoint = Index(5), .soft_max = one, .hard_max = 3 * one});
  EXPECT_EQ(log.first_index(), Index(6));
}

TEST(RaftLog, KeepsWhatIsNeededWithinItsOwnBound) {
  RaftLog log = log_of({1, 1, 1, 1, 1});
  persist_all(log);
  log.commit_to(Index(5));
  log.take_emittable(1 << 20);
  log.set_applied(Index(5));
  const size_t one = log.bytes() / 5;
  RaftLog::Tail tail{.checkpoint = Index(5), .needed_from = Index(3), .needed_max = 3 * one};
  log.compact(tail);
  EXPECT_EQ(log.first_index(), Index(3));
  tail.needed_max = 2 * one;
  log.compact(tail);
  EXPECT_EQ(log.first_index(), Index(4));
  tail.needed_from = Index(6);
  log.compact(tail);
  EXPECT_EQ(log.first_index(), Index(6));
}

TEST(RaftLogDeathTest, NeverTruncatesWhatIsCommitted) {
  RaftLog log = log_of({1, 1});
  log.commit_to(Index(1));
  EXPECT_DEATH(log.truncate_from(Index(1)), "CHECK failed");
}

}  // namespace
}  // namespace kvorum::raft::test
