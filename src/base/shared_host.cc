#include "base/shared_host.h"

#include <utility>

namespace kvorum {

namespace {

// Stages that give each other work take a second round; beyond that others post faster than the
// helper should work for them.
constexpr int kHelperRoundsMax = 3;

}  // namespace

SharedHost::SharedHost(std::string name) : thread_(std::move(name)) {
  thread_.host(own_);
}

Stage& SharedHost::helper(Help help) {
  help_.emplace(std::move(help));
  return helper_;
}

void SharedHost::wake() {
  if (pending_.fetch_add(1) != 0) return;
  const std::thread::id helper = helper_thread_.load(std::memory_order_relaxed);
  if (helper == std::thread::id()) return hand_to_thread();
  const bool by_helper = helper == std::this_thread::get_id();
  if ((!by_helper && !help_->awaited()) || !help_->is_short()) return hand_to_thread();
  helper_owes_.store(true);
  if (!by_helper) help_->waker.wake();
}

void SharedHost::hand_to_thread() {
  thread_owes_.store(true);
  thread_.waker().wake();
}

bool SharedHost::drain_all() {
  bool worked = false;
  for (Stage* stage : stages_) worked |= stage->drain();
  return worked;
}

bool SharedHost::run_owed_by_thread() {
  if (!thread_owes_.exchange(false)) return false;
  unsigned served = 1;
  do {
    while (drain_all()) {
    }
    served = pending_.fetch_sub(served) - served;
  } while (served != 0);
  return true;
}

bool SharedHost::run_owed_by_helper() {
  if (!helper_owes_.load()) {
    helper_thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    return false;
  }
  helper_owes_.store(false);
  unsigned served = 1;
  for (int round = 0; round < kHelperRoundsMax; ++round) {
    drain_all();
    served = pending_.fetch_sub(served) - served;
    if (served == 0) return true;
  }
  hand_to_thread();
  return true;
}

void SharedHost::stop() {
  if (helper_owes_.exchange(false)) hand_to_thread();
  thread_.stop();
}

}  // namespace kvorum
