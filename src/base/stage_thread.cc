#include "base/stage_thread.h"

#include <pthread.h>

#include "base/background.h"

namespace kvorum {

void StageThread::start() {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), name_.c_str());
}

void StageThread::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  waker_.wake();
  thread_.join();
}

bool StageThread::drain_all() {
  bool worked = false;
  for (Stage* stage : stages_) worked |= stage->drain();
  return worked;
}

void StageThread::run() {
  if (pace_ == Pace::kYielding) yield_to_others();
  while (true) {
    bool last_round = stopping_.load();
    while (drain_all()) {
    }
    if (last_round) return;
    waker_.prepare_sleep();
    if (drain_all() || stopping_.load()) {
      waker_.cancel_sleep();
      continue;
    }
    waker_.wait();
  }
}

}  // namespace kvorum
