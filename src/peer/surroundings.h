// Surroundings: what all connections of one Network share. Belongs to its thread.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "net/connection.h"
#include "net/event_loop.h"
#include "peer/network.h"

namespace kvorum::peer {

// An idle connection to a machine that vanished is found within twice this.
inline constexpr int kKeepaliveSeconds = 10;

// Says to the handler what it has not just been told. About one subject only the last note counts.
class Notes {
 public:
  explicit Notes(Handler& handler) : handler_(handler) {}

  void say(const std::string& subject, NoteSeverity severity, std::string text) {
    // Strangers may be many. To forget means no more than to repeat a note.
    if (said_.size() >= kSubjectsMax && !said_.contains(subject)) said_.clear();
    std::string& last = said_[subject];
    if (last == text) return;
    last = text;
    handler_.peer_note(severity, std::move(text));
  }
  void forget(const std::string& subject) { said_.erase(subject); }

 private:
  static constexpr size_t kSubjectsMax = 256;

  Handler& handler_;
  std::map<std::string, std::string> said_;
};

// For a connection that closes after its owner has gone.
class Nobody final : public net::ConnectionHandler {
 public:
  size_t on_input(net::Connection&, std::string_view input) override { return input.size(); }
  void on_closed(net::Connection&, net::CloseReason) override {}
};

// Notes about the way to `peer`.
inline std::string note_subject(raft::NodeId peer) {
  return fmt::format("to {}", peer);
}

struct Surroundings {
  net::EventLoop& loop;
  const Identity identity;
  const NetworkOptions options;
  Handler& handler;
  Notes notes{handler};
  Nobody nobody{};
  // Of the generator for jitter.
  uint64_t random = 0;
};

}  // namespace kvorum::peer
