// A checkpoint held open and read while the store goes on.
#include <atomic>
#include <fstream>
#include <random>
#include <thread>

#include "store_testing.h"

namespace kvorum::storage {
namespace {

namespace fs = std::filesystem;

void put(Writer& writer, uint64_t index, const std::string& value = "v") {
  Transaction& transaction = writer.begin();
  transaction.put(fmt::format("k{}", index % 2000), made_at(index), value);
  append_row(transaction, {index, 0}, value);
  if (index > 100) trim_rows(transaction, 1);
  transaction.set_proposer({raft::NodeId(7), 1, index, raft::Index(index)});
  transaction.set_applied(entry(index), index, index);
  CHECK(transaction.commit());
}

// Reads `source` into `folder` piece by piece; `between` is called after each.
template <class Between>
void stream(BackupSource& source, const std::string& folder, size_t piece, const Between& between) {
  fs::create_directories(folder);
  std::vector<char> buffer(piece);
  for (size_t file = 0; file < source.files().size(); ++file) {
    const BackupSource::File& from = source.files()[file];
    std::ofstream to(fs::path(folder) / from.name, std::ios::binary);
    for (uint64_t offset = 0; offset < from.bytes;) {
      Result<size_t> got = source.read(file, offset, buffer);
      ASSERT_TRUE(got) << got.error().message;
      ASSERT_EQ(*got, std::min<uint64_t>(piece, from.bytes - offset));
      to.write(buffer.data(), static_cast<std::streamsize>(*got));
      offset += *got;
      between();
    }
  }
}

TEST(BackupSource, GivesItsCheckpointWhileTheStoreGoesOn) {
  StoreFolder folder;
  auto store = open_store(folder.path());
  auto writer = store->new_writer();
  uint64_t index = 0;
  const std::string value(300, 'v');
  while (index < 2000) put(*writer, ++index, value);
  ASSERT_TRUE(store->checkpoint());
  put(*writer, ++index);  // not in the checkpoint
  auto opened = store->open_backup();
  ASSERT_TRUE(opened) << opened.error().message;
  std::unique_ptr<BackupSource> source = std::move(*opened);
  EXPECT_EQ(source->applied_state().applied, entry(2000));
  EXPECT_EQ(source->files().back().name, "WiredTiger.backup");
  std::mt19937_64 random(3);
  stream(*source, folder.path("copy"), 9000, [&] {
    for (int i = 0; i < 50; ++i) put(*writer, ++index, std::string(random() % 1000, 'w'));
    if (random() % 3 != 0) return;
    ASSERT_TRUE(store->checkpoint());
    Transaction& transaction = writer->begin();
    transaction.erase_all();
    ASSERT_TRUE(transaction.commit());
    ASSERT_TRUE(store->checkpoint());
  });
  const AppliedState expected = source->applied_state();
  source.reset();
  auto copy = open_store(folder.path("copy"));
  EXPECT_EQ(copy->applied_state(), expected);
  ASSERT_NE(expected.find_proposer(raft::NodeId(7)), nullptr);
  EXPECT_EQ(expected.find_proposer(raft::NodeId(7))->sequence, 2000u);
  auto reader = copy->new_reader();
  View& view = reader->begin();
  auto all = contents(view);
  EXPECT_EQ(all.size(), 2000u);
  for (const auto& [key, found] : all) EXPECT_EQ(found, value) << key;
  expect_indexes_match(view);
  EXPECT_EQ(history_after(view).size(), 100u);
  EXPECT_EQ(history_before(view).front().first, (EventId{2000, 0}));
  expect_history_matches(view);
  reader->end();
}

TEST(BackupSource, IsReadOnAnotherThreadBesideTheWriterAndCheckpoints) {
  StoreFolder folder;
  auto store = open_store(folder.path());
  put(*store->new_writer(), 1);
  std::atomic<bool> streaming{true};
  std::thread writes([&] {
    auto writer = store->new_writer();
    for (uint64_t index = 2; streaming.load(); ++index) put(*writer, index);
  });
  std::thread checkpoints([&] {
    while (streaming.load()) ASSERT_TRUE(store->checkpoint());
  });
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(store->checkpoint());
    auto source = store->open_backup();
    ASSERT_TRUE(source) << source.error().message;
    const std::string name = fmt::format("copy{}", round);
    std::thread reads([&] {
      stream(**source, folder.path(name), 4096, [] {});
      auto copy = open_store(folder.path(name));
      EXPECT_EQ(copy->applied_state(), (*source)->applied_state());
      auto reader = copy->new_reader();
      View& view = reader->begin();
      expect_indexes_match(view);
      expect_history_matches(view);
      reader->end();
      source->reset();  // ends where it was used
    });
    reads.join();
  }
  streaming.store(false);
  writes.join();
  checkpoints.join();
}

TEST(BackupSource, IsTheOnlyOne) {
  StoreFolder folder;
  auto store = open_store(folder.path());
  auto first = store->open_backup();
  ASSERT_TRUE(first);
  auto second = store->open_backup();
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("only one"), std::string::npos) << second.error().message;
  EXPECT_FALSE(store->backup(folder.path("backup")));
  first->reset();
  EXPECT_TRUE(store->backup(folder.path("backup")));
  EXPECT_TRUE(store->open_backup());
}

TEST(BackupSource, EndsWhereItsFilesEnd) {
  StoreFolder folder;
  auto store = open_store(folder.path());
  auto source = store->open_backup();
  ASSERT_TRUE(source);
  const uint64_t bytes = (*source)->files()[0].bytes;
  ASSERT_GT(bytes, 0u);
  char buffer[16];
  EXPECT_EQ((*source)->read(0, bytes - 1, buffer).value(), 1u);
  EXPECT_EQ((*source)->read(0, bytes, buffer).value(), 0u);
  EXPECT_EQ((*source)->read(0, bytes + 100, buffer).value(), 0u);
}

TEST(BackupSource, EndsBeforeItsStore) {
  EXPECT_DEATH(
      {
        StoreFolder folder;
        auto store = open_store(folder.path());
        auto source = store->open_backup();
        store.reset();
      },
      "outlives its backups");
}

}  // namespace
}  // namespace kvorum::storage
