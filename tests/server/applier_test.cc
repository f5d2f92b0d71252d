// What the applier tells the client loops of an entry, and in which order.

#include "server/applier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/log_writer.h"
#include "server/raft_stage.h"
#include "server/snapshotter.h"
#include "tests/command/command_fixture.h"
#include "tests/server/lone_stages.h"
#include "tests/storage/fault_file_system.h"

namespace kvorum::server {
namespace {

using ::testing::ElementsAre;

class Listener final : public NoClients {
 public:
  void batch_done(uint32_t loop, BatchOutcome outcome) override {
    heard.push_back(fmt::format("done {}/{}", loop, outcome.batch));
    changes = outcome.replies.element_changes;
  }
  void batch_executed(uint32_t loop, uint64_t batch,
                      const std::vector<command::ReachedRevision>& reached) override {
    std::string text = fmt::format("executed {}/{}:", loop, batch);
    for (const auto& item : reached) {
      text += fmt::format(" {}{}", item.revision, item.changed ? "" : "=");
    }
    heard.push_back(text);
  }
  void events(std::shared_ptr<const LiveEvents> live) override {
    heard.push_back(fmt::format("{} events", live->events.size()));
    last = live->last;
  }
  void events_skipped() override { heard.emplace_back("skipped"); }

  std::vector<std::string> heard;
  std::vector<uint64_t> changes;
  EventId last;
};

// Somebody begins to listen while an entry is executed.
class EventfulClock final : public Clock {
 public:
  explicit EventfulClock(NodeState& state) : state_(state) {}
  Monotonic monotonic() const override {
    if (begins_at_look > 0 && --begins_at_look == 0) state_.interest.add_all();
    return Monotonic(0);
  }
  UnixMillis wall_ms() const override { return 1; }
  uint64_t wall_us() const override { return 1000; }

  mutable int begins_at_look = 0;

 private:
  NodeState& state_;
};

class ApplierTest : public ::testing::Test {
 protected:
  ApplierTest() {
    files_.make_folder("/d");
    storage::WalRecovery recovered;
    auto wal =
        storage::Wal::open(files_, {.folder = "/d/wal", .log_id = 7}, raft::Index(), recovered);
    EXPECT_TRUE(wal.has_value());
    log_writer_ = std::make_unique<LogWriter>(std::move(*wal), raft::HardState(), disk_, clock_,
                                              state_, listener_, waker_);
    raft::CoreOptions options;
    options.id = raft::NodeId(1);
    raft::Recovered nothing;
    nothing.snapshot.configuration.voters = {raft::NodeId(1)};
    raft_ = std::make_unique<RaftStage>(raft::Core(options, nothing), 1, RaftStageOptions{}, clock_,
                                        state_, listener_, peers_, waker_);
    applier_.attach(*raft_, *log_writer_, snapshotter_);
  }

  // Executes a batch of loop 2.
  void apply(command::BatchBuilder& batch) {
    auto entry = std::make_shared<raft::Entry>();
    entry->id = {raft::Term(1), raft::Index(++index_)};
    entry->kind = raft::EntryKind::kCommands;
    entry->stamp = 1;
    entry->data = batch.take();
    std::vector<CommittedEntry> entries;
    entries.push_back({entry, BatchOrigin{2, index_, {}}});
    applier_.post_apply(std::move(entries));
    applier_.drain();
  }
  static void add(command::BatchBuilder& batch, std::vector<std::string_view> words) {
    batch.add(words);
  }

