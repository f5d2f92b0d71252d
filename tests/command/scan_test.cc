#include <map>
#include <random>
#include <set>

#include "command_fixture.h"

namespace kvorum::command::testing {

class Scan : public CommandTest {
 protected:
  struct Page {
    std::string cursor;
    std::vector<std::string> keys;
  };
  Page scan(const std::string& cursor, std::string_view options = "") {
    std::string reply = run("SCAN " + cursor + " " + std::string(options));
    std::erase_if(reply, [](char c) { return c == '[' || c == ']' || c == '"' || c == ','; });
    Words list = words(reply);
    Page page{list.front(), {}};
    page.keys.assign(list.begin() + 1, list.end());
    return page;
  }
};
KVORUM_COMMAND_TESTS(Scan);

TEST_P(Scan, WalksFromTheNewestKeyToTheOldest) {
  for (const char* key : {"a", "b", "c", "d", "e"}) run.run({"SET", key, "v"});
  const Page first = scan("0", "COUNT 2");
  EXPECT_EQ(first.keys, std::vector<std::string>({"e", "d"}));
  const Page second = scan(first.cursor, "COUNT 2");
  EXPECT_EQ(second.keys, std::vector<std::string>({"c", "b"}));
  EXPECT_EQ(run("SCAN " + second.cursor + " COUNT 2"), "[\"0\", [\"a\"]]");
  EXPECT_EQ(run("SCAN 0 COUNT 5").substr(0, 4), "[\"0\"");
}

TEST_P(Scan, PagesThroughKeysOfOneRevision) {
  run("SET first v");
  run("MSET a 1 b 1 c 1 d 1 e 1");
  run("SET last v");
  const Page page = scan("0", "COUNT 2");
  EXPECT_EQ(page.keys, std::vector<std::string>({"last", "e"}));
  EXPECT_EQ(scan(page.cursor, "COUNT 3").keys, std::vector<std::string>({"d", "c", "b"}));
}

TEST_P(Scan, FiltersByPatternAndType) {
  run("MSET one 1 two 2 three 3");
  EXPECT_EQ(scan("0", "MATCH t* COUNT 100").keys.size(), 2U);
  EXPECT_EQ(scan("0", "TYPE string").keys.size(), 3U);
  EXPECT_EQ(scan("0", "type STRING match o*").keys.size(), 1U);
  EXPECT_EQ(scan("0", "TYPE hash").keys.size(), 0U);
  EXPECT_EQ(scan("0", "TYPE nonsense").keys.size(), 0U);
}

TEST_P(Scan, RefusesWhatRedisRefuses) {
  expect_replies(run, {{"SCAN x", "(error) ERR invalid cursor"},
                       {"SCAN 1x", "(error) ERR invalid cursor"},
                       {"SCAN 18446744073709551616", "(error) ERR invalid cursor"},
                       {"SCAN x COUNT 0", "(error) ERR invalid cursor"},
                       {"SCAN 0 COUNT 0", "(error) ERR syntax error"},
                       {"SCAN 0 COUNT x", "(error) ERR value is not an integer or out of range"},
                       {"SCAN 0 COUNT", "(error) ERR syntax error"},
                       {"SCAN 0 FOO 1", "(error) ERR syntax error"},
                       {"SCAN 18446744073709551615", "[\"0\", []]"},
                       {"SCAN 0 COUNT 9223372036854775807", "[\"0\", []]"}});
}

TEST_P(Scan, ARenameOverAKeyLeavesItInItsPlace) {
  run("SET old v");
  run("SET other v");
  const Page page = scan("0", "COUNT 1");
  ASSERT_EQ(page.keys, std::vector<std::string>({"other"}));
  run("RENAME other old");
  EXPECT_EQ(scan(page.cursor, "COUNT 1").keys, std::vector<std::string>({"old"}));
}

TEST_P(Scan, ATransactionThatMakesAKeyAnewLeavesItInItsPlace) {
  run("MSET a 1 b 1 c 1 d 1");
  run("SET other v");
  const Page page = scan("0", "COUNT 1");
  run.exec({{"DEL", "a"}, {"SET", "a", "2"}});
  run.exec({{"GETDEL", "b"}, {"RENAME", "other", "b"}});
  run.exec({{"FLUSHALL"}, {"MSET", "a", "3", "b", "3", "c", "3"}, {"DEL", "c"}, {"SET", "c", "4"}});
  run("SET new v");
  EXPECT_EQ(scan(page.cursor, "COUNT 10").keys, std::vector<std::string>({"c", "b", "a"}));
}

// Redis' guarantee, tried on random changes: a key that is there from the first call to the last is
// given; one that is never there is not; and the walk ends though keys keep coming.
TEST_P(Scan, MeetsEveryKeyThatIsThereThroughout) {
  const int rounds = GetParam() == StoreKind::kMemory ? 60 : 4;
  for (int seed = 0; seed < rounds; ++seed) {
    std::mt19937_64 random(static_cast<uint64_t>(seed));
    const auto below = [&](uint64_t n) { return random() % n; };
    const auto key = [&] { return "k" + std::to_string(below(60)); };
    const auto one_change = [&]() -> Words {
      switch (below(9)) {
        case 0:
        case 1:
          return {"SET", key(), "v"};
        case 2:
          return {"DEL", key(), key()};
        case 3:
          return {"RENAME", key(), key()};
        case 4:
          return {"COPY", key(), key(), "REPLACE"};
        case 5:
          return {"MSET", key(), "1", key(), "2", key(), "3"};
        case 6:
          return {"SET", key(), "v", "PX", std::to_string(1 + below(20))};
        case 7:
          return {"GETDEL", key()};
        default:
          return {"PERSIST", key()};
      }
    };
    run("FLUSHALL");
    for (int i = 0; i < 80; ++i) run.run(one_change());

    const auto live = [&] {
      std::set<std::string> keys;
      for (int i = 0; i < 60; ++i) {
        const std::string name = "k" + std::to_string(i);
        if (run("EXISTS " + name) == "1") keys.insert(name);
      }
      return keys;
    };
    std::set<std::string> throughout = live();
    std::set<std::string> ever = throughout;
    std::map<std::string, int> given;
    std::string cursor = "0";
    int calls = 0;
    do {
      const Page page = scan(cursor, "COUNT " + std::to_string(1 + below(8)));
      for (const std::string& name : page.keys) ++given[name];
      cursor = page.cursor;
      ASSERT_LT(++calls, 1000);
      const uint64_t changes = below(4);
      for (uint64_t i = 0; i < changes; ++i) {
        if (below(4) == 0) {
          run.exec({one_change(), one_change(), {"SET", key(), "x"}});
        } else {
          run.run(one_change());
        }
        run.now += below(3);
        const std::set<std::string> now_live = live();
        ever.insert(now_live.begin(), now_live.end());
        std::erase_if(throughout,
                      [&](const std::string& name) { return !now_live.contains(name); });
      }
    } while (cursor != "0");
    for (const std::string& name : throughout) {
      EXPECT_EQ(given[name], 1) << name << " with seed " << seed;
    }
    for (const auto& [name, times] : given) {
      EXPECT_TRUE(times == 0 || ever.contains(name)) << name << " with seed " << seed;
    }
  }
}

}  // namespace kvorum::command::testing
