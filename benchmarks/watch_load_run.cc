#include "benchmarks/watch_load_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <numeric>

#include "base/check.h"
#include "base/splitmix64.h"
#include "benchmarks/cpu_time.h"

namespace kvorum::benchmarks {
namespace {

using std::chrono::nanoseconds;

constexpr std::string_view kCommonPrefix = "watch:all:";
constexpr uint64_t kCommonKeys = 1000;
// With a rate: so many writes at most are under way, more wait until some are done.
constexpr size_t kUnderWayMax = 4096;
constexpr nanoseconds kWaitMax = std::chrono::milliseconds(100);
constexpr nanoseconds kSilenceMax = std::chrono::seconds(10);

nanoseconds to_ns(double seconds) {
  return std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(seconds));
}

void announce(std::string_view what) {
  fmt::print("{}\n", what);
  std::fflush(stdout);
}

std::unique_ptr<WatchTarget> connect(const WatchLoadOptions& options, WatchListener& listener) {
  auto target = options.etcd ? connect_etcd(options.target, listener)
                             : connect_redis(options.target, listener);
  if (target == nullptr) die("built without nghttp2, which etcd needs");
  return target;
}

}  // namespace

WatchLoad::WatchLoad(const WatchLoadOptions& options)
    : options_(options),
      common_(options.watched == Watched::kPrefix),
      target_(connect(options_, *this)),
      check_(options.target.watchers, common_ ? options.target.writers : 1, target_->keeps_order()),
      random_(options.seed),
      left_(options.rate > 0 ? kUnderWayMax : options.target.writers * options.pipeline),
      free_slots_(left_.size()) {
  std::iota(free_slots_.rbegin(), free_slots_.rend(), 0U);
}

void WatchLoad::subscribe() {
  const bool prefix = options_.watched != Watched::kKeys;
  for (size_t i = 0; i < options_.target.watchers; ++i) {
    target_->watch(i, name_of_watched(i), prefix);
  }
  auto last_came = Clock::now();
  while (watching_ < options_.target.watchers) {
    const size_t before = watching_;
    target_->wait(kWaitMax);
    const auto now = Clock::now();
    if (watching_ > before) last_came = now;
    if (now - last_came > kSilenceMax) {
      die("only {} of {} watchers were subscribed", watching_, options_.target.watchers);
    }
  }
}

nlohmann::json WatchLoad::measure() {
  next_due_ = Clock::now();
  run(options_.warm_up_seconds);
  announce("begin");
  counting_ = true;
  latest_ = nanoseconds(0);
  const Counters begin = counters();
  run(options_.seconds);
  const Counters end = counters();
  counting_ = false;
  announce("end");
  finish();
  return result(begin, end);
}

WatchLoad::Counters WatchLoad::counters() const {
  return {written_, check_.delivered(), cpu_seconds(), Clock::now()};
}

nlohmann::json WatchLoad::result(const Counters& begin, const Counters& end) {
  const double seconds = std::chrono::duration<double>(end.at - begin.at).count();
  const auto events = static_cast<double>(end.written - begin.written);
  const auto deliveries = static_cast<double>(end.delivered - begin.delivered);
  const double cpu = end.cpu_seconds - begin.cpu_seconds;
  const uint64_t expected = sent_ * (common_ ? options_.target.watchers : 1);
  return {
      {"seconds", seconds},
      {"events_per_s", events / seconds},
      {"deliveries_per_s", deliveries / seconds},
      {"p50_ms", latencies_.percentile_ms(0.5)},
      {"p99_ms", latencies_.percentile_ms(0.99)},
      {"max_ms", latencies_.max_ms()},
      {"behind_rate_ms", static_cast<double>(latest_.count()) / 1e6},
      {"generator_percent", 100 * cpu / seconds},
      {"generator_us", deliveries > 0 ? cpu * 1e6 / deliveries : 0},
      // Of the whole run, with what came before and after it counted.
      {"expected", expected},
      {"lost", expected - std::min(expected, check_.delivered())},
      {"out_of_order", check_.out_of_order()},
      {"told_lost", told_lost_},
  };
}

