// CommandRunner: commands run as the server would run them, without a server: checked, logged as a
// batch, executed on a store, answered. CommandTest runs every test on the memory store and on the
// real one.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "command/executor.h"
#include "command/history.h"
#include "command/table.h"
#include "resp/protocol.h"
#include "storage/store.h"

namespace kvorum::command::testing {

using Words = std::vector<std::string>;

// The table of this module's families.
const CommandTable& test_table();

// A reply as resp::to_string shows it: `["a", 1, OK, (nil)]`, `(error) ERR …`.
std::string readable(std::string_view reply);

// The words of a line, split at blanks; no quoting.
Words words(std::string_view line);

// "set 3-0 k=v", "del 4-0 k".
std::string worded(const HistoryEvent& event);

class CommandRunner {
 public:
  explicit CommandRunner(storage::Store& store);

  // The reply, readable; words split at blanks in the second form.
  std::string run(const Words& args);
  std::string operator()(std::string_view line) { return run(words(line)); }
  // The reply's bytes.
  std::string raw(const Words& args);
  // A transaction. Empty `watches` watch nothing.
  std::string exec(const std::vector<Words>& commands, const std::vector<Watched>& watches = {});
  std::string expire_due(uint64_t most);
  void keep_history(uint64_t max_bytes, uint64_t max_age_ms = 0);
  // Executes a batch as one entry and commits it; the replies.
  std::vector<std::string> apply(std::string batch);

  // Events of the last entry, worded.
  std::vector<std::string> events() const;
  const EventBatch& event_batch() const { return events_; }
  // Every event that is held, worded.
  std::vector<std::string> history();
  // Everything that the store has of the history, byte for byte.
  std::string history_bytes();
  EventId modified(std::string_view key);
  storage::AppliedState applied() { return store_.applied_state(); }
  // Everything the store holds, in words.
  std::string contents();

  UnixMillis now = 1'700'000'000'000;
  uint64_t random = 1;
  bool want_events = true;
  resp::Protocol protocol = resp::Protocol::kResp2;
  ArgumentLimits limits;
  // Entries executed again because the transaction failed.
  uint64_t retries = 0;
  uint64_t parts = 0;  // in which the last entry was executed

 private:
  storage::Store& store_;
  std::unique_ptr<storage::Reader> reader_;
  std::unique_ptr<storage::Writer> writer_;
  Executor executor_;
  EventBatch events_;
  uint64_t index_ = 0;
};

enum class StoreKind : uint8_t { kMemory, kWiredTiger };

// A store of a kind, on disk in a folder that is removed with it.
class TestStore {
 public:
  explicit TestStore(StoreKind kind);
  ~TestStore();
  TestStore(const TestStore&) = delete;
  TestStore& operator=(const TestStore&) = delete;
  storage::Store& get() { return *store_; }

 private:
  std::string folder_;
  std::unique_ptr<storage::Store> store_;
};

class CommandTest : public ::testing::TestWithParam<StoreKind> {
 protected:
  TestStore store_{GetParam()};
  CommandRunner run{store_.get()};
};

struct Example {
  std::string_view line;
  std::string_view reply;
};
// Runs each line in turn and expects its reply.
void expect_replies(CommandRunner& run, const std::vector<Example>& examples);

#define KVORUM_COMMAND_TESTS(suite)                                             \
  INSTANTIATE_TEST_SUITE_P(                                                     \
      On, suite, ::testing::Values(StoreKind::kMemory, StoreKind::kWiredTiger), \
      [](const auto& info) { return info.param == StoreKind::kMemory ? "Memory" : "WiredTiger"; })

}  // namespace kvorum::command::testing
