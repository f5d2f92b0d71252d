// SharedHost: stages on a thread of their own that another thread, the helper, may stand in for.
// When the helper itself gave them their work, or sleeps until it is done, and the work is short,
// it runs them in its turn instead of waking the thread and being woken by it, or of being woken
// by it: one or two context switches less. One thread runs them at a time, whichever it is.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/stage_thread.h"
#include "base/waker.h"

namespace kvorum {

class SharedHost final : public Waker {
 public:
  // `name` is the thread's, at most 15 bytes.
  explicit SharedHost(std::string name);

  // Before start(). Stages are drained in the order they came; they outlive the host's thread.
  void host(Stage& stage) { stages_.push_back(&stage); }
  // The thread that may help, and what any thread may ask about it.
  struct Help {
    Waker& waker;                    // wakes it
    std::function<bool()> is_short;  // the work at hand is
    std::function<bool()> awaited;   // it sleeps until the work is done
  };

  // Before start(). The stage to be hosted by the helper's loop, which drains it before it sleeps.
  Stage& helper(Help help);

  void start() { thread_.start(); }
  // No helper may be running any more. Drains what has been posted so far, then joins.
  void stop();

  // Any thread.
  void wake() override;

 private:
  class Own final : public Stage {
   public:
    explicit Own(SharedHost& host) : host_(host) {}
    bool drain() override { return host_.run_owed_by_thread(); }

   private:
    SharedHost& host_;
  };
  class Helper final : public Stage {
   public:
    explicit Helper(SharedHost& host) : host_(host) {}
    bool drain() override { return host_.run_owed_by_helper(); }

   private:
    SharedHost& host_;
  };

  bool run_owed_by_thread();
  bool run_owed_by_helper();
  bool drain_all();
  void hand_to_thread();

  StageThread thread_;
  Own own_{*this};
  Helper helper_{*this};
  std::optional<Help> help_;
  std::vector<Stage*> stages_;
  // The number of wakes not yet served. Who raises it from zero finds out who is to serve them:
  // then, until it is zero again, exactly one of the two owes that.
  std::atomic<unsigned> pending_{0};
  std::atomic<bool> thread_owes_{false};
  std::atomic<bool> helper_owes_{false};
  std::atomic<std::thread::id> helper_thread_{};
};

}  // namespace kvorum
