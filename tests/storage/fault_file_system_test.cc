#include "tests/storage/fault_file_system.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

namespace kvorum::storage {
namespace {

using Mode = FileSystem::Mode;
using Operation = FaultFileSystem::Operation;

std::unique_ptr<File> create(FaultFileSystem& files, const std::string& path) {
  auto file = files.open(path, Mode::kCreateNew);
  EXPECT_TRUE(file);
  return std::move(*file);
}

TEST(FaultFileSystem, KeepsOrLosesEachUnsyncedSector) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 64; ++seed) {
    FaultFileSystem files;
    auto file = create(files, "a");
    ASSERT_TRUE(file->write(0, std::string(1024, 'o')));
    ASSERT_TRUE(file->sync_data());
    ASSERT_TRUE(files.sync_folder("."));
    ASSERT_TRUE(file->write(0, std::string(1024, 'n')));
    files.crash(seed);
    const std::string now = files.contents("a");
    ASSERT_EQ(now, std::string(512, now[0]) + std::string(512, now[512]));
    seen.insert({now[0], now[512]});
  }
  EXPECT_EQ(seen, (std::set<std::string>{"oo", "on", "no", "nn"}));
}

TEST(FaultFileSystem, KeepsOrLosesUnsyncedNames) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 64; ++seed) {
    FaultFileSystem files;
    create(files, "a");
    ASSERT_TRUE(files.sync_folder("."));
    ASSERT_TRUE(files.rename("a", "b"));
    create(files, "c");
    files.crash(seed);
    const std::vector<std::string> listed = files.list(".").value();
    std::string names;
    for (const std::string& name : listed) names += name;
    seen.insert(names);
  }
  EXPECT_EQ(seen, (std::set<std::string>{"a", "ac", "b", "bc"}));
}

TEST(FaultFileSystem, SyncedDataAndNamesStay) {
  for (uint64_t seed = 0; seed < 32; ++seed) {
    FaultFileSystem files;
    ASSERT_TRUE(files.make_folder("f"));
    ASSERT_TRUE(files.sync_folder("."));
    auto file = create(files, "f/a");
    ASSERT_TRUE(file->allocate(2000));
    ASSERT_TRUE(file->write(600, "x"));
    ASSERT_TRUE(file->sync_data());
    ASSERT_TRUE(files.sync_folder("f"));
    files.crash(seed);
    EXPECT_EQ(files.contents("f/a"), std::string(600, '\0') + "x" + std::string(1399, '\0'));
    EXPECT_FALSE(file->write(0, "y")) << "a file of before the crash still works";
  }
}

TEST(FaultFileSystem, FailedSyncLosesItsDataForGood) {
  FaultFileSystem files;
  auto file = create(files, "a");
  ASSERT_TRUE(files.sync_folder("."));
  ASSERT_TRUE(file->write(0, std::string(512, 'x')));
  files.fail(Operation::kSync, 1, EIO);
  EXPECT_FALSE(file->sync_data());
  EXPECT_TRUE(file->sync_data());
  EXPECT_EQ(files.contents("a"), std::string(512, 'x'));
  files.crash(1);
  EXPECT_EQ(files.contents("a"), std::string(512, '\0'));
}

TEST(FaultFileSystem, FailedWriteLeavesAPart) {
  FaultFileSystem files;
  auto file = create(files, "a");
  ASSERT_TRUE(file->allocate(2048));
  files.fail(Operation::kWrite, 2, EIO);
  ASSERT_TRUE(file->write(0, "y"));
  EXPECT_FALSE(file->write(0, std::string(2048, 'x')));
  EXPECT_EQ(files.contents("a"), std::string(1024, 'x') + std::string(1024, '\0'));
}

TEST(FaultFileSystem, PowerCutStopsEverythingUntilTheCrash) {
  FaultFileSystem files;
  files.cut_power_after(1);
  auto file = create(files, "a");
  EXPECT_FALSE(file->write(0, "x"));
  EXPECT_FALSE(files.list("."));
  files.crash(0);
  EXPECT_TRUE(files.list("."));
}

TEST(FaultFileSystem, FillsUp) {
  FaultFileSystem files;
  files.set_capacity(1000);
  auto file = create(files, "a");
  EXPECT_TRUE(file->allocate(800));
  auto more = create(files, "b");
  EXPECT_EQ(more->allocate(201).error().number, ENOSPC);
  EXPECT_TRUE(more->allocate(200));
  EXPECT_TRUE(more->write(0, "x"));
}

}  // namespace
}  // namespace kvorum::storage
