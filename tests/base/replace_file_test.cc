#include "base/replace_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace kvorum {
namespace {

using ::testing::HasSubstr;

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = testing::TempDir() + "kvorum-replace-XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  std::string path(const std::string& name) const { return path_ + "/" + name; }
  std::string write(const std::string& name, std::string_view text) const {
    std::ofstream(path(name)) << text;
    return path(name);
  }
  std::string read(const std::string& name) const {
    std::ifstream file(path(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  size_t files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path_),
                                             std::filesystem::directory_iterator()));
  }

 private:
  std::string path_;
};

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
