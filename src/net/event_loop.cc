#include "net/event_loop.h"

#include <event2/event.h>

#include <utility>

#include "base/check.h"
#include "net/connection_set.h"
#include "net/resolver.h"

namespace kvorum::net {

namespace {

// How often stages are drained before output is flushed, and how often that repeats before sockets
// get their turn: stages that feed each other without end may not starve the sockets.
constexpr int kDrainsMax = 16;
constexpr int kFlushesMax = 4;

event_base* make_base() {
  event_config* config = event_config_new();
  CHECK(config != nullptr);
  // One thread owns the loop, so libevent needs no lock. Not its epoll changelist: connections
  // register once and live long, so there is nothing to save, and it would delay removals past the
  // close of a descriptor.
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
  event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
  event_config_avoid_method(config, "select");
  event_config_avoid_method(config, "poll");
  event_base* base = event_base_new_with_config(config);
  event_config_free(config);
  CHECK(base != nullptr, "libevent can't use epoll here");
  return base;
}

void on_wake(evutil_socket_t, short, void* loop) {
  static_cast<EventLoop*>(loop)->enter_callback();
}

}  // namespace

void FreeEvent::operator()(event* e) const {
  event_free(e);
}
void EventLoop::FreeBase::operator()(event_base* base) const {
  event_base_free(base);
}

EventLoop::EventLoop() : base_(make_base()), now_(clock_.monotonic()) {
  // Edge-triggered: every write to an eventfd is an edge, so it never has to be read.
  waker_event_.reset(
      event_new(base_.get(), waker_.fd(), EV_READ | EV_PERSIST | EV_ET, on_wake, this));
  CHECK(waker_event_ != nullptr && event_add(waker_event_.get(), nullptr) == 0);
  connections_ = std::make_unique<ConnectionSet>(*this);
}

EventLoop::~EventLoop() = default;

void EventLoop::run() {
  thread_.store(std::this_thread::get_id());
  while (true) {
    bool last_turn = stopping_.load();
    bool more = finish_turn();
    if (last_turn) break;
    poll(!more && !std::exchange(look_again_, false));
  }
  thread_.store(std::thread::id());
  stopping_.store(false);
}

void EventLoop::stop() {
  stopping_.store(true);
  waker_.wake();
}

Resolver& EventLoop::resolver() {
  if (!resolver_) resolver_ = std::make_unique<Resolver>(*this);
  return *resolver_;
}

bool EventLoop::drain_stages() {
  bool worked = false;
  for (Stage* stage : stages_) worked |= stage->drain();
  return worked;
}

bool EventLoop::work() {
  bool worked = drain_stages();
  return connections_->attend() || worked;
}

// True if there is more to do and the sockets only have to be looked at.
bool EventLoop::finish_turn() {
  for (int flushes = 0; flushes < kFlushesMax; ++flushes) {
    for (int drains = 0; drains < kDrainsMax && work(); ++drains) {
    }
    for (auto& hook : hooks_) hook();
    connections_->flush();
    // Hooks may have posted to a stage of this loop.
    if (!work()) return false;
  }
  return true;
}

void EventLoop::poll(bool block) {
  polling_ = true;
  if (block) {
    waker_.prepare_sleep();
    if (drain_stages() || stopping_.load()) {
      waker_.cancel_sleep();
      block = false;
    } else {
      waker_.lend();
    }
  }
  int result = event_base_loop(base_.get(), EVLOOP_ONCE | (block ? 0 : EVLOOP_NONBLOCK));
  CHECK(result >= 0, "libevent's epoll failed");
  enter_callback();
}

void EventLoop::end_poll() {
  polling_ = false;
  waker_.cancel_sleep();
  now_ = clock_.monotonic();
}

void EventLoop::flush_borrowed() {
  if (!connections_->flush_borrowed()) waker_.wake();
}

}  // namespace kvorum::net
