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
  if (awake_.exchange(true)) return;
  uint64_t one = 1;
  ssize_t written = write(fd_, &one, sizeof(one));
  CHECK(written == sizeof(one) || errno == EAGAIN, "eventfd write: {}", std::strerror(errno));
}

void EventWaker::woken() {
  awake_.store(true);
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