  NodeState state_;
  EventfulClock clock_{state_};
  command::testing::TestStore store_{command::testing::StoreKind::kWiredTiger};
  storage::FaultFileSystem files_;
  DiskWatch disk_{"/", state_};
  StillWaker waker_;
  Listener listener_;
  NoPeers peers_;
  Snapshotter snapshotter_{store_.get(), clock_, state_, listener_, waker_};
  Applier applier_{store_.get(), command::testing::test_table(), clock_, state_, listener_, waker_};
  std::unique_ptr<LogWriter> log_writer_;
  std::unique_ptr<RaftStage> raft_;
  uint64_t index_ = 0;
};

TEST_F(ApplierTest, SaysWhoMadeARevisionBeforeItsEventsAndReplies) {
  state_.interest.add_all();
  command::BatchBuilder batch;
  add(batch, {"SET", "a", "1"});
  add(batch, {"SET", "a", "2", "NX"});
  const std::vector<std::vector<std::string>> transaction = {
      {"GET", "a"}, {"SET", "b", "1", "EX", "100"}, {"DEL", "none"}, {"DEL", "a"}};
  batch.add_transaction({}, transaction);
  add(batch, {"DEL", "none"});
  apply(batch);
  EXPECT_THAT(listener_.heard, ElementsAre("executed 2/1: 1 1= 2 2=", "4 events", "done 2/1"));
  EXPECT_THAT(listener_.changes, ElementsAre(0, 2, 2, 3));
}

TEST_F(ApplierTest, SaysNothingOfChangesWhileNobodyListens) {
  command::BatchBuilder batch;
  add(batch, {"SET", "a", "1"});
  apply(batch);
  EXPECT_THAT(listener_.heard, ElementsAre("done 2/1"));
}

// The parts of an entry are one to everybody else.
TEST_F(ApplierTest, TellsOfAnEntryInPartsOnce) {
  state_.interest.add_all();
  const std::string value(command::kPartWeightMax - 1000, 'v');
  command::BatchBuilder batch;
  for (int i = 0; i < 5; ++i) add(batch, {"SET", "a", value});
  apply(batch);
  EXPECT_THAT(listener_.heard, ElementsAre("executed 2/1: 1 2 3 4 5", "5 events", "done 2/1"));
  EXPECT_EQ(state_.applied_index.load(), 1U);
  EXPECT_EQ(store_.get().applied_state().items_done, 0U);
}

// More than anybody should hold in memory.
TEST_F(ApplierTest, LeavesTheEventsOfAVeryHeavyEntryToTheHistory) {
  state_.interest.add_all();
  const std::string value(8 << 20, 'v');
  command::BatchBuilder batch;
  add(batch, {"SET", "a", value});
  for (int i = 0; i < 8; ++i) add(batch, {"SETRANGE", "a", "0", "w"});
  apply(batch);
  EXPECT_THAT(listener_.heard, ElementsAre("skipped", "done 2/1"));
}

// It may have read what the entry changed, and would never hear of it.
TEST_F(ApplierTest, SaysThatEventsWereSkippedToWhoBeganToListenMeanwhile) {
  clock_.begins_at_look = 1;
  command::BatchBuilder batch;
  add(batch, {"SET", "a", "1"});
  apply(batch);
  EXPECT_THAT(listener_.heard, ElementsAre("skipped", "done 2/1"));
  add(batch, {"SET", "a", "2"});
  apply(batch);
  EXPECT_THAT(listener_.heard,
              ElementsAre("skipped", "done 2/1", "executed 2/2: 2", "1 events", "done 2/2"));
}

class FilteringApplierTest : public ApplierTest {
 protected:
  // Events are only dropped where they can be read again.
  FilteringApplierTest() {
    command::BatchBuilder batch;
    batch.add_history_policy(1 << 20, 0);
    apply(batch);
    listener_.heard.clear();
  }
  void set(std::string_view key) {
    command::BatchBuilder batch;
    add(batch, {"SET", key, "1"});
    apply(batch);
  }
};

TEST_F(FilteringApplierTest, TellsOfKeysThatSomebodyListensTo) {
  state_.interest.add_key("a");
  set("a");
  set("b");
  EXPECT_THAT(listener_.heard,
              ElementsAre("executed 2/2: 1", "1 events", "done 2/2", "done 2/3", "0 events"));
  EXPECT_EQ(listener_.last.revision, 2U) << "how far it has come it says all the same";
}

TEST_F(FilteringApplierTest, SaysThatEventsWereSkippedToWhoBeganToListenWhileSomeWereDropped) {
  state_.interest.add_key("a");
  clock_.begins_at_look = 2;
  set("b");
  EXPECT_THAT(listener_.heard, ElementsAre("skipped", "done 2/2"));
  set("b");
  EXPECT_EQ(listener_.heard.size(), 5U);
}

TEST_F(FilteringApplierTest, SkipsNothingWhenWhatItToldIsAllThereWas) {
  state_.interest.add_key("a");
  clock_.begins_at_look = 2;
  set("a");
  EXPECT_THAT(listener_.heard, ElementsAre("executed 2/2: 1", "1 events", "done 2/2"));
}

TEST_F(ApplierTest, TellsOfEveryKeyWhileThereIsNoHistory) {
  state_.interest.add_key("a");
  command::BatchBuilder batch;
  add(batch, {"SET", "b", "1"});
  apply(batch);
  EXPECT_THAT(listener_.heard, ElementsAre("executed 2/1: 1", "1 events", "done 2/1"));
}

}  // namespace
}  // namespace kvorum::server
