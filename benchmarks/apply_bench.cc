// What a committed entry costs the applier: SETs of 64 bytes, executed and committed, with and
// without an event history, and with one that is full, so that every entry also removes old rows.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "benchmarks/bench_folder.h"
#include "command/batch.h"
#include "command/executor.h"
#include "command/table.h"
#include "storage/store.h"

namespace kvorum::command {
namespace {

constexpr uint64_t kKeys = 100'000;
constexpr size_t kEntries = 64;  // different ones, used again and again

enum History : int64_t { kOff, kGrows, kIsFull };
constexpr uint64_t kFullBytes = 32 << 20;

// A store of kKeys keys in a folder of its own, and what executes entries on it.
class Machine {
 public:
  Machine() {
    auto opened = storage::Store::open({.folder = folder_.path() + "/store"});
    CHECK(opened, "{}", opened.error().message);
    store_ = std::move(*opened);
    writer_ = store_->new_writer();
    table_.add(string_commands());
    for (uint64_t key = 0; key < kKeys;) {
      BatchBuilder batch;
      for (uint64_t end = key + 1000; key < end; ++key) add_set(batch, key);
      execute(batch.take());
    }
    CHECK(store_->checkpoint());
  }
  ~Machine() {
    writer_.reset();
    store_.reset();
  }

  void set_history(int64_t history) {
    BatchBuilder off;
    off.add_history_policy(0, 0);
    off.add_expire_due(UINT64_MAX);
    execute(off.take());
    if (history == kOff) return;
    BatchBuilder on;
    on.add_history_policy(history == kGrows ? UINT64_MAX : kFullBytes, 0);
    execute(on.take());
    const std::vector<std::string> entries = make_entries(800);
    while (history == kIsFull && applied().history.floor < applied().history.oldest &&
           applied().history.bytes + (1 << 20) < kFullBytes) {
      for (size_t i = 0; i < 10; ++i) execute(entries[i]);
    }
    CHECK(store_->checkpoint());
  }

  std::vector<std::string> make_entries(uint64_t sets) {
    std::vector<std::string> entries;
    for (size_t i = 0; i < kEntries; ++i) {
      BatchBuilder batch;
      for (uint64_t set = 0; set < sets; ++set) add_set(batch, random_() % kKeys);
      entries.push_back(batch.take());
    }
    return entries;
  }

  void execute(const std::string& data) {
    entry_.id = {raft::Term(1), raft::Index(++index_)};
    entry_.kind = raft::EntryKind::kCommands;
    entry_.stamp = index_;
    entry_.data = data;
    storage::Transaction& transaction = writer_->begin();
    CHECK(executor_.execute(entry_, transaction, nullptr, {}, &replies_) == Executed::kDone);
    CHECK(transaction.commit());
  }

  storage::AppliedState applied() { return store_->applied_state(); }

 private:
  void add_set(BatchBuilder& batch, uint64_t key) {
    const std::string name = fmt::format("key:{:011}", key);
    batch.add(std::vector<std::string_view>{"SET", name, value_});
  }

  const BenchFolder folder_;
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<storage::Writer> writer_;
  CommandTable table_;
  Executor executor_{table_};
  ReplyBuffer replies_;
  raft::Entry entry_;
  uint64_t index_ = 0;
  const std::string value_ = std::string(64, 'v');
  std::minstd_rand random_{42};
};

// range(0): SETs in an entry, which is a transaction of its own. range(1): the history.
void BM_ApplySets(benchmark::State& state) {
  static Machine machine;
  const auto sets = static_cast<uint64_t>(state.range(0));
  machine.set_history(state.range(1));
  const std::vector<std::string> entries = machine.make_entries(sets);
  size_t next = 0;
  for (auto _ : state) machine.execute(entries[next++ % kEntries]);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_ApplySets)
    ->ArgNames({"sets", "history"})
    ->ArgsProduct({{1, 50, 800}, {kOff, kGrows, kIsFull}});

}  // namespace
}  // namespace kvorum::command

BENCHMARK_MAIN();
