#include "net/timer.h"

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/check.h"

namespace kvorum::net {

Timer::Timer(EventLoop& loop, std::function<void()> callback)
    : loop_(loop),
      callback_(std::make_shared<std::function<void()>>(std::move(callback))),
      event_(event_new(loop.base(), -1, 0, fired, this)) {
  CHECK(event_ != nullptr);
}

void Timer::set(std::chrono::milliseconds delay, bool again) {
  cancel();
  short flags = again ? EV_PERSIST : 0;
  CHECK(event_assign(event_.get(), loop_.base(), -1, flags, fired, this) == 0);
  // libevent counts from the start of the turn unless it is told to look again.
  event_base_update_cache_time(loop_.base());
  timeval interval{static_cast<time_t>(delay.count() / 1000),
                   static_cast<suseconds_t>(delay.count() % 1000 * 1000)};
  CHECK(event_add(event_.get(), &interval) == 0);
}

void Timer::cancel() {
  event_del(event_.get());
}

bool Timer::armed() const {
  return event_pending(event_.get(), EV_TIMEOUT, nullptr) != 0;
}

void Timer::fired(int, short, void* self) {
  Timer* timer = static_cast<Timer*>(self);
  timer->loop_.enter_callback();
  std::shared_ptr<std::function<void()>> callback = timer->callback_;
  (*callback)();
}

}  // namespace kvorum::net