std::string WatchLoad::name_of_watched(size_t watcher) const {
  switch (options_.watched) {
    case Watched::kKeys:
      return fmt::format("watch:{:08}", watcher);
    case Watched::kPrefix:
      return std::string(kCommonPrefix);
    case Watched::kPrefixes:
      return fmt::format("watch:{:08}:", watcher);
  }
  return {};
}

void WatchLoad::send_due(Clock::time_point now) {
  const bool paced = options_.rate > 0;
  if (paced) latest_ = std::max<nanoseconds>(latest_, now - next_due_);
  while (!free_slots_.empty() && !(paced && next_due_ > now)) {
    write(now);
    if (paced) next_due_ += to_ns(1 / options_.rate);
  }
  target_->flush();
}

void WatchLoad::write(Clock::time_point now) {
  const size_t writers = options_.target.writers;
  const uint64_t chance = splitmix64(random_);
  Stamp stamp{.sent_ns = nanoseconds(now.time_since_epoch()).count(), .slot = free_slots_.back()};
  free_slots_.pop_back();
  size_t writer = 0;
  key_.clear();
  if (common_) {
    writer = next_writer_++ % writers;
    stamp.source = static_cast<uint32_t>(writer);
    fmt::format_to(std::back_inserter(key_), "{}{:08}", kCommonPrefix, chance % kCommonKeys);
  } else {
    const size_t watcher = chance % options_.target.watchers;
    writer = watcher % writers;  // always the same, so that the changes of a key have an order
    stamp.source = static_cast<uint32_t>(watcher);
    key_ = name_of_watched(watcher);
    if (options_.watched == Watched::kPrefixes) key_.push_back('x');
  }
  stamp.number = check_.send(stamp.source);
  left_[stamp.slot] = 1 + (common_ ? static_cast<uint32_t>(options_.target.watchers) : 1);
  ++sent_;
  target_->put(writer, key_, stamp.write(value_, options_.value_bytes), stamp.slot);
}

void WatchLoad::run(double seconds) {
  const auto end = Clock::now() + to_ns(seconds);
  for (auto now = Clock::now(); now < end; now = Clock::now()) {
    send_due(now);
    nanoseconds longest = std::min<nanoseconds>(kWaitMax, end - now);
    if (options_.rate > 0 && !free_slots_.empty()) {
      longest = std::clamp<nanoseconds>(next_due_ - now, nanoseconds(0), longest);
    }
    target_->wait(longest);
  }
}

void WatchLoad::finish() {
  auto last_came = Clock::now();
  while (under_way() > 0) {
    const uint64_t before = check_.delivered() + written_;
    target_->wait(kWaitMax);
    const auto now = Clock::now();
    if (check_.delivered() + written_ > before) last_came = now;
    if (now - last_came > kSilenceMax) return;
  }
}

void WatchLoad::one_done(uint32_t slot) {
  if (slot >= left_.size() || left_[slot] == 0) die("a change was delivered that was not due");
  if (--left_[slot] == 0) free_slots_.push_back(slot);
}

void WatchLoad::on_watching(size_t /*watcher*/) {
  ++watching_;
}

void WatchLoad::on_change(size_t watcher, ChangeId id, std::string_view value,
                          Clock::time_point at) {
  const Stamp stamp = Stamp::read(value);
  if (!common_ && stamp.source != watcher) die("a change of a key that is not watched");
  if (!check_.deliver(watcher, common_ ? stamp.source : 0, id, stamp.number)) return;
  if (counting_) latencies_.add(at.time_since_epoch() - nanoseconds(stamp.sent_ns));
  one_done(stamp.slot);
}

void WatchLoad::on_told_lost(size_t /*watcher*/) {
  ++told_lost_;
}

void WatchLoad::on_written(uint32_t tag) {
  ++written_;
  one_done(tag);
}

}  // namespace kvorum::benchmarks
