#include "storage/store.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "storage/store_format.h"
#include "store_fixture.h"

namespace kvorum::storage {
namespace {

TEST_F(StoreTest, IsEmptyWhenNew) {
  EXPECT_EQ(store_->applied_state(), AppliedState{});
  read([](View& view) {
    EXPECT_FALSE(view.get("k"));
    EXPECT_FALSE(view.random_key(7));
    EXPECT_EQ(view.first_deadline(), 0u);
    EXPECT_TRUE(contents(view).empty());
    EXPECT_TRUE(newest_first(view).empty());
    EXPECT_TRUE(due(view, UINT64_MAX).empty());
  });
}

TEST_F(StoreTest, GivesBackWhatWasPut) {
  const KeyHeader header{.type = ValueType::kHash,
                         .modified = {9, 2},
                         .created = {5, 1},
                         .deadline = 1'700'000'000'123};
  write([&](Transaction& t) { t.put("k", header, "value"); });
  read([&](View& view) {
    auto record = view.get("k");
    ASSERT_TRUE(record);
    EXPECT_EQ(record->header, header);
    EXPECT_EQ(record->value, "value");
    EXPECT_EQ(view.header("k"), header);
    EXPECT_FALSE(view.get("kk"));
    EXPECT_FALSE(view.get(""));
    EXPECT_EQ(view.first_deadline(), header.deadline);
  });
}

TEST_F(StoreTest, TakesEveryKeyAndKeepsByteOrder) {
  const std::vector<std::string> keys = {"",
                                         std::string(1, '\0'),
                                         std::string(2, '\0'),
                                         std::string("\0a", 2),
                                         "\x01",
                                         std::string("a\0b", 3),
                                         "ab",
                                         "b",
                                         "\xff",
                                         "\xff\xff",
                                         "\xff\xff\xff"};
  write([&](Transaction& t) {
    for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
      ++revision_;
      t.put(*key, made_at(revision_, 0, 100 + revision_), "v" + *key);
    }
  });
  for (int pass = 0; pass < 2; ++pass) {
    read([&](View& view) {
      for (const std::string& key : keys) {
        auto record = view.get(key);
        ASSERT_TRUE(record) << testing::PrintToString(key);
        EXPECT_EQ(record->value, "v" + key);
      }
      EXPECT_EQ(keys_in_order(view), keys);
      EXPECT_EQ(newest_first(view), keys);
      expect_indexes_match(view);
    });
    reopen();  // once more from disk
  }
  write([&](Transaction& t) {
    EXPECT_TRUE(t.erase(""));
    EXPECT_FALSE(t.erase(""));
    EXPECT_TRUE(t.get(std::string(1, '\0')));
  });
  read([](View& view) {
    EXPECT_FALSE(view.get(""));
    expect_indexes_match(view);
  });
}

TEST_F(StoreTest, WalksPrefixesToTheirEnd) {
  for (const char* key : {"a", "ab", "abc", "abd", "b", "\xfe", "\xff", "\xff\xff", "\xff\xff!"}) {
    put(key, "v");
  }
  put(std::string("\0x", 2), "v");
  put("", "v");
  using Keys = std::vector<std::string>;
  read([](View& view) {
    EXPECT_EQ(keys_in_order(view, "ab"), (Keys{"ab", "abc", "abd"}));
    EXPECT_EQ(keys_in_order(view, "abcd"), Keys{});
    EXPECT_EQ(keys_in_order(view, "\xff"), (Keys{"\xff", "\xff\xff", "\xff\xff!"}));
    EXPECT_EQ(keys_in_order(view, "\xff\xff"), (Keys{"\xff\xff", "\xff\xff!"}));
    EXPECT_EQ(keys_in_order(view, std::string(1, '\0')), Keys{std::string("\0x", 2)});
    EXPECT_EQ(keys_in_order(view).size(), 11u);
    int left = 2;
    Keys some;
    view.for_each("a", [&](std::string_view key, const Record&) {
      some.emplace_back(key);
      return --left > 0;
    });
    EXPECT_EQ(some, (Keys{"a", "ab"}));
  });
}

TEST_F(StoreTest, WalksCreationFromTheNewest) {
  write([](Transaction& t) {
    t.put("first", made_at(10), "");
    t.put("second", made_at(20, 0), "");
    t.put("third", made_at(20, 1), "");
    t.put("fourth", made_at(256), "");
  });
  using Keys = std::vector<std::string>;
  read([](View& view) {
    EXPECT_EQ(newest_first(view), (Keys{"fourth", "third", "second", "first"}));
    EXPECT_EQ(newest_first(view, EventId{256, 0}), (Keys{"third", "second", "first"}));
    EXPECT_EQ(newest_first(view, EventId{21, 0}), (Keys{"third", "second", "first"}));
    EXPECT_EQ(newest_first(view, EventId{20, 0}), Keys{"first"});
    EXPECT_EQ(newest_first(view, EventId{10, 0}), Keys{});
    EXPECT_EQ(newest_first(view, EventId{0, 0}), Keys{});
    EXPECT_EQ(newest_first(view, EventId{UINT64_MAX, UINT32_MAX}), newest_first(view));
    std::vector<EventId> ids;
    view.for_each_created_before({}, [&](EventId created, std::string_view) {
      ids.push_back(created);
      return ids.size() < 2;
    });
    EXPECT_EQ(ids, (std::vector<EventId>{{256, 0}, {20, 1}}));
  });
}

TEST_F(StoreTest, KeepsCreationWhenAKeyChangesAndMovesItWhenReplaced) {
  write([](Transaction& t) {
    t.put("a", made_at(1), "");
    t.put("b", made_at(2), "");
  });
  write([](Transaction& t) { t.put("a", {.modified = {3, 0}, .created = {1, 0}}, "x"); });
  read([](View& view) { EXPECT_EQ(newest_first(view), (std::vector<std::string>{"b", "a"})); });
  write([](Transaction& t) { t.put("a", made_at(4), "y"); });
  read([](View& view) {
    EXPECT_EQ(newest_first(view), (std::vector<std::string>{"a", "b"}));
    expect_indexes_match(view);
  });
}

TEST_F(StoreTest, WalksDeadlinesFromTheEarliest) {
  write([](Transaction& t) {
    t.put("late", made_at(1, 0, 300), "");
    t.put("early", made_at(2, 0, 100), "");
    t.put("middle", made_at(3, 0, 200), "");
    t.put("never", made_at(4), "");
  });
  using Keys = std::vector<std::string>;
  read([](View& view) {
    EXPECT_EQ(view.first_deadline(), 100u);
    EXPECT_EQ(due(view, 99), Keys{});
    EXPECT_EQ(due(view, 100), Keys{"early"});
    EXPECT_EQ(due(view, 299), (Keys{"early", "middle"}));
    EXPECT_EQ(due(view, UINT64_MAX), (Keys{"early", "middle", "late"}));
  });
  write([](Transaction& t) {
    t.put_header("early", made_at(2));               // persists
    t.put_header("middle", made_at(3, 0, 500));      // moves behind
    t.put("never", made_at(4, 0, 400), "now does");  // gets one
    EXPECT_EQ(t.first_deadline(), 300u);
    EXPECT_TRUE(t.erase("late"));
  });
  read([](View& view) {
    EXPECT_EQ(due(view, UINT64_MAX), (Keys{"never", "middle"}));
    expect_indexes_match(view);
  });
}

TEST_F(StoreTest, PutsAHeaderAndKeepsTheValue) {
  put("k", "the value");
  const KeyHeader header{.modified = {7, 0}, .created = {1, 0}, .deadline = 9};
  write([&](Transaction& t) {
    t.put_header("k", header);
    EXPECT_EQ(t.get("k")->value, "the value");
  });
  read([&](View& view) {
    EXPECT_EQ(view.get("k")->value, "the value");
    EXPECT_EQ(view.header("k"), header);
  });
}

TEST_F(StoreTest, MayPutWhatGetReturned) {
  put("a", "the value of a");
  put("b", std::string(100'000, 'b'));
  write([](Transaction& t) {
    t.put("copy", made_at(5), t.get("a")->value);
    t.put("a", {.modified = {6, 0}, .created = {1, 0}}, t.get("a")->value.substr(4));
    t.put("new", made_at(7), t.get("b")->value);
  });
  read([](View& view) {
    EXPECT_EQ(view.get("copy")->value, "the value of a");
    EXPECT_EQ(view.get("a")->value, "value of a");
    EXPECT_EQ(view.get("new")->value, std::string(100'000, 'b'));
  });
}

TEST_F(StoreTest, ShowsATransactionItsOwnWrites) {
  put("old", "1");
  write([](Transaction& t) {
    EXPECT_EQ(t.applied_state().key_count, 1u);
    t.put("new", made_at(2), "2");
    EXPECT_EQ(t.applied_state().key_count, 2u);
    EXPECT_EQ(t.get("new")->value, "2");
    t.put("new", made_at(2), "22");
    EXPECT_EQ(t.get("new")->value, "22");
    EXPECT_TRUE(t.erase("old"));
    EXPECT_FALSE(t.get("old"));
    EXPECT_FALSE(t.erase("old"));
    t.put("old", made_at(3), "again");
    EXPECT_EQ(t.get("old")->value, "again");
    EXPECT_EQ(t.applied_state().key_count, 2u);
    EXPECT_EQ(newest_first(t), (std::vector<std::string>{"old", "new"}));
  });
  read(expect_indexes_match);
}

// The location a lookup leaves behind must never serve another key, or outlive a change.
TEST_F(StoreTest, PutsWhereItWasToldWhateverWasLookedUpBefore) {
  put("a", "1");
  put("b", "1");
  write([](Transaction& t) {
    EXPECT_TRUE(t.get("a"));
    t.put("b", made_at(2), "b2");
    EXPECT_FALSE(t.get("c"));
    t.put("a", made_at(1), "a2");
    EXPECT_TRUE(t.header("a"));
    EXPECT_TRUE(t.erase("b"));
    t.put("a", made_at(1), "a3");
    EXPECT_TRUE(t.get("a"));
    t.for_each({}, [](std::string_view, const Record&) { return true; });
    t.put("a", made_at(1), "a4");
    EXPECT_FALSE(t.get("b"));
    t.put("b", made_at(9), "b5");
  });
  Transaction& taken_back = writer_->begin();
  EXPECT_EQ(taken_back.get("b")->value, "b5");
  taken_back.rollback();
  write([](Transaction& t) {
    EXPECT_EQ(t.applied_state().key_count, 2u);
    t.put("b", made_at(9), "b6");
    EXPECT_EQ(t.get("a")->value, "a4");
  });
  read([](View& view) {
    EXPECT_EQ(view.get("b")->value, "b6");
    expect_indexes_match(view);
  });
}

TEST_F(StoreTest, LetsAWalkChangeWhatItMeets) {
  constexpr int kKeys = 3000;
  write([](Transaction& t) {
    for (int i = 0; i < kKeys; ++i) {
      const uint64_t at = 1 + static_cast<uint64_t>(i);
      t.put(fmt::format("k{:05}", i), made_at(at, 0, i % 2 == 0 ? at : 0), "v");
    }
  });
  write([](Transaction& t) {
    std::vector<UnixMillis> met;
    t.for_each_due(UINT64_MAX, [&](UnixMillis deadline, std::string_view key) {
      met.push_back(deadline);
      EXPECT_TRUE(t.erase(key));
      return true;
    });
    EXPECT_EQ(met.size(), kKeys / 2u);
    EXPECT_TRUE(std::is_sorted(met.begin(), met.end()));
    EXPECT_EQ(t.applied_state().key_count, kKeys / 2u);
    t.for_each_created_before({}, [&](EventId, std::string_view key) {
      EXPECT_TRUE(t.header(key));
      t.put_header(key, {.modified = {9999, 0}, .created = t.header(key)->created, .deadline = 5});
      return true;
    });
    int erased = 0;
    t.for_each("k", [&](std::string_view key, const Record&) {
      if (erased >= 1000) return false;
      ++erased;
      return t.erase(key);
    });
  });
  read([](View& view) {
    EXPECT_EQ(contents(view).size(), kKeys / 2 - 1000u);
    EXPECT_EQ(due(view, 5).size(), kKeys / 2 - 1000u);
    expect_indexes_match(view);
  });
}

TEST_F(StoreTest, TakesBackARolledBackTransaction) {
  put("kept", "1");
  const raft::Configuration one = only_voter(1);
  write([&](Transaction& t) {
    t.set_configuration(one);
    t.set_applied(entry(5), 50, 3);
  });
  AppliedState before = store_->applied_state();
  Transaction& transaction = writer_->begin();
  transaction.put("lost", made_at(2, 0, 7), "2");
  transaction.put("kept", made_at(1), "changed");
  transaction.set_applied(entry(6), 60, 4);
  transaction.set_configuration({});
  transaction.set_configuration(only_voter(2));
  EXPECT_EQ(transaction.applied_state().revision, 4u);
  transaction.rollback();
  EXPECT_EQ(store_->applied_state(), before);
  EXPECT_EQ(before.configuration, one);
  EXPECT_EQ(transaction.applied_state(), before);
  read([](View& view) {
    EXPECT_FALSE(view.get("lost"));
    EXPECT_EQ(view.get("kept")->value, "1");
    expect_indexes_match(view);
  });
}

TEST_F(StoreTest, StoresTheAppliedStateWithTheData) {
  raft::Configuration joint{
      .voters = {raft::NodeId(1), raft::NodeId(2)},
      .outgoing = {raft::NodeId(1)},
      .learners = {raft::NodeId(3)},
      .members = {{raft::NodeId(1), "a:1", "a:2"}, {raft::NodeId(2), "b:1", ""}},
      .removed = {raft::NodeId(4)}};
  write([&](Transaction& t) {
    t.put("k", made_at(1), "v");
    t.set_applied({raft::Term(3), raft::Index(77)}, 1'700'000'000'000, 42);
    t.set_configuration(joint);
  });
  const AppliedState expected{.applied = {raft::Term(3), raft::Index(77)},
                              .stamp = 1'700'000'000'000,
                              .revision = 42,
                              .key_count = 1,
                              .history = {},
                              .configuration = joint,
                              .proposers = {}};
  read([&](View& view) { EXPECT_EQ(view.applied_state(), expected); });
  EXPECT_EQ(store_->applied_state(), expected);
  reopen();
  EXPECT_EQ(store_->applied_state(), expected);
  write([](Transaction& t) {
    t.set_applied(entry(78), 1'700'000'000'001, 43);
    t.set_configuration(only_voter(2));
  });
  read([&](View& view) {
    EXPECT_EQ(view.applied_state().configuration.voters, std::vector{raft::NodeId(2)});
    EXPECT_EQ(view.applied_state().key_count, 1u);
  });
}

TEST_F(StoreTest, FindsARandomKeyWheneverThereIsOne) {
  put("only", "v");
  read([](View& view) {
    for (uint64_t random = 0; random < 40; ++random) EXPECT_EQ(view.random_key(random), "only");
  });
  write([](Transaction& t) {
    for (int i = 0; i < 200; ++i) t.put(fmt::format("k{}", i), made_at(10), "v");
  });
  ASSERT_TRUE(store_->checkpoint());
  write([](Transaction& t) {
    for (int i = 200; i < 400; ++i) t.put(fmt::format("k{}", i), made_at(10), "v");
    EXPECT_TRUE(t.random_key(3));
  });
  read([](View& view) {
    std::mt19937_64 random(1);
    std::set<std::string> drawn;
    for (int i = 0; i < 20'000; ++i) drawn.insert(*view.random_key(random()));
    EXPECT_GT(drawn.size(), 390u);
  });
  write([](Transaction& t) {
    t.erase_all();
    t.put("last", made_at(11), "");
    EXPECT_EQ(t.random_key(5), "last");
  });
  read([](View& view) {
    for (uint64_t random = 0; random < 40; ++random) EXPECT_EQ(view.random_key(random), "last");
  });
}

TEST_F(StoreTest, HoldsTheLargestKeysAndValues) {
  cache_bytes_ = 256 << 20;  // several times the largest transaction
  reopen();
  const std::string key(64 << 10, 'k');
  const std::string value(size_t{64} << 20, 'v');
  write([&](Transaction& t) {
    t.put(key, made_at(1, 0, 5), "small");
    t.put(key + "2", made_at(2, 0, 5), "small");
  });
  write([&](Transaction& t) { t.put("big", made_at(3), value); });
  write([&](Transaction& t) { t.put_header("big", made_at(3, 0, 6)); });
  for (int pass = 0; pass < 2; ++pass) {
    read([&](View& view) {
      EXPECT_TRUE(view.get("big")->value == value);
      EXPECT_TRUE(view.get(key));
      EXPECT_TRUE(view.get(key + "2"));
      EXPECT_EQ(due(view, 6).size(), 3u);
      expect_indexes_match(view);
    });
    reopen();
  }
  write([&](Transaction& t) {
    EXPECT_TRUE(t.erase("big"));
    EXPECT_TRUE(t.erase(key));
  });
  read(expect_indexes_match);
}

TEST_F(StoreTest, AgreesWithAMapUnderRandomChanges) {
  std::mt19937_64 random(7);
  std::map<std::string, std::pair<KeyHeader, std::string>> model;
  for (int round = 0; round < 400; ++round) {
    auto changed = model;
    Transaction& t = writer_->begin();
    for (int i = 0; i < 20; ++i) {
      std::string key = fmt::format("{}", random() % 300);
      auto found = changed.find(key);
      EXPECT_EQ(t.header(key).has_value(), found != changed.end());
      switch (random() % 4) {
        case 0:
          EXPECT_EQ(t.erase(key), changed.erase(key) > 0);
          break;
        case 1:
          if (found == changed.end()) break;
          found->second.first.deadline = random() % 50;
          t.put_header(key, found->second.first);
          break;
        default: {
          KeyHeader header = made_at(++revision_, 0, random() % 3 == 0 ? random() % 50 : 0);
          if (found != changed.end() && random() % 2 == 0) {
            header.created = found->second.first.created;
          }
          std::string value(random() % 200, 'v');
          t.put(key, header, value);
          changed[key] = {header, value};
        }
      }
    }
    EXPECT_EQ(t.applied_state().key_count, changed.size());
    if (random() % 4 == 0) {
      t.rollback();
    } else {
      ASSERT_TRUE(t.commit());
      model = std::move(changed);
    }
    if (round % 100 == 50) {
      ASSERT_TRUE(store_->checkpoint());
    }
    if (round == 200) reopen();
  }
  read([&](View& view) {
    auto at = model.begin();
    view.for_each({}, [&](std::string_view key, const Record& record) {
      EXPECT_NE(at, model.end());
      EXPECT_EQ(key, at->first);
      EXPECT_EQ(record.header, at->second.first);
      EXPECT_EQ(record.value, at->second.second);
      return ++at != model.end();
    });
    EXPECT_EQ(at, model.end());
    expect_indexes_match(view);
  });
}

TEST(StoreFormat, EncodesHeadersToTheDocumentedBytes) {
  char bytes[kHeaderBytesMax];
  EXPECT_EQ(encode_header(made_at(0x0102, 3), bytes), 13u);
  EXPECT_EQ(std::string_view(bytes, 13),
            std::string_view("\x00\x02\x01\0\0\0\0\0\0\x03\0\0\0", 13));
  const KeyHeader full{
      .type = ValueType::kStream, .modified = {9, 8}, .created = {7, 6}, .deadline = 5};
  EXPECT_EQ(encode_header(full, bytes), kHeaderBytesMax);
  EXPECT_EQ(bytes[0], 0x35);
  Record record;
  ASSERT_TRUE(decode_record({bytes, kHeaderBytesMax}, record));
  EXPECT_EQ(record.header, full);
  EXPECT_TRUE(record.value.empty());
  for (size_t size = 0; size < kHeaderBytesMax; ++size) {
    EXPECT_FALSE(decode_record({bytes, size}, record)) << size;
  }
}

}  // namespace
}  // namespace kvorum::storage
