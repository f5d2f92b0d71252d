// StageThread: a thread that does nothing but wait, drain its stages, and wait again. The host of
// every stage that may block on a disk.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "base/waker.h"

namespace kvorum {

class StageThread {
 public:
  enum class Pace : uint8_t {
    kEqual,
    kYielding,  // see yield_to_others()
  };

  // `name` is what the operating system shows, at most 15 bytes.
  explicit StageThread(std::string name, Pace pace = Pace::kEqual)
      : name_(std::move(name)), pace_(pace) {}
  ~StageThread() { stop(); }
  StageThread(const StageThread&) = delete;
  StageThread& operator=(const StageThread&) = delete;

  Waker& waker() { return waker_; }
  // Before start(). The stage outlives the thread.
  void host(Stage& stage) { stages_.push_back(&stage); }
  void start();
  // Drains what has been posted so far, then joins. Safe to call twice.
  void stop();

 private:
  void run();
  bool drain_all();

  const std::string name_;
  const Pace pace_;
  EventWaker waker_;
  std::vector<Stage*> stages_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace kvorum
