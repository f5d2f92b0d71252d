// The log writer on disks that fill up and fail.

#include "server/log_writer.h"

#include <gtest/gtest.h>

#include "server/applier.h"
#include "server/raft_stage.h"
#include "server/snapshotter.h"
#include "tests/command/command_fixture.h"
#include "tests/server/lone_stages.h"
#include "tests/storage/fault_file_system.h"

namespace kvorum::server {
namespace {

// A log writer with a core of one voter behind it; everything runs on the test's thread.
struct LogWriterFixture : testing::Test {
  static constexpr uint64_t kSegmentBytes = 64 << 10;

  void open() {
    files.make_folder("/d");
    storage::WalOptions options{.folder = "/d/wal", .segment_bytes = kSegmentBytes, .log_id = 7};
    storage::WalRecovery recovered;
    auto wal = storage::Wal::open(files, options, raft::Index(), recovered);
    ASSERT_TRUE(wal.has_value()) << wal.error().message;
    writer = std::make_unique<LogWriter>(std::move(*wal), raft::HardState(), disk, clock, state,
                                         clients, waker);
    raft::CoreOptions core_options;
    core_options.id = raft::NodeId(1);
    raft::Recovered nothing;
    nothing.snapshot.configuration.voters = {raft::NodeId(1)};
    raft = std::make_unique<RaftStage>(raft::Core(core_options, nothing), 1, RaftStageOptions{},
                                       clock, state, clients, peers, waker);
    writer->attach(*raft, applier);
    applier.attach(*raft, *writer, snapshotter);
  }

  // Something for the applier to do.
  void post_apply() {
    command::BatchBuilder batch;
    batch.add(std::vector<std::string_view>{"SET", "a", "1"});
    auto entry = std::make_shared<raft::Entry>();
    entry->id = {raft::Term(1), raft::Index(1)};
    entry->data = batch.take();
    std::vector<CommittedEntry> committed;
    committed.push_back({entry, std::nullopt});
    applier.post_apply(std::move(committed));
  }

  raft::PersistRequest entries(uint64_t token, uint64_t index, size_t bytes) {
    auto entry = std::make_shared<raft::Entry>();
    entry->id = {raft::Term(1), raft::Index(index)};
    entry->data.assign(bytes, 'x');
    raft::PersistRequest request;
    request.token = raft::WriteToken(token);
    request.hard_state = raft::HardState{raft::Term(1), raft::NodeId(1), raft::Index()};
    request.entries = {entry};
    return request;
  }

