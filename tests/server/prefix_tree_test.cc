#include "server/prefix_tree.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace kvorum::server {
namespace {

std::vector<int> prefixes(const PrefixTree<int>& tree, std::string_view text) {
  std::vector<int> values;
  tree.for_each_prefix_of(text, [&](int value) { values.push_back(value); });
  return values;
}

TEST(PrefixTree, FindsEveryPrefixShortestFirst) {
  PrefixTree<int> tree;
  tree["svc/a"] = 2;
  tree["svc/"] = 1;
  tree[""] = 0;
  tree["svc/ab"] = 3;
  tree["x"] = 9;
  EXPECT_EQ(prefixes(tree, "svc/abc"), (std::vector<int>{0, 1, 2, 3}));
  EXPECT_EQ(prefixes(tree, "svc"), (std::vector<int>{0}));
  EXPECT_EQ(prefixes(tree, "svc/b"), (std::vector<int>{0, 1}));
}

TEST(PrefixTree, AgreesWithAMapUnderRandomChange) {
  std::mt19937 random(7);
  PrefixTree<int> tree;
  std::map<std::string, int> model;
  auto word = [&] {
    std::string text(random() % 6, '\0');
    for (char& c : text) c = static_cast<char>("ab\xff"[random() % 3]);
    return text;
  };
  for (int step = 0; step < 20'000; ++step) {
    std::string key = word();
    if (random() % 3 == 0) {
      tree.erase(key);
      model.erase(key);
    } else {
      tree[key] = model[key] = step;
    }
    std::string text = word() + word();
    std::vector<int> expected;
    for (size_t length = 0; length <= text.size(); ++length) {
      auto found = model.find(text.substr(0, length));
      if (found != model.end()) expected.push_back(found->second);
    }
    ASSERT_EQ(prefixes(tree, text), expected) << "step " << step;
    int* found = tree.find(key);
    ASSERT_EQ(found != nullptr, model.contains(key));
  }
  for (const auto& [key, value] : std::map(model)) tree.erase(key);
  EXPECT_TRUE(tree.empty());
}

}  // namespace
}  // namespace kvorum::server
