// The store by itself: what a SET, a GET and a picture cost without network, log or commands.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/check.h"
#include "benchmarks/bench_folder.h"
#include "storage/store.h"

namespace kvorum::storage {
namespace {

constexpr size_t kKeys = 100'000;

// A store of kKeys keys with 64-byte values, in a folder of its own.
class Filled {
 public:
  Filled() {
    auto opened = Store::open({.folder = folder_.path() + "/store"});
    CHECK(opened, "{}", opened.error().message);
    store_ = std::move(*opened);
    writer_ = store_->new_writer();
    // Short enough to lie in the string itself: finding the key is not what is measured.
    for (size_t i = 0; i < kKeys; ++i) keys_.push_back(fmt::format("key:{:011}", i));
    for (size_t i = 0; i < kKeys;) {
      Transaction& transaction = writer_->begin();
      for (size_t end = i + 1000; i < end; ++i) put(transaction, keys_[i]);
      CHECK(transaction.commit());
    }
    CHECK(store_->checkpoint());
  }
  ~Filled() {
    writer_.reset();
    store_.reset();
  }

  Store& store() { return *store_; }
  Writer& writer() { return *writer_; }
  const std::string& any_key() { return keys_[random_() % kKeys]; }
  std::string new_key() { return fmt::format("new:{:012}", random_() % 1'000'000'000'000); }

  void put(Transaction& transaction, std::string_view key) {
    const EventId id{++revision_, 0};
    transaction.put(key, {.modified = id, .created = id}, value_);
  }
  // As SET does: look, then put, keeping the id of creation.
  void set(Transaction& transaction, std::string_view key) {
    const EventId id{++revision_, 0};
    KeyHeader header{.modified = id, .created = id};
    if (auto old = transaction.header(key)) header.created = old->created;
    transaction.put(key, header, value_);
  }
  void finish(Transaction& transaction) {
    transaction.set_applied({raft::Term(1), raft::Index(revision_)}, revision_, revision_);
    CHECK(transaction.commit());
  }

 private:
  const BenchFolder folder_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Writer> writer_;
  std::vector<std::string> keys_;
  const std::string value_ = std::string(64, 'v');
  std::minstd_rand random_{42};
  uint64_t revision_ = 0;
};

Filled& filled() {
  static Filled instance;
  return instance;
}

// range(0): commands in a transaction.
template <class Each>
void run_transactions(benchmark::State& state, const Each& each) {
  Filled& data = filled();
  const int64_t size = state.range(0);
  for (auto _ : state) {
    Transaction& transaction = data.writer().begin();
    for (int64_t i = 0; i < size; ++i) each(data, transaction);
    data.finish(transaction);
  }
  state.SetItemsProcessed(state.iterations() * size);
}

void BM_SetExisting(benchmark::State& state) {
  run_transactions(state, [](Filled& data, Transaction& t) { data.set(t, data.any_key()); });
}
void BM_SetNew(benchmark::State& state) {
  run_transactions(state, [](Filled& data, Transaction& t) { data.set(t, data.new_key()); });
}
BENCHMARK(BM_SetExisting)->Arg(1)->Arg(16)->Arg(50)->Arg(256);
BENCHMARK(BM_SetNew)->Arg(1)->Arg(16)->Arg(256)->MinTime(0.2);

void BM_GetHit(benchmark::State& state) {
  auto reader = filled().store().new_reader();
  View& view = reader->begin();
  for (auto _ : state) benchmark::DoNotOptimize(view.get(filled().any_key()));
  reader->end();
  state.SetItemsProcessed(state.iterations());
}
void BM_GetMiss(benchmark::State& state) {
  auto reader = filled().store().new_reader();
  View& view = reader->begin();
  for (auto _ : state) benchmark::DoNotOptimize(view.get("key:00000000042x"));
  reader->end();
  state.SetItemsProcessed(state.iterations());
}
void BM_Picture(benchmark::State& state) {
  auto reader = filled().store().new_reader();
  for (auto _ : state) {
    benchmark::DoNotOptimize(&reader->begin());
    reader->end();
  }
}
void BM_PictureOfOneGet(benchmark::State& state) {
  auto reader = filled().store().new_reader();
  for (auto _ : state) {
    benchmark::DoNotOptimize(reader->begin().get(filled().any_key()));
    reader->end();
  }
}
void BM_PictureWithAppliedState(benchmark::State& state) {
  auto reader = filled().store().new_reader();
  for (auto _ : state) {
    View& view = reader->begin();
    benchmark::DoNotOptimize(&view.applied_state());
    benchmark::DoNotOptimize(view.get(filled().any_key()));
    reader->end();
  }
}
BENCHMARK(BM_GetHit);
BENCHMARK(BM_GetMiss);
BENCHMARK(BM_Picture);
BENCHMARK(BM_PictureOfOneGet);
BENCHMARK(BM_PictureWithAppliedState);

void BM_Walk1000(benchmark::State& state) {
  auto reader = filled().store().new_reader();
  View& view = reader->begin();
  for (auto _ : state) {
    int left = 1000;
    view.for_each("key:", [&left](std::string_view, const Record&) { return --left > 0; });
  }
  reader->end();
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(BM_Walk1000);

}  // namespace
}  // namespace kvorum::storage

BENCHMARK_MAIN();