  storage::FaultFileSystem files;
  ManualClock clock;
  NodeState state;
  DiskWatch disk{"/", state};
  NoClients clients;
  NoPeers peers;
  StillWaker waker;
  command::testing::TestStore store{command::testing::StoreKind::kWiredTiger};
  Snapshotter snapshotter{store.get(), clock, state, clients, waker};
  Applier applier{store.get(), command::testing::test_table(), clock, state, clients, waker};
  std::unique_ptr<LogWriter> writer;
  std::unique_ptr<RaftStage> raft;
};

TEST_F(LogWriterFixture, WritesEverythingThatWaitsWithOneSync) {
  open();
  uint64_t before = files.count(storage::FaultFileSystem::Operation::kSync);
  for (uint64_t i = 1; i <= 20; ++i) writer->post_persist(entries(i, i, 100));
  EXPECT_TRUE(writer->drain());
  EXPECT_EQ(files.count(storage::FaultFileSystem::Operation::kSync), before + 1);
  EXPECT_EQ(state.wal_syncs.load(), 1u);
  EXPECT_FALSE(writer->drain());
}

TEST_F(LogWriterFixture, LetsTheApplierWorkWhileTheDiskSyncs) {
  open();
  post_apply();
  writer->post_persist(entries(1, 1, 100));
  EXPECT_TRUE(writer->drain());
  EXPECT_EQ(state.wal_syncs.load(), 0u);
  EXPECT_TRUE(applier.drain());
  // What comes meanwhile is not written before the first is durable.
  writer->post_persist(entries(2, 2, 100));
  uint64_t before = files.count(storage::FaultFileSystem::Operation::kSync);
  EXPECT_TRUE(writer->drain());
  EXPECT_EQ(state.wal_syncs.load(), 2u);
  EXPECT_EQ(files.count(storage::FaultFileSystem::Operation::kSync), before + 2);
  EXPECT_FALSE(writer->drain());
}

TEST_F(LogWriterFixture, FinishesASyncWithNothingElseToDo) {
  open();
  post_apply();
  writer->post_persist(entries(1, 1, 100));
  EXPECT_TRUE(writer->drain());
  EXPECT_EQ(state.wal_syncs.load(), 0u);
  EXPECT_TRUE(writer->drain());
  EXPECT_EQ(state.wal_syncs.load(), 1u);
  EXPECT_FALSE(writer->drain());
}

TEST_F(LogWriterFixture, FinishesASyncBeforeTheLogIsCompactedOrBeginsAnew) {
  open();
  post_apply();
  writer->post_persist(entries(1, 1, 100));
  writer->post_compact(raft::Index(1));
  EXPECT_TRUE(writer->drain());
  EXPECT_EQ(state.wal_syncs.load(), 1u);
  writer->post_persist(entries(2, 2, 100));
  writer->post_reset({raft::Term(1), raft::Index(10)});
  EXPECT_TRUE(writer->drain());
  EXPECT_EQ(state.wal_syncs.load(), 2u);
}

TEST_F(LogWriterFixture, HoldsWritesBackWhileTheDiskIsFullAndLosesNone) {
  open();
  files.set_capacity(kSegmentBytes);
  // More than the rest of the segment: a new one is needed, and there is no room for it.
  writer->post_persist(entries(1, 1, kSegmentBytes));
  writer->drain();
  EXPECT_TRUE(state.log_blocked.load());
  EXPECT_TRUE(state.refuses_writes());
  EXPECT_EQ(state.wal_syncs.load(), 0u);
  writer->post_persist(entries(2, 2, 10));
  writer->post_retry();
  writer->drain();
  EXPECT_TRUE(state.log_blocked.load());
  files.set_capacity(1 << 30);
  writer->post_retry();
  writer->drain();
  EXPECT_FALSE(state.refuses_writes());
  writer.reset();
  storage::WalRecovery recovered;
  storage::WalOptions options{.folder = "/d/wal", .segment_bytes = kSegmentBytes, .log_id = 7};
  auto wal = storage::Wal::open(files, options, raft::Index(), recovered);
  ASSERT_TRUE(wal.has_value()) << wal.error().message;
  EXPECT_EQ(recovered.entries.size(), 2u);
}

using LogWriterDeathTest = LogWriterFixture;

TEST_F(LogWriterDeathTest, EndsTheProcessWhenASyncFails) {
  open();
  files.fail(storage::FaultFileSystem::Operation::kSync, 1, EIO);
  writer->post_persist(entries(1, 1, 10));
  EXPECT_EXIT(writer->drain(), testing::ExitedWithCode(1), "write-ahead log: .*sync");
}

TEST_F(LogWriterDeathTest, EndsTheProcessWhenASyncBesideTheApplierFails) {
  open();
  post_apply();
  files.fail(storage::FaultFileSystem::Operation::kSync, 1, EIO);
  writer->post_persist(entries(1, 1, 10));
  EXPECT_TRUE(writer->drain());
  EXPECT_EXIT(writer->drain(), testing::ExitedWithCode(1), "write-ahead log: .*sync");
}

TEST_F(LogWriterDeathTest, EndsTheProcessWhenAWriteFails) {
  open();
  files.fail(storage::FaultFileSystem::Operation::kWrite, 1, EIO);
  writer->post_persist(entries(1, 1, 10));
  EXPECT_EXIT(writer->drain(), testing::ExitedWithCode(1), "write-ahead log: ");
}

}  // namespace
}  // namespace kvorum::server
