#include "tests/sim/world.h"

#include <utility>

#include "base/check.h"

namespace kvorum {

// In place of the ones in src/base: a broken invariant ends the simulation and names its seed, and
// a process that gives up is one node that crashed.
void check_failed(const char* file, int line, const char* condition, std::string_view detail) {
  throw sim::Violation(fmt::format("CHECK failed at {}:{}: {} {}", file, line, condition, detail));
}
void die(std::string_view message) {
  throw sim::ProcessDied{std::string(message)};
}

}  // namespace kvorum

namespace kvorum::sim {

namespace {
constexpr int kDepthMax = 4;
}

void World::at(Time time, std::function<void()> act) {
  events_.push({time < now_ ? now_ : time, sequence_++, std::move(act)});
}

void World::run_until(Time time) {
  while (!events_.empty() && events_.top().time <= time) {
    // What is pushed meanwhile never changes what was taken out.
    Event event = std::move(const_cast<Event&>(events_.top()));
    events_.pop();
    // A nested run may have gone further.
    if (event.time > now_) now_ = event.time;
    ++events_run_;
    event.act();
  }
  if (time > now_) now_ = time;
}

void World::let_pass(Time duration) {
  if (depth_ >= kDepthMax) return;
  struct Depth {
    explicit Depth(int& value) : value_(value) { ++value_; }
    ~Depth() { --value_; }
    int& value_;
  } depth(depth_);
  run_until(now_ + duration);
}

void World::print(const std::string& line) const {
  fmt::print(stderr, "{:>10.3f} {}{}\n", static_cast<double>(now_) / kMillisecond,
             std::string(static_cast<size_t>(depth_) * 2, ' '), line);
}

void World::fail(const std::string& what) const {
  throw Violation(
      fmt::format("seed {}, {} ms: {}", seed_, static_cast<double>(now_) / kMillisecond, what));
}

}  // namespace kvorum::sim
