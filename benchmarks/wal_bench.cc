// The write-ahead log: appending to a real disk (a folder made in $KVORUM_BENCH_DIR, or here), and
// building frames alone. Entries carry 100 bytes.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "storage/wal.h"
#include "storage/wal_format.h"

namespace kvorum::storage {
namespace {

constexpr size_t kEntryBytes = 100;

std::vector<raft::EntryPtr> make_entries(uint64_t first, int64_t count) {
  std::vector<raft::EntryPtr> entries;
  for (int64_t i = 0; i < count; ++i) {
    auto entry = std::make_shared<raft::Entry>();
    entry->id = {raft::Term(1), raft::Index(first + static_cast<uint64_t>(i))};
    entry->kind = raft::EntryKind::kCommands;
    entry->stamp = 1'700'000'000'000;
    entry->data = std::string(kEntryBytes, 'x');
    entries.push_back(std::move(entry));
  }
  return entries;
}

// A folder on the disk to measure, gone at the end.
class BenchFolder {
 public:
  BenchFolder() {
    const char* root = std::getenv("KVORUM_BENCH_DIR");
    path_ = std::string(root != nullptr ? root : ".") + "/wal_bench_XXXXXX";
    CHECK(::mkdtemp(path_.data()) != nullptr, "can't make {}", path_);
  }
  ~BenchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  BenchFolder(const BenchFolder&) = delete;
  BenchFolder& operator=(const BenchFolder&) = delete;
  std::string wal() const { return path_ + "/wal"; }

 private:
  std::string path_;
};

void append(benchmark::State& state) {
  BenchFolder folder;
  auto files = make_posix_file_system();
  WalRecovery recovery;
  auto wal = Wal::open(*files, WalOptions{folder.wal()}, raft::Index(), recovery);
  CHECK(wal.has_value(), "{}", wal.error().message);
  uint64_t next = 1;
  for (auto _ : state) {
    state.PauseTiming();
    auto entries = make_entries(next, state.range(0));
    next += entries.size();
    state.ResumeTiming();
    const WalBatch batch{std::nullopt, entries};
    auto outcome = (*wal)->append({&batch, 1});
    CHECK(outcome && *outcome == AppendOutcome::kWritten);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(static_cast<int64_t>((*wal)->bytes()));
}
BENCHMARK(append)->Arg(1)->Arg(16)->Arg(256)->UseRealTime()->Unit(benchmark::kMicrosecond);

void encode(benchmark::State& state) {
  const auto entries = make_entries(1, state.range(0));
  wal::FrameBuilder builder;
  uint64_t sequence = 0;
  for (auto _ : state) {
    builder.clear();
    for (const auto& entry : entries) builder.add(*entry);
    benchmark::DoNotOptimize(builder.seal(1, ++sequence).data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * state.range(0) * int64_t{kEntryBytes});
}
BENCHMARK(encode)->Arg(1)->Arg(16)->Arg(256);

// Starting on a log of about `range` MiB of entries that the store does not hold.
void open(benchmark::State& state) {
  BenchFolder folder;
  auto files = make_posix_file_system();
  WalRecovery recovery;
  {
    auto wal = Wal::open(*files, WalOptions{folder.wal()}, raft::Index(), recovery);
    CHECK(wal.has_value(), "{}", wal.error().message);
    uint64_t next = 1;
    while ((*wal)->bytes() < static_cast<uint64_t>(state.range(0)) << 20) {
      auto entries = make_entries(next, 1000);
      next += entries.size();
      const WalBatch batch{std::nullopt, entries};
      CHECK((*wal)->append({&batch, 1}).has_value());
    }
  }
  for (auto _ : state) {
    auto wal = Wal::open(*files, WalOptions{folder.wal()}, raft::Index(), recovery);
    CHECK(wal.has_value());
  }
  state.counters["entries"] = static_cast<double>(recovery.entries.size());
}
BENCHMARK(open)->Arg(1)->Arg(100)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace kvorum::storage

BENCHMARK_MAIN();
