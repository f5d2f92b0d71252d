#include "net/resolver.h"

#include <event2/event.h>

#include <thread>

#include "base/check.h"

namespace kvorum::net {

Resolver::Resolver(EventLoop& loop)
    : loop_(loop),
      answers_(std::make_shared<Answers>()),
      event_(event_new(loop.base(), answers_->waker.fd(), EV_READ | EV_PERSIST | EV_ET, answered,
                       this)) {
  CHECK(event_ != nullptr && event_add(event_.get(), nullptr) == 0);
  answers_->waker.prepare_sleep();
}

uint64_t Resolver::lookup(const Address& address, Done done) {
  uint64_t id = ++last_id_;
  std::string name = address.text();
  waiting_.emplace(id, Waiting{name, std::move(done)});
  if (running_.insert(name).second) {
    std::thread([answers = answers_, address, name] {
      answers->mailbox.post({name, resolve(address, false)});
    }).detach();
  }
  return id;
}

void Resolver::answered(int, short, void* self) {
  Resolver* resolver = static_cast<Resolver*>(self);
  resolver->loop_.enter_callback();
  do {
    resolver->answers_->waker.cancel_sleep();
    while (resolver->deliver()) {
    }
    resolver->answers_->waker.prepare_sleep();
  } while (resolver->deliver());
}

bool Resolver::deliver() {
  std::vector<Answer> batch;
  if (!answers_->mailbox.drain(batch)) return false;
  for (const Answer& answer : batch) {
    running_.erase(answer.name);
    // A callback may cancel others, or look up again.
    std::vector<uint64_t> ids;
    for (const auto& [id, waiting] : waiting_) {
      if (waiting.name == answer.name) ids.push_back(id);
    }
    for (uint64_t id : ids) {
      auto node = waiting_.extract(id);
      if (!node.empty()) node.mapped().done(answer.addresses);
    }
  }
  return true;
}

}  // namespace kvorum::net
