#include "command/batch.h"

#include <gtest/gtest.h>

namespace kvorum::command {
namespace {

using Views = std::vector<std::string_view>;

std::string sample_batch() {
  BatchBuilder builder(1234);
  builder.add(Views{"SET", "k", "v"});
  builder.add_transaction(std::vector<Watched>{{"w", {300, 2}}, {"", {}}},
                          std::vector<std::vector<std::string>>{{"GET", "a"}, {"DEL", ""}});
  builder.add_expire_due(1000);
  builder.add_history_policy(1 << 30, 300);
  builder.add(Views{"GET", std::string_view("\0", 1)});
  EXPECT_EQ(builder.items(), 5U);
  std::string data = builder.take();
  EXPECT_TRUE(builder.empty());
  EXPECT_EQ(builder.bytes(), 0U);
  return data;
}

TEST(Batch, ReadsBackWhatWasAdded) {
  const std::string data = sample_batch();
  BatchReader reader(data);
  EXPECT_EQ(reader.value_bytes_max(), 1234U);
  EXPECT_EQ(reader.items(), 5U);
  BatchItem item;
  ASSERT_TRUE(reader.next(item));
  EXPECT_EQ(std::get<BatchCommand>(item).args, Views({"SET", "k", "v"}));
  ASSERT_TRUE(reader.next(item));
  const auto& transaction = std::get<BatchTransaction>(item);
  ASSERT_EQ(transaction.watches.size(), 2U);
  EXPECT_EQ(transaction.watches[0].first, "w");
  EXPECT_EQ(transaction.watches[0].second, (EventId{300, 2}));
  EXPECT_EQ(transaction.watches[1].second, EventId{});
  ASSERT_EQ(transaction.commands.size(), 2U);
  EXPECT_EQ(transaction.commands[1], Views({"DEL", ""}));
  ASSERT_TRUE(reader.next(item));
  EXPECT_EQ(std::get<BatchExpireDue>(item).most, 1000U);
  ASSERT_TRUE(reader.next(item));
  EXPECT_EQ(std::get<BatchHistoryPolicy>(item).max_bytes, uint64_t{1} << 30);
  EXPECT_EQ(std::get<BatchHistoryPolicy>(item).max_age_ms, 300U);
  ASSERT_TRUE(reader.next(item));
  EXPECT_EQ(std::get<BatchCommand>(item).args, Views({"GET", std::string_view("\0", 1)}));
  EXPECT_FALSE(reader.next(item));
  EXPECT_TRUE(reader.ok());
}

TEST(Batch, CarriesTheIdentityItIsGiven) {
  std::string data = sample_batch();
  EXPECT_FALSE(identity_of(data));
  EXPECT_FALSE(identity_of(""));
  const BatchIdentity identity{raft::NodeId(7), 1ULL << 60, 12};
  identify(data, identity);
  EXPECT_EQ(identity_of(data), identity);
  BatchReader reader(data);
  EXPECT_EQ(reader.value_bytes_max(), 1234U);
  BatchItem item;
  while (reader.next(item)) {
  }
  EXPECT_TRUE(reader.ok());
  data.pop_back();
  BatchReader cut(data);
  while (cut.next(item)) {
  }
  EXPECT_FALSE(cut.ok());
}

TEST(Batch, AnEmptyBatchHasNoItems) {
  BatchBuilder builder;
  const std::string data = builder.take();
  BatchReader reader(data);
  BatchItem item;
  EXPECT_FALSE(reader.next(item));
  EXPECT_TRUE(reader.ok());
}

bool reads(std::string_view data) {
  BatchReader reader(data);
  BatchItem item;
  while (reader.next(item)) {
  }
  return reader.ok();
}

TEST(Batch, KnowsWhenItIsCutShortOrTooLong) {
  const std::string data = sample_batch();
  EXPECT_TRUE(reads(data));
  for (size_t size = 0; size < data.size(); ++size) {
    EXPECT_FALSE(reads(std::string_view(data).substr(0, size))) << size;
  }
  EXPECT_FALSE(reads(data + "x"));
}

TEST(Batch, RefusesUnknownItemsAndImpossibleCounts) {
  EXPECT_FALSE(reads(std::string("\x00\x01\x05", 3)));                          // unknown kind
  EXPECT_FALSE(reads(std::string("\x00\x01\x04\x01", 4)));                      // no age
  EXPECT_FALSE(reads(std::string("\x00\x01\x00\x00", 4)));                      // no arguments
  EXPECT_FALSE(reads(std::string("\x00\x01\x00\xff\xff\xff\xff\x0f", 8)));      // argc of 2^32
  EXPECT_FALSE(reads(std::string("\x00\x01\x01\xff\xff\xff\xff\x0f\x00", 9)));  // watches
}

}  // namespace
}  // namespace kvorum::command
