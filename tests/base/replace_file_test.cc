#include "base/replace_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/base/temp_folder.h"

namespace kvorum {
namespace {

using ::testing::HasSubstr;

TEST(ReplaceFile, MakesAFileForItsOwnerAlone) {
  TempFolder folder;
  ASSERT_TRUE(replace_file(folder.path("new"), "text"));
  EXPECT_EQ(folder.read("new"), "text");
  struct stat info {};
  ASSERT_EQ(stat(folder.path("new").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
}

TEST(ReplaceFile, KeepsPermissionsAndLeavesNothingBehind) {
  TempFolder folder;
  const std::string path = folder.write("k.yaml", "old");
  ASSERT_EQ(chmod(path.c_str(), 0640), 0);
  ASSERT_TRUE(replace_file(path, "new\n"));
  EXPECT_EQ(folder.read("k.yaml"), "new\n");
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640U);
  EXPECT_EQ(folder.files(), 1U);
}

TEST(ReplaceFile, WritesThroughASymbolicLink) {
  TempFolder folder;
  folder.write("real.yaml", "old");
  std::filesystem::create_symlink("real.yaml", folder.path("link.yaml"));
  ASSERT_TRUE(replace_file(folder.path("link.yaml"), "new"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path("link.yaml")));
  EXPECT_EQ(folder.read("real.yaml"), "new");
}

TEST(ReplaceFile, FailsWithASentence) {
  TempFolder folder;
  Status status = replace_file(folder.path("none/k.yaml"), "new");
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr("No such file or directory"));
}

}  // namespace
}  // namespace kvorum
