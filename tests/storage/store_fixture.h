// StoreTest: a store in a folder of its own, with one writer and one reader.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "store_testing.h"

namespace kvorum::storage {

inline raft::Configuration only_voter(uint64_t id) {
  raft::Configuration configuration;
  configuration.voters = {raft::NodeId(id)};
  configuration.members = {{raft::NodeId(id), "a:1", ""}};
  return configuration;
}

class StoreTest : public testing::Test {
 protected:
  void SetUp() override { reopen(); }

  void reopen() {
    reader_.reset();
    writer_.reset();
    store_.reset();
    store_ = open_store(folder_.path(), cache_bytes_);
    writer_ = store_->new_writer();
    reader_ = store_->new_reader();
  }
  // Runs `change` in a transaction of its own.
  template <class Change>
  void write(const Change& change) {
    Transaction& transaction = writer_->begin();
    change(transaction);
    ASSERT_TRUE(transaction.commit());
  }
  void put(std::string_view key, std::string_view value) {
    write([&](Transaction& t) { t.put(key, made_at(++revision_), value); });
  }
  template <class Look>
  void read(const Look& look) {
    View& view = reader_->begin();
    look(view);
    EXPECT_TRUE(reader_->consistent());
    reader_->end();
  }

  StoreFolder folder_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<Reader> reader_;
  uint64_t cache_bytes_ = 64 << 20;
  uint64_t revision_ = 0;
};

}  // namespace kvorum::storage
