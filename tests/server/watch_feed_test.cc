#include "server/watch_feed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/splitmix64.h"
#include "command/batch.h"
#include "command/executor.h"
#include "server/watch_channel.h"
#include "tests/command/command_fixture.h"
#include "tests/command/memory_store.h"

namespace kvorum::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr size_t kAmpleBudget = 1 << 30;

// A state machine whose changes go to a feed, and watchers whose connections take what they are
// told to take.
class WatchFeedTest : public ::testing::Test, public WatchSink {
 protected:
  WatchFeedTest() {
    command::BatchBuilder policy;
    policy.add_history_policy(1 << 20, 0);
    apply(policy.take(), false);
  }

  // Watchers have room for so many messages more; unlimited by default.
  bool has_room(Session& session) override {
    auto room = room_.find(&session);
    return room == room_.end() || room->second > 0;
  }
  void event(Subscription& subscription, const command::HistoryEvent& event) override {
    auto room = room_.find(subscription.session);
    if (room != room_.end() && room->second > 0) --room->second;
    got_[&subscription].push_back(fmt::format("{} {} {}", event.kind->name, event.key, event.id));
    seen_[&subscription].push_back(event.id);
  }
  void mark(Subscription& subscription, WatchMark mark, EventId id) override {
    got_[&subscription].push_back(
        fmt::format("{} {}", mark == WatchMark::kSync ? "sync" : "lost", id));
    if (mark == WatchMark::kLost) lost_[&subscription] = true;
  }
  void passed(const command::HistoryEvent&) override { ++passed_; }
  void gap() override { ++gaps_; }

  Session& session() {
    sessions_.emplace_back().authenticated = true;
    return sessions_.back();
  }

  // As SUBSCRIBE and PSUBSCRIBE do.
  Subscription& watch(Session& session, const std::string& name, bool pattern = false) {
    auto& names = pattern ? session.patterns : session.channels;
    Subscription& subscription = names[name];
    const WatchChannel channel = *parse_watch_channel(name);
    subscription.session = &session;
    subscription.kind = pattern ? SubscriptionKind::kPattern : SubscriptionKind::kChannel;
    subscription.name = name;
    subscription.watch = true;
    subscription.marked = channel.marked;
    subscription.target = channel.target;
    subscription.after = channel.after.value_or(store_.applied_state().history.last);
    with_view([&](storage::View& view, const storage::Reader&) { feed_.start(view); });
    feed_.watch(subscription);
    catch_up();
    return subscription;
  }

  template <class Use>
  void with_view(const Use& use) {
    auto reader = store_.new_reader();
    storage::View& view = reader->begin();
    use(view, *reader);
    reader->end();
  }
  // One slice.
  void catch_up(size_t budget = kAmpleBudget) {
    with_view([&](storage::View& view, const storage::Reader& reader) {
      feed_.catch_up(view, reader, budget);
    });
  }

  // Executes a batch; the feed hears of it unless it is told to miss it.
  void apply(std::string batch, bool heard = true) {
    raft::Entry entry;
    entry.id = {raft::Term(1), raft::Index(++index_)};
    entry.kind = raft::EntryKind::kCommands;
    entry.stamp = index_;
    entry.data = std::move(batch);
    LiveEvents live;
    live.after = store_.applied_state().revision;
    storage::Transaction& transaction = writer_->begin();
    ASSERT_EQ(executor_.execute(entry, transaction, &live.events, {}, nullptr),
              command::Executed::kDone);
    ASSERT_TRUE(transaction.commit());
    live.through = store_.applied_state().revision;
    if (heard && !live.events.empty()) feed_.live(live);
    waiting_.push_back(std::move(live));
  }
  static std::string command(std::vector<std::string_view> args) {
    command::BatchBuilder batch;
    batch.add(args);
    return batch.take();
  }
  void set(std::string_view key, bool heard = true) { apply(command({"SET", key, "v"}), heard); }
  // From now on the history holds what is newer than it is.
  void compact() {
    command::BatchBuilder off;
    off.add_history_policy(0, 0);
    off.add_expire_due(1'000'000);
    apply(off.take(), false);
    command::BatchBuilder on;
    on.add_history_policy(1 << 20, 0);
    apply(on.take(), false);
  }

  const std::vector<std::string>& got(const Subscription& subscription) {
    return got_[&subscription];
  }

