#include "server/data_folder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace kvorum::server {
namespace {

class DataFolderFixture : public testing::Test {
 protected:
  DataFolderFixture() {
    std::string pattern = testing::TempDir() + "kvorum-folder-XXXXXX";
    path = mkdtemp(pattern.data());
  }
  ~DataFolderFixture() override { std::filesystem::remove_all(path); }

  std::string error() {
    auto folder = DataFolder::open(path);
    return folder ? "opened" : folder.error().message;
  }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(path + "/" + name) << text;
  }
  std::string read(const std::string& name) {
    std::ifstream file(path + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string path;
};

TEST_F(DataFolderFixture, KeepsItsIdentity) {
  raft::NodeId node;
  std::string cluster;
  {
    auto folder = DataFolder::open(path);
    ASSERT_TRUE(folder.has_value());
    node = folder->node();
    cluster = folder->cluster();
  }
  auto again = DataFolder::open(path);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->node(), node);
  EXPECT_EQ(again->cluster(), cluster);
}

TEST_F(DataFolderFixture, SaysWhoHoldsIt) {
  auto folder = DataFolder::open(path);
  ASSERT_TRUE(folder.has_value());
  EXPECT_NE(error().find("in use by process " + std::to_string(getpid())), std::string::npos);
}

TEST_F(DataFolderFixture, RefusesADamagedIdentity) {
  { ASSERT_TRUE(DataFolder::open(path).has_value()); }
  std::string text = read("identity");
  text[text.find("node ") + 5] ^= 1;
  write("identity", text);
  EXPECT_NE(error().find("checksum"), std::string::npos);
}

TEST_F(DataFolderFixture, RefusesANewerFormat) {
  { ASSERT_TRUE(DataFolder::open(path).has_value()); }
  write("identity", "format 2\n");
  EXPECT_NE(error().find("format '2'"), std::string::npos);
}

TEST_F(DataFolderFixture, CountsSessions) {
  {
    auto folder = DataFolder::open(path);
    ASSERT_TRUE(folder.has_value());
    EXPECT_EQ(folder->begin_session(0), 1U);
    EXPECT_EQ(folder->begin_session(0), 2U);
    EXPECT_EQ(folder->begin_session(40), 41U);
  }
  auto folder = DataFolder::open(path);
  ASSERT_TRUE(folder.has_value());
  EXPECT_EQ(folder->begin_session(7), 42U);
}

TEST_F(DataFolderFixture, RefusesADamagedSession) {
  auto folder = DataFolder::open(path);
  ASSERT_TRUE(folder.has_value());
  ASSERT_EQ(folder->begin_session(8), 9U);
  for (const std::string& text : {std::string("8") + read("session").substr(1), std::string()}) {
    write("session", text);
    auto session = folder->begin_session(0);
    ASSERT_FALSE(session.has_value());
    EXPECT_NE(session.error().message.find("is damaged"), std::string::npos);
  }
}

TEST_F(DataFolderFixture, RefusesAFolderThatLostItsIdentity) {
  std::filesystem::create_directory(path + "/wal");
  EXPECT_NE(error().find("not a whole kvorum folder"), std::string::npos);
}

}  // namespace
}  // namespace kvorum::server
