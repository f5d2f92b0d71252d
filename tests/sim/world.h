// World: virtual time, chance, and what is to happen. One thread and one seed decide everything. A
// stage that "blocks" runs the world on from inside itself (let_pass), so everything else of its
// node, and every other node, moves while it is in the middle of something.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <queue>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/splitmix64.h"

namespace kvorum::sim {

// Microseconds since the simulation began.
using Time = uint64_t;
inline constexpr Time kMillisecond = 1000;
inline constexpr Time kSecond = 1'000'000;

// A promise was broken.
struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// Thrown through a stage whose node has no power any more.
struct PowerCut {};
// die() was called: the process of a node ended.
struct ProcessDied {
  std::string message;
};

class World {
 public:
  World(uint64_t seed, bool traced) : seed_(seed), random_state_(seed), traced_(traced) {}

  uint64_t seed() const { return seed_; }
  Time now() const { return now_; }
  uint64_t events_run() const { return events_run_; }

  uint64_t random() { return splitmix64(random_state_); }
  // Below `bound`; 0 for a bound of 0.
  uint64_t random(uint64_t bound) { return bound == 0 ? 0 : random() % bound; }
  bool chance(uint64_t percent) { return random(100) < percent; }
  bool one_in(uint64_t n) { return random(n) == 0; }

  void at(Time time, std::function<void()> act);
  void after(Time delay, std::function<void()> act) { at(now_ + delay, std::move(act)); }
  // Runs what is due until `time`.
  void run_until(Time time);
  // The same from inside of an event; does nothing when that is nested too deeply already.
  void let_pass(Time duration);

  template <class... Args>
  void trace(fmt::format_string<Args...> format, Args&&... args) {
    if (traced_) print(fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  [[noreturn]] void violated(fmt::format_string<Args...> format, Args&&... args) {
    fail(fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  struct Event {
    Time time;
    uint64_t sequence;
    std::function<void()> act;
    bool operator>(const Event& other) const {
      return time != other.time ? time > other.time : sequence > other.sequence;
    }
  };

  void print(const std::string& line) const;
  [[noreturn]] void fail(const std::string& what) const;

  const uint64_t seed_;
  uint64_t random_state_;
  const bool traced_;
  Time now_ = 0;
  uint64_t sequence_ = 0;
  uint64_t events_run_ = 0;
  int depth_ = 0;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
};

}  // namespace kvorum::sim
