// Outgoing: one connection that this node dials to a member and sends on. It dials again, ever more
// slowly, for as long as it exists. Belongs to the network's thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "net/connection.h"
#include "net/connector.h"
#include "net/output_buffer.h"
#include "net/timer.h"
#include "peer/frame_reader.h"
#include "peer/handshake.h"
#include "peer/messages.h"
#include "peer/surroundings.h"
#include "raft/types.h"

namespace kvorum::peer {

class Outgoing final : public net::ConnectionHandler {
 public:
  // `stands` is called whenever the peer has welcomed it.
  Outgoing(Surroundings& around, raft::NodeId peer, Purpose purpose, std::function<void()> stands);
  ~Outgoing() override;
  Outgoing(const Outgoing&) = delete;
  Outgoing& operator=(const Outgoing&) = delete;

  // Dials there from now on; an empty address is not dialled.
  void set_address(const std::string& address);
  // The peer has just shown that it is alive: no reason to wait for the next attempt.
  void hurry();
  // Welcomed by the peer, and not broken since.
  bool up() const { return up_; }
  // Dropped when it is down or too much is unsent.
  void send(Message message);
  // The same, at a quarter of the unsent bytes.
  void send_broadcast(const net::SharedBytes& frame);

  size_t on_input(net::Connection& connection, std::string_view input) override;
  void on_closed(net::Connection& connection, net::CloseReason reason) override;

 private:
  bool has_room(size_t bytes, size_t bytes_max) const;
  void dial();
  void connected(Result<net::Fd> socket);
  void answered(const Frame& answer);
  void refused(const Refusal& refusal);
  // Ends what there is, without a word, and dials later.
  void give_up();
  void disconnect();
  void warn(std::string text);

  Surroundings& around_;
  const raft::NodeId peer_;
  const Purpose purpose_;
  const std::function<void()> stands_;
  std::string address_;
  net::Connector connector_;
  net::Timer retry_;
  net::Timer deadline_;
  // From the TCP connection to its end.
  net::Connection* connection_ = nullptr;
  std::optional<FrameReader> answers_;
  bool up_ = false;
  Monotonic up_since_{0};
  // Attempts in a row that came to nothing, or to a connection that did not stand long.
  unsigned failures_ = 0;
};

}  // namespace kvorum::peer
