// A client of a NodeHarness that tracks: it keeps the pushes that come between its replies.
#pragma once

#include <deque>
#include <string>

#include "node_harness.h"

namespace kvorum::server {

class TrackingClient {
 public:
  explicit TrackingClient(const NodeHarness& harness) : client_(harness) { run("HELLO", "3"); }

  TestClient& raw() { return client_; }
  template <class... Words>
  resp::Value run(const Words&... words) {
    client_.send(words...);
    return reply();
  }
  template <class... Words>
  std::string text(const Words&... words) {
    return resp::to_string(run(words...));
  }
  std::string id() { return std::to_string(run("CLIENT", "ID").integer); }

  // The next reply.
  resp::Value reply() {
    while (true) {
      resp::Value value = client_.receive();
      if (value.type != resp::Value::Type::kPush) return value;
      pushes_.push_back(std::move(value));
    }
  }
  // The next push, waited for.
  resp::Value push() {
    if (pushes_.empty()) return client_.receive();
    resp::Value value = std::move(pushes_.front());
    pushes_.pop_front();
    return value;
  }
  std::string push_text() { return resp::to_string(push()); }
  bool has_push() const { return !pushes_.empty(); }

 private:
  TestClient client_;
  std::deque<resp::Value> pushes_;
};

inline std::string invalidate(const std::string& keys) {
  return "push[\"invalidate\", " + keys + "]";
}

}  // namespace kvorum::server