  command::testing::MemoryStore store_;
  std::unique_ptr<storage::Writer> writer_ = store_.new_writer();
  command::Executor executor_{command::testing::test_table()};
  uint64_t index_ = 0;
  command::KeyInterest interest_;
  WatchFeed feed_{*this, interest_};
  std::deque<Session> sessions_;
  std::map<const Session*, size_t> room_;
  std::map<const Subscription*, std::vector<std::string>> got_;
  std::map<const Subscription*, std::vector<EventId>> seen_;
  std::map<const Subscription*, bool> lost_;
  std::vector<LiveEvents> waiting_;
  size_t passed_ = 0;
  size_t gaps_ = 0;
};

TEST_F(WatchFeedTest, ShowsNobodyWhatHeMayNotSee) {
  Session& stranger = session();
  stranger.authenticated = false;
  const Subscription& live = watch(stranger, "__watch__@now:*", true);
  set("k");
  const Subscription& replayed = watch(stranger, "__watch__@0-0:k");
  const Subscription& friendly = watch(session(), "__watch__@0-0:*", true);
  set("k");
  for (const Subscription* subscription : {&live, &replayed}) {
    for (const std::string& message : got(*subscription)) {
      EXPECT_TRUE(message.starts_with("sync ")) << message;
    }
  }
  EXPECT_EQ(seen_[&friendly].size(), 2u);
}

TEST_F(WatchFeedTest, GivesWhatHappensFromNowOn) {
  set("a");
  Subscription& key = watch(session(), "__watch__:a");
  Subscription& glob = watch(session(), "__watch__:*", true);
  set("a");
  set("b");
  EXPECT_THAT(got(key), ElementsAre("set a 2-0"));
  EXPECT_THAT(got(glob), ElementsAre("set a 2-0", "set b 3-0"));
  EXPECT_FALSE(feed_.lags());
}

TEST_F(WatchFeedTest, ReplaysFromAnIdThenSaysSoThenGoesOn) {
  for (auto key : {"a", "b", "a"}) set(key);
  Subscription& old = watch(session(), "__watch__@1-0:a");
  EXPECT_THAT(got(old), ElementsAre("set a 3-0", "sync 3-0"));
  set("a");
  EXPECT_THAT(got(old), ElementsAre("set a 3-0", "sync 3-0", "set a 4-0", "sync 4-0"));
}

TEST_F(WatchFeedTest, TellsWhereItStandsNow) {
  Subscription& empty = watch(session(), "__watch__@now:a");
  EXPECT_THAT(got(empty), ElementsAre("sync 0-0"));
  set("b");
  Subscription& now = watch(session(), "__watch__@now:a");
  EXPECT_THAT(got(now), ElementsAre("sync 1-0"));
}

TEST_F(WatchFeedTest, MarksProgressPastChangesThatItWasNotShown) {
  Subscription& marked = watch(session(), "__watch__@now:a");
  set("b", false);
  LiveEvents live;
  live.after = 0;
  live.through = store_.applied_state().revision;
  live.last = store_.applied_state().history.last;
  feed_.live(live);
  EXPECT_FALSE(feed_.lags());
  feed_.mark_progress();
  EXPECT_THAT(got(marked), ElementsAre("sync 0-0", "sync 1-0"));
  set("a");
  EXPECT_EQ(got(marked).size(), 4U);
}

TEST_F(WatchFeedTest, MarksProgressOnlyWhereItMoved) {
  Subscription& marked = watch(session(), "__watch__@now:a");
  Subscription& plain = watch(session(), "__watch__:a");
  feed_.mark_progress();
  set("b");
  feed_.mark_progress();
  feed_.mark_progress();
  EXPECT_THAT(got(marked), ElementsAre("sync 0-0", "sync 1-0"));
  EXPECT_THAT(got(plain), IsEmpty());
}

TEST_F(WatchFeedTest, MarksTheEndOfATransaction) {
  Subscription& marked = watch(session(), "__watch__@now:*", true);
  apply(command({"MSET", "a", "1", "b", "2"}));
  EXPECT_THAT(got(marked), ElementsAre("sync 0-0", "set a 1-0", "set b 1-1", "sync 1-1"));
}

TEST_F(WatchFeedTest, OneConnectionsWatchesEachBeginWhereTheySaid) {
  for (auto key : {"a", "b"}) set(key);
  Session& both = session();
  Subscription& late = watch(both, "__watch__@2-0:*", true);
  set("a");
  Subscription& early = watch(both, "__watch__@0-0:*", true);
  EXPECT_THAT(got(late), ElementsAre("sync 2-0", "set a 3-0", "sync 3-0"));
  EXPECT_THAT(got(early), ElementsAre("set a 1-0", "set b 2-0", "set a 3-0", "sync 3-0"));
  set("b");
  EXPECT_EQ(got(late).size(), 5U);
  EXPECT_EQ(got(early).size(), 6U);
}

