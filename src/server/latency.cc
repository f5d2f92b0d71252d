#include "server/latency.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "server/slow_note.h"

namespace kvorum::server {

namespace {

struct Range {
  uint64_t low = 0;
  uint64_t high = 0;
};

Range range_of(const std::deque<Latency::Sample>& samples) {
  auto [low, high] = std::ranges::minmax(samples, {}, &Latency::Sample::ms);
  return {low.ms, high.ms};
}

// "12s", "3m", "5h", "2d".
std::string age(uint64_t seconds) {
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m", seconds / 60);
  if (seconds < 86400) return fmt::format("{}h", seconds / 3600);
  return fmt::format("{}d", seconds / 86400);
}

std::string without_trailing_blanks(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

// Each column is a bar whose top is one of three characters, so a row shows three heights.
std::string bars(const std::deque<Latency::Sample>& samples, Range range) {
  constexpr std::string_view kTops = "_o#";
  constexpr uint64_t kRows = 4;
  constexpr uint64_t kSteps = kRows * kTops.size();
  const uint64_t span = std::max<uint64_t>(range.high - range.low, 1);
  std::string text;
  for (uint64_t row = kRows; row-- > 0;) {
    std::string line;
    for (const Latency::Sample& sample : samples) {
      auto share = static_cast<double>(sample.ms - range.low) / static_cast<double>(span);
      uint64_t step =
          std::min(static_cast<uint64_t>(share * static_cast<double>(kSteps)), kSteps - 1);
      uint64_t top = step / kTops.size();
      if (row == top) line.push_back(kTops[step % kTops.size()]);
      if (row < top) line.push_back('|');
      if (row > top) line.push_back(' ');
    }
    text += without_trailing_blanks(std::move(line));
  }
  return text;
}

// The ages are read from top to bottom.
std::string ages(const std::deque<Latency::Sample>& samples, uint64_t now_unix_s) {
  std::vector<std::string> labels;
  for (const Latency::Sample& sample : samples) {
    labels.push_back(age(now_unix_s - std::min(sample.unix_s, now_unix_s)));
  }
  size_t rows = std::ranges::max(labels, {}, &std::string::size).size();
  std::string text;
  for (size_t row = 0; row < rows; ++row) {
    std::string line;
    for (const std::string& label : labels) line.push_back(row < label.size() ? label[row] : ' ');
    text += without_trailing_blanks(std::move(line));
  }
  return text;
}

std::string_view advice(std::string_view event) {
  if (event == kEventWalSync) {
    return "A write is acknowledged only after its sync: a slow disk is felt by every writer. Give "
           "the data folder a disk of its own, or a faster one.";
  }
  if (event == kEventCheckpoint) {
    return "Checkpoints run beside everything else. They are shorter when taken more often "
           "(storage.checkpoint_interval_s, storage.checkpoint_log_bytes).";
  }
  return "SLOWLOG GET shows which commands were slow, if slowlog-log-slower-than is low enough.";
}

}  // namespace

void Latency::add(std::string_view event, uint64_t unix_s, uint64_t ms) {
  auto place = events_.find(event);
  if (place == events_.end()) place = events_.emplace(event, Event{}).first;
  Event& known = place->second;
  known.worst_ms = std::max(known.worst_ms, ms);
  std::deque<Sample>& samples = known.samples;
  if (!samples.empty() && samples.back().unix_s == unix_s) {
    samples.back().ms = std::max(samples.back().ms, ms);
    return;
  }
  samples.push_back({unix_s, ms});
  if (samples.size() > kSamplesMax) samples.pop_front();
}

bool Latency::reset(std::string_view event) {
  auto place = events_.find(event);
  if (place == events_.end()) return false;
  events_.erase(place);
  return true;
}

size_t Latency::reset() {
  size_t count = events_.size();
  events_.clear();
  return count;
}

const Latency::Event* Latency::find(std::string_view event) const {
  auto place = events_.find(event);
  return place == events_.end() ? nullptr : &place->second;
}

std::string Latency::graph(std::string_view name, const Event& event, uint64_t now_unix_s) {
  constexpr size_t kWidth = 80;
  Range range = range_of(event.samples);
  return fmt::format("{} - high {} ms, low {} ms (all time high {} ms)\n{}\n{}\n{}", name,
                     range.high, range.low, event.worst_ms, std::string(kWidth, '-'),
                     bars(event.samples, range), ages(event.samples, now_unix_s));
}

std::string Latency::report(uint64_t threshold_ms) const {
  if (threshold_ms == 0) {
    return "Latency is not watched: CONFIG SET latency-monitor-threshold <milliseconds> begins "
           "it.\n";
  }
  if (events_.empty()) {
    return fmt::format("Nothing took {} ms (latency-monitor-threshold) or longer.\n", threshold_ms);
  }
  std::string text = fmt::format("What took {} ms or longer:\n\n", threshold_ms);
  for (const auto& [name, event] : events_) {
    uint64_t sum = std::accumulate(event.samples.begin(), event.samples.end(), uint64_t{0},
                                   [](uint64_t a, const Sample& b) { return a + b.ms; });
    text +=
        fmt::format("{}: {} spikes, {} ms on average, worst {} ms.\n   {}\n", name,
                    event.samples.size(), sum / event.samples.size(), event.worst_ms, advice(name));
  }
  return text;
}

}  // namespace kvorum::server
