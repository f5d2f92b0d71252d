#include "base/waker.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "base/check.h"

namespace kvorum {

EventWaker::EventWaker() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  CHECK(fd_ >= 0, "eventfd: {}", std::strerror(errno));
}

EventWaker::~EventWaker() {
  close(fd_);
}

void EventWaker::wake() {
  State state = state_.load();
  while (state != State::kAwake && state != State::kWanted) {
    const bool borrowed = state == State::kBorrowed;
    if (!state_.compare_exchange_weak(state, borrowed ? State::kWanted : State::kAwake)) continue;
    if (!borrowed) signal();
    return;
  }
}

void EventWaker::signal() {
  uint64_t one = 1;
  ssize_t written = write(fd_, &one, sizeof(one));
  CHECK(written == sizeof(one) || errno == EAGAIN, "eventfd write: {}", std::strerror(errno));
}

void EventWaker::cancel_sleep() {
  State state = state_.load();
  while (state != State::kAwake) {
    if (state == State::kBorrowed || state == State::kWanted) {
      state_.wait(state);
      state = state_.load();
    } else if (state_.compare_exchange_weak(state, State::kAwake)) {
      return;
    }
  }
}

void EventWaker::lend() {
  State state = State::kDozing;
  // Unless somebody has woken it.
  state_.compare_exchange_strong(state, State::kAsleep);
}

bool EventWaker::borrow() {
  State state = State::kAsleep;
  return state_.compare_exchange_strong(state, State::kBorrowed);
}

void EventWaker::give_back() {
  State state = State::kBorrowed;
  const bool wanted = !state_.compare_exchange_strong(state, State::kAsleep);
  if (wanted) state_.store(State::kAwake);
  state_.notify_one();
  if (wanted) signal();
}

void EventWaker::woken() {
  cancel_sleep();
  uint64_t count = 0;
  ssize_t got = read(fd_, &count, sizeof(count));
  CHECK(got == sizeof(count) || errno == EAGAIN || errno == EINTR, "eventfd read: {}",
        std::strerror(errno));
}

void EventWaker::wait() {
  pollfd entry{fd_, POLLIN, 0};
  while (poll(&entry, 1, -1) < 0) CHECK(errno == EINTR, "poll: {}", std::strerror(errno));
  woken();
}

void InlineWaker::wake() {
  if (pending_.fetch_add(1) != 0) return;
  unsigned served = 1;
  do {
    while (stage_->drain()) {
    }
    served = pending_.fetch_sub(served) - served;
  } while (served != 0);
}

}  // namespace kvorum
