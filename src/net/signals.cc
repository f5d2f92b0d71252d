#include "net/signals.h"

#include <event2/event.h>

#include <csignal>

#include "base/check.h"

namespace kvorum::net {

Signals::Signals(EventLoop& loop, const std::vector<int>& signals,
                 std::function<void(int)> callback)
    : loop_(loop), callback_(std::move(callback)) {
  for (int signal : signals) {
    EventPtr one(event_new(loop.base(), signal, EV_SIGNAL | EV_PERSIST, raised, this));
    CHECK(one != nullptr && event_add(one.get(), nullptr) == 0, "signal {}", signal);
    events_.push_back(std::move(one));
  }
}

void Signals::raised(int signal, short, void* self) {
  Signals* signals = static_cast<Signals*>(self);
  signals->loop_.enter_callback();
  signals->callback_(signal);
}

void ignore_sigpipe() {
  (void)std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace kvorum::net
