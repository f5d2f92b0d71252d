// Runs every script of testdata/ and compares what happens with what it says. A script is a
// sequence of blocks: comments (#), one command (>), and the lines that follow from it. `--rewrite`
// writes down what happens now: read the difference before keeping it.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/raft/script.h"

namespace kvorum::raft::test {
namespace {

bool g_rewrite = false;

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// The script with its commands' results as they are now.
std::string replay(const std::string& text) {
  Script script;
  std::istringstream in(text);
  std::string out;
  for (std::string line; std::getline(in, line);) {
    bool kept = line.empty() || line[0] == '#' || line[0] == '>';
    if (!kept) continue;
    out += line + "\n";
    if (line[0] != '>') continue;
    for (const std::string& result : script.run(line.substr(1))) out += "  " + result + "\n";
  }
  return out;
}

class Interaction : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(Interaction, GoesAsWritten) {
  std::string expected = read_file(GetParam());
  ASSERT_FALSE(expected.empty());
  std::string actual = replay(expected);
  if (g_rewrite) {
    std::ofstream(GetParam()) << actual;
    return;
  }
  EXPECT_EQ(actual, expected) << "run with --rewrite and read the difference";
}

std::vector<std::filesystem::path> scripts() {
  std::vector<std::filesystem::path> paths;
  for (const auto& file : std::filesystem::directory_iterator(RAFT_TESTDATA)) {
    if (file.path().extension() == ".txt") paths.push_back(file.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

INSTANTIATE_TEST_SUITE_P(Scripts, Interaction, ::testing::ValuesIn(scripts()),
                         [](const auto& info) { return info.param.stem().string(); });

}  // namespace
}  // namespace kvorum::raft::test

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--rewrite") kvorum::raft::test::g_rewrite = true;
  }
  return RUN_ALL_TESTS();
}