TEST_F(WatchFeedTest, WaitsForAnIdThatIsStillToCome) {
  set("a");
  Session& ahead = session();
  Subscription& future = watch(ahead, "__watch__@3-0:a");
  for (int i = 0; i < 3; ++i) {
    set("a");
    catch_up();
  }
  set("a");
  EXPECT_THAT(got(future),
              ElementsAre("sync 3-0", "set a 4-0", "sync 4-0", "set a 5-0", "sync 5-0"));
}

TEST_F(WatchFeedTest, FeedsASlowReaderFromTheHistory) {
  Session& slow = session();
  Subscription& behind = watch(slow, "__watch__:a");
  Subscription& quick = watch(session(), "__watch__:a");
  room_[&slow] = 2;
  for (int i = 0; i < 6; ++i) set("a");
  EXPECT_EQ(got(behind).size(), 2U);
  EXPECT_EQ(got(quick).size(), 6U);
  EXPECT_EQ(feed_.watchers_behind(), 1U);
  EXPECT_FALSE(feed_.lags()) << "nothing to do while it has no room";
  room_[&slow] = 3;
  feed_.has_room(slow);
  catch_up();
  EXPECT_EQ(got(behind).size(), 5U);
  room_.erase(&slow);
  feed_.has_room(slow);
  catch_up();
  set("a");
  EXPECT_EQ(got(behind), got(quick));
  EXPECT_EQ(feed_.watchers_behind(), 0U);
  EXPECT_EQ(feed_.catch_ups(), 1U);
}

TEST_F(WatchFeedTest, MarksNothingThatWasNotGiven) {
  Session& slow = session();
  Subscription& marked = watch(slow, "__watch__@now:*", true);
  room_[&slow] = 2;
  apply(command({"MSET", "a", "1", "b", "2", "c", "3"}));
  EXPECT_THAT(got(marked), ElementsAre("sync 0-0", "set a 1-0", "set b 1-1"));
  room_.erase(&slow);
  feed_.has_room(slow);
  catch_up();
  EXPECT_THAT(got(marked),
              ElementsAre("sync 0-0", "set a 1-0", "set b 1-1", "set c 1-2", "sync 1-2"));
}

TEST_F(WatchFeedTest, AnEventGoesToAllWatchesOfAConnectionOrToNone) {
  Session& slow = session();
  Subscription& key = watch(slow, "__watch__:a");
  Subscription& glob = watch(slow, "__watch__:*", true);
  room_[&slow] = 1;
  set("a");
  set("a");
  EXPECT_THAT(got(key), ElementsAre("set a 1-0"));
  EXPECT_THAT(got(glob), ElementsAre("set a 1-0"));
  room_.erase(&slow);
  feed_.has_room(slow);
  catch_up();
  EXPECT_THAT(got(key), ElementsAre("set a 1-0", "set a 2-0"));
  EXPECT_THAT(got(glob), ElementsAre("set a 1-0", "set a 2-0"));
}

TEST_F(WatchFeedTest, ReadsWhatDidNotComeLive) {
  Subscription& all = watch(session(), "__watch__:*", true);
  set("a", false);
  set("b", false);
  EXPECT_FALSE(feed_.lags()) << "it can't know";
  set("c");
  EXPECT_TRUE(feed_.lags());
  set("d");
  catch_up();
  set("e");
  EXPECT_THAT(got(all),
              ElementsAre("set a 1-0", "set b 2-0", "set c 3-0", "set d 4-0", "set e 5-0"));
  EXPECT_EQ(passed_, 5U);
}

TEST_F(WatchFeedTest, ReadsWhatASnapshotBrought) {
  Subscription& all = watch(session(), "__watch__:*", true);
  set("a", false);
  feed_.missed();
  EXPECT_TRUE(feed_.lags());
  catch_up();
  EXPECT_THAT(got(all), ElementsAre("set a 1-0"));
}

TEST_F(WatchFeedTest, IgnoresLiveChangesThatItHasRead) {
  Subscription& all = watch(session(), "__watch__:*", true);
  for (auto key : {"a", "b"}) set(key, false);
  feed_.missed();
  catch_up();
  for (const LiveEvents& live : waiting_) feed_.live(live);
  EXPECT_THAT(got(all), ElementsAre("set a 1-0", "set b 2-0"));
}

