// Both file systems behave the same while nothing fails; the POSIX one on a real folder.
#include "storage/file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "tests/storage/fault_file_system.h"
#include "tests/storage/wal_testing.h"

namespace kvorum::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Mode = FileSystem::Mode;

class FileSystemTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (!GetParam()) {
      files_ = std::make_unique<FaultFileSystem>();
      root_ = ".";
      return;
    }
    std::string pattern = ::testing::TempDir() + "kvorum_files_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    files_ = make_posix_file_system();
  }
  void TearDown() override {
    if (GetParam()) std::filesystem::remove_all(root_);
  }
  std::string path(const std::string& name) const { return root_ + "/" + name; }

  std::string root_;
  std::unique_ptr<FileSystem> files_;
};

INSTANTIATE_TEST_SUITE_P(Both, FileSystemTest, ::testing::Bool(), [](const auto& info) {
  return info.param ? std::string("Posix") : std::string("Fault");
});

TEST_P(FileSystemTest, ReadsBackWhatWasWritten) {
  auto file = files_->open(path("a"), Mode::kCreateNew);
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_TRUE((*file)->write(3, "hello"));
  EXPECT_EQ((*file)->size().value(), 8U);
  EXPECT_EQ((*file)->read(0, 100).value(), std::string("\0\0\0hello", 8));
  EXPECT_EQ((*file)->read(4, 2).value(), "el");
  EXPECT_EQ((*file)->read(8, 1).value(), "");
  ASSERT_TRUE((*file)->sync_data());
  auto again = files_->open(path("a"), Mode::kOpenExisting);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ((*again)->read(3, 5).value(), "hello");
}

TEST_P(FileSystemTest, AllocatedSpaceReadsAsZerosAndKeepsWhatIsThere) {
  auto file = files_->open(path("a"), Mode::kCreateNew);
  ASSERT_TRUE((*file)->write(0, "x"));
  ASSERT_TRUE((*file)->allocate(10'000));
  EXPECT_EQ((*file)->size().value(), 10'000U);
  EXPECT_EQ((*file)->read(0, 10'000).value(), "x" + std::string(9'999, '\0'));
  ASSERT_TRUE((*file)->truncate(1));
  EXPECT_EQ((*file)->size().value(), 1U);
}

TEST_P(FileSystemTest, NextDataNeverSkipsWhatWasWritten) {
  auto file = files_->open(path("a"), Mode::kCreateNew);
  ASSERT_TRUE((*file)->allocate(1 << 20));
  ASSERT_TRUE((*file)->write(500'000, "x"));
  ASSERT_TRUE((*file)->sync_data());
  EXPECT_LE((*file)->next_data(0).value(), 500'000U);
  EXPECT_EQ((*file)->next_data(500'000).value(), 500'000U);
  const uint64_t behind = (*file)->next_data(600'000).value();
  EXPECT_GE(behind, 600'000U);
  EXPECT_LE(behind, 1U << 20);
}

TEST_P(FileSystemTest, SyncsInTwoHalves) {
  auto file = files_->open(path("a"), Mode::kCreateNew);
  ASSERT_TRUE((*file)->write(0, "x"));
  for (int i = 0; i < 3; ++i) {
    (*file)->begin_sync_data();
    EXPECT_TRUE((*file)->finish_sync_data());
  }
  EXPECT_TRUE((*file)->finish_sync_data()) << "without the first half it does both";
  (*file)->begin_sync_data();
  // Left in the midst, as by a process that ends.
}

TEST_P(FileSystemTest, CreatingNeedsAFreeNameAndOpeningAUsedOne) {
  ASSERT_TRUE(files_->open(path("a"), Mode::kCreateNew));
  auto twice = files_->open(path("a"), Mode::kCreateNew);
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().number, EEXIST);
  auto missing = files_->open(path("b"), Mode::kOpenExisting);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().number, ENOENT);
  EXPECT_THAT(missing.error().message, HasSubstr(path("b")));
  EXPECT_THAT(missing.error().message, HasSubstr("No such file"));
}

TEST_P(FileSystemTest, NamesChange) {
  ASSERT_TRUE(files_->make_folder(path("f")));
  ASSERT_TRUE(files_->make_folder(path("f")));
  ASSERT_TRUE(files_->open(path("f/b"), Mode::kCreateNew));
  ASSERT_TRUE(files_->open(path("f/a"), Mode::kCreateNew));
  ASSERT_TRUE(files_->sync_folder(path("f")));
  EXPECT_THAT(files_->list(path("f")).value(), ElementsAre("a", "b"));
  ASSERT_TRUE(files_->rename(path("f/a"), path("f/c")));
  ASSERT_TRUE(files_->remove(path("f/b")));
  EXPECT_THAT(files_->list(path("f")).value(), ElementsAre("c"));
  EXPECT_FALSE(files_->list(path("g")));
  EXPECT_FALSE(files_->remove(path("f/b")));
  EXPECT_FALSE(files_->rename(path("f/b"), path("f/d")));
  EXPECT_FALSE(files_->sync_folder(path("g")));
  EXPECT_FALSE(files_->make_folder(path("f/c"))) << "a file is no folder";
}

TEST_P(FileSystemTest, CarriesALog) {
  auto open = [this](WalRecovery& recovery) {
    return Wal::open(*files_, WalOptions{path("wal"), 64 << 10, 0}, raft::Index(), recovery);
  };
  for (uint64_t i = 1; i <= 40; ++i) {
    WalRecovery recovery;
    auto log = open(recovery);
    ASSERT_TRUE(log) << log.error().message;
    ASSERT_EQ(recovery.entries.size(), i - 1);
    append(**log, {make_entry(1, i, std::string(100 * i, 'x'))});
  }
}

TEST(PosixFileSystem, WriteThatCantBeFinishedIsAnError) {
  std::string pattern = ::testing::TempDir() + "kvorum_files_XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  auto files = make_posix_file_system();
  auto file = files->open(pattern + "/a", Mode::kCreateNew);
  ASSERT_TRUE(file);
  // With a limit on the size of files the system writes a part, then fails.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{10'000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  IoStatus written = (*file)->write(0, std::string(20'000, 'x'));
  IoStatus allocated = (*file)->allocate(20'000);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  (void)std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().number, EFBIG);
  EXPECT_THAT(written.error().message, HasSubstr("write " + pattern + "/a"));
  EXPECT_EQ((*file)->size().value(), 10'000U);
  EXPECT_FALSE(allocated);
  std::filesystem::remove_all(pattern);
}

}  // namespace
}  // namespace kvorum::storage
