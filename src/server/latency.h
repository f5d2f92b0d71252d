// Latency: the spikes of each kind of event, as LATENCY shows them. Samples of the same second are
// one, the worst. Lives on loop 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace kvorum::server {

class Latency {
 public:
  static constexpr size_t kSamplesMax = 160;  // of each event, the latest

  struct Sample {
    uint64_t unix_s = 0;
    uint64_t ms = 0;
  };
  struct Event {
    std::deque<Sample> samples;  // oldest first, never empty
    uint64_t worst_ms = 0;       // since the last reset, also of samples dropped since
  };
  using Events = std::map<std::string, Event, std::less<>>;

  void add(std::string_view event, uint64_t unix_s, uint64_t ms);
  // Forgets one event; false if nothing was known of it.
  bool reset(std::string_view event);
  // Forgets all; how many there were.
  size_t reset();
  const Events& events() const { return events_; }
  // Null when nothing is known of it.
  const Event* find(std::string_view event) const;

  // LATENCY GRAPH: the samples as columns of characters, each with its age below.
  static std::string graph(std::string_view name, const Event& event, uint64_t now_unix_s);
  // LATENCY DOCTOR. `threshold_ms` 0: nothing is watched.
  std::string report(uint64_t threshold_ms) const;

 private:
  Events events_;
};

}  // namespace kvorum::server