TEST_F(WatchFeedTest, SaysWhatIsLost) {
  Session& slow = session();
  Subscription& behind = watch(slow, "__watch__:a");
  Subscription& quick = watch(session(), "__watch__:a");
  room_[&slow] = 1;
  for (int i = 0; i < 3; ++i) set("a");
  compact();
  set("a");
  room_.erase(&slow);
  feed_.has_room(slow);
  catch_up();
  EXPECT_THAT(got(behind), ElementsAre("set a 1-0", "lost 1-0", "set a 4-0"));
  EXPECT_EQ(got(quick).size(), 4U);
  EXPECT_EQ(gaps_, 0U);
}

TEST_F(WatchFeedTest, SaysToAllWhatTheFeedItselfLost) {
  Subscription& live = watch(session(), "__watch__:a");
  set("a");
  set("a", false);
  compact();
  set("a");
  catch_up();
  EXPECT_THAT(got(live), ElementsAre("set a 1-0", "lost 1-0", "set a 3-0"));
  EXPECT_EQ(gaps_, 1U);
}

TEST_F(WatchFeedTest, ForgetsWhoLeft) {
  Session& gone = session();
  Subscription& first = watch(gone, "__watch__:a");
  Subscription& second = watch(gone, "__watch__@9-0:a");
  feed_.unwatch(first);
  set("a");
  feed_.unwatch(second);
  EXPECT_EQ(feed_.pubsub().watches(), 0U);
  EXPECT_EQ(feed_.watchers_behind(), 0U);
  set("a");
  catch_up();
  EXPECT_THAT(got(second), IsEmpty());
}

// Watchers come and go, are slow, and ask for the past; changes come live or not, in pieces; the
// history is compacted. Every watch gets every change after its beginning once and in order, but
// for those that it was told are lost.
TEST_F(WatchFeedTest, LosesNothingInAnyOrderOfThings) {
  uint64_t random = 20'261'128;
  auto chance = [&](uint64_t n) { return splitmix64(random) % n; };
  for (int round = 0; round < 200; ++round) {
    struct Watched {
      Subscription* subscription;
      EventId after;
    };
    std::vector<Watched> watched;
    for (int step = 0; step < 60; ++step) {
      const bool heard = chance(4) > 0;
      switch (chance(8)) {
        case 0: {
          Session& owner = watched.empty() || chance(2) == 0
                               ? session()
                               : *watched[chance(watched.size())].subscription->session;
          const EventId last = store_.applied_state().history.last;
          const EventId floor = store_.applied_state().history.floor;
          EventId after{last.revision - std::min(last.revision, chance(10)), 0};
          after = std::max(after, floor);
          const std::string name = fmt::format("__watch__@{}:*", after);
          if (owner.patterns.contains(name)) break;
          watched.push_back({&watch(owner, name, true), after});
          break;
        }
        case 1:
          if (!watched.empty())
            room_[watched[chance(watched.size())].subscription->session] = chance(4);
          break;
        case 2:
          for (auto& [owner, room] : room_) {
            if (room > 0) continue;
            room = 1 + chance(5);
            feed_.has_room(const_cast<Session&>(*owner));
          }
          break;
        case 3:
          if (chance(10) == 0) compact();
          break;
        case 4:
          catch_up(chance(2) == 0 ? 1 : 100);
          break;
        case 5:
          apply(command({"MSET", "a", "1", "b", "2", "c", "3"}), heard);
          break;
        default:
          set("k", heard);
      }
    }
    room_.clear();
    for (Session& owner : sessions_) feed_.has_room(owner);
    feed_.missed();
    for (int i = 0; i < 1000 && feed_.lags(); ++i) catch_up(500);
    ASSERT_FALSE(feed_.lags());
    ASSERT_EQ(feed_.watchers_behind(), 0U);
    std::vector<EventId> history;
    for (const LiveEvents& live : waiting_) {
      for (const command::HistoryEvent& event : live.events) history.push_back(event.id);
    }
    for (const Watched& watch : watched) {
      const auto& seen = seen_[watch.subscription];
      ASSERT_TRUE(std::ranges::is_sorted(seen));
      ASSERT_EQ(std::set<EventId>(seen.begin(), seen.end()).size(), seen.size());
      if (lost_[watch.subscription]) continue;
      std::vector<EventId> expected;
      std::ranges::copy_if(history, std::back_inserter(expected),
                           [&](EventId id) { return id > watch.after; });
      ASSERT_EQ(seen, expected) << "from " << watch.after.to_string();
    }
    for (Session& owner : sessions_) {
      for (auto& [name, subscription] : owner.patterns) feed_.unwatch(subscription);
    }
    sessions_.clear();
    room_.clear();
    seen_.clear();
    got_.clear();
    lost_.clear();
  }
}

}  // namespace
}  // namespace kvorum::server
