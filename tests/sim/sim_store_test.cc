// The simulated store keeps the promises of the real one that the simulation relies on.
#include "tests/sim/sim_store.h"

#include <gtest/gtest.h>

#include "tests/storage/store_testing.h"

namespace kvorum::sim {
namespace {

using storage::append_row;
using storage::trim_rows;

class SimStoreTest : public testing::Test {
 protected:
  SimStoreTest() { crash(); }

  // The machine begins again with what is durable.
  void crash() {
    store_ = std::make_unique<SimStore>(SimStore::Surroundings{
        .durable = durable_,
        .snapshots = snapshots_,
        .take_time = [] {},
        .fails = [] { return false; },
    });
  }
  template <class Change>
  void write(const Change& change) {
    auto writer = store_->new_writer();
    storage::Transaction& transaction = writer->begin();
    change(transaction);
    ASSERT_TRUE(transaction.commit());
  }
  storage::HistoryRows rows() {
    auto reader = store_->new_reader();
    storage::View& view = reader->begin();
    storage::expect_history_matches(view);
    storage::HistoryRows found = storage::history_after(view);
    reader->end();
    return found;
  }

  Image durable_ = std::make_shared<const command::testing::MemoryStore>();
  std::map<std::string, Image> snapshots_;
  std::unique_ptr<SimStore> store_;
};

TEST_F(SimStoreTest, StandsAtItsLastCheckpointAfterACrash) {
  write([](storage::Transaction& t) {
    append_row(t, {1, 0}, "a");
    append_row(t, {2, 0}, "b");
    append_row(t, {3, 0}, "c");
    trim_rows(t, 1);
  });
  ASSERT_TRUE(store_->checkpoint());
  const storage::AppliedState state = store_->applied_state();
  const storage::HistoryRows held = rows();
  const uint64_t hash = store_->hash();
  EXPECT_EQ(held.size(), 2U);
  write([](storage::Transaction& t) {
    append_row(t, {4, 0}, "d");
    trim_rows(t, 2);
  });
  EXPECT_NE(store_->hash(), hash);
  crash();
  EXPECT_EQ(rows(), held);
  EXPECT_EQ(store_->applied_state(), state);
  EXPECT_EQ(store_->hash(), hash);
}

TEST_F(SimStoreTest, TakesTheHistoryOfASnapshot) {
  write([](storage::Transaction& t) { append_row(t, {9, 0}, "theirs"); });
  ASSERT_TRUE(store_->checkpoint());
  snapshots_["snapshot"] = durable_;
  const uint64_t hash = store_->hash();
  durable_ = std::make_shared<const command::testing::MemoryStore>();
  crash();
  write([](storage::Transaction& t) { append_row(t, {1, 0}, "mine"); });
  ASSERT_TRUE(store_->replace("snapshot"));
  EXPECT_EQ(store_->hash(), hash);
  EXPECT_EQ(rows(), (storage::HistoryRows{{{9, 0}, "theirs"}}));
  crash();
  EXPECT_EQ(store_->hash(), hash);
}

TEST_F(SimStoreTest, HashesTheHistory) {
  write([](storage::Transaction& t) { append_row(t, {1, 0}, "row"); });
  const storage::HistoryState state = store_->applied_state().history;
  std::vector<uint64_t> hashes = {store_->hash()};
  const auto expect_another = [&] {
    const uint64_t hash = store_->hash();
    EXPECT_EQ(std::count(hashes.begin(), hashes.end(), hash), 0);
    hashes.push_back(hash);
  };
  for (uint64_t storage::HistoryState::*number :
       {&storage::HistoryState::max_bytes, &storage::HistoryState::max_age_ms,
        &storage::HistoryState::bytes, &storage::HistoryState::oldest_stamp}) {
    storage::HistoryState other = state;
    other.*number += 1;
    write([&](storage::Transaction& t) { t.set_history(other); });
    expect_another();
  }
  for (EventId storage::HistoryState::*id :
       {&storage::HistoryState::floor, &storage::HistoryState::last}) {
    storage::HistoryState other = state;
    (other.*id).change += 1;
    write([&](storage::Transaction& t) { t.set_history(other); });
    expect_another();
  }
  for (std::string_view row : {"wor", ""}) {
    write([&](storage::Transaction& t) {
      t.set_history(state);
      trim_rows(t, 1);
      append_row(t, {2, 0}, row);
      t.set_history({.floor = {}, .last = {}, .oldest = {2, 0}});
    });
    expect_another();
    write([&](storage::Transaction& t) {
      trim_rows(t, 1);
      append_row(t, {1, 0}, "row");
    });
  }
}

}  // namespace
}  // namespace kvorum::sim
