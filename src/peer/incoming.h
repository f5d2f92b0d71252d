// Incoming: one accepted connection, from its greeting on: a stranger, then a node that sends
// messages, or one question from outside, or a socket to be handed over. Belongs to the network's
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "net/connection.h"
#include "net/fd.h"
#include "net/timer.h"
#include "peer/frame_reader.h"
#include "peer/handshake.h"
#include "peer/surroundings.h"
#include "raft/types.h"

namespace kvorum::peer {

class Incoming;

class IncomingOwner {
 public:
  virtual ~IncomingOwner() = default;
  // It is a connection of a node's link now.
  virtual void joined(Incoming& incoming) = 0;
  // Hands over a question of a stranger's; its answer goes to Incoming::answer.
  virtual void asked(Incoming& incoming, std::vector<std::string> words) = 0;
  // Its connection is gone. Destroys it.
  virtual void gone(Incoming& incoming) = 0;
};

class Incoming final : public net::ConnectionHandler {
 public:
  Incoming(uint64_t id, Surroundings& around, IncomingOwner& owner, net::Fd socket);
  ~Incoming() override;
  Incoming(const Incoming&) = delete;
  Incoming& operator=(const Incoming&) = delete;

  uint64_t id() const { return id_; }
  // Joined as a link, also when it is over.
  bool is_link() const { return is_link_; }
  // As which a link has greeted, and which of its two connections it is.
  raft::NodeId from() const { return from_; }
  Purpose purpose() const { return purpose_; }

  // To a question.
  void answer(bool ok, const std::string& text);
  // The dialler is told why; the connection ends.
  void refuse(const Refusal& refusal);
  // The node has made this connection anew, from `host`.
  void replaced(const std::string& host);
  const std::string& host() const { return host_; }

  size_t on_input(net::Connection& connection, std::string_view input) override;
  void on_drained(net::Connection& connection) override;
  void on_closed(net::Connection& connection, net::CloseReason reason) override;

 private:
  enum class Stage {
    kStranger,
    kLink,
    kQuestion,   // still to come
    kAnswering,  // the handler's turn
    kHandOver,   // the welcome is on its way, then the socket is the handler's
    kOver,       // a last line is on its way
  };

  bool reads_frames() const { return stage_ <= Stage::kQuestion; }
  void take(Frame frame);
  void greet(const Frame& frame);
  bool is_on_this_machine() const;
  void welcomed(const Greeting& greeting);
  void take_message(Frame frame);
  void hand_over(std::string_view input);
  // What comes is no frame, or not one that belongs here.
  void break_off(const std::string& why);
  void end_with(const std::string& line);
  std::string name() const;
  void warn(std::string text);

  const uint64_t id_;
  Surroundings& around_;
  IncomingOwner& owner_;
  net::Connection* connection_;
  const std::string host_;
  net::Timer deadline_;
  FrameReader frames_{kGreetingLimits};
  Stage stage_ = Stage::kStranger;
  bool is_link_ = false;
  raft::NodeId from_ = raft::kNoNode;
  Purpose purpose_ = Purpose::kLink;
};

}  // namespace kvorum::peer
