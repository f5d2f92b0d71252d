// Link: how this node reaches one member: two connections side by side. What may be large goes by
// the bulk one and keeps its order; what is small and urgent goes by the quick one and waits for
// nothing. Belongs to the network's thread.
#pragma once

#include <optional>
#include <string>

#include "net/output_buffer.h"
#include "peer/messages.h"
#include "peer/outgoing.h"
#include "peer/surroundings.h"
#include "raft/types.h"

namespace kvorum::peer {

// What of a heartbeat may overtake entries: its term, round and commit index, for the follower to
// know that its leader is there, and the other way round. It asks about no entry: one that is still
// on its way would be missed there, and sent again with all that follows. Nothing for what is no
// heartbeat.
std::optional<raft::Envelope> urgent_part(const Message& message);
// Of a heartbeat: it is its own urgent part.
bool asks_nothing(const Message& heartbeat);

class Link {
 public:
  Link(Surroundings& around, raft::NodeId peer);

  // Dials there from now on; an empty address is not dialled.
  void set_address(const std::string& address);
  // The peer has just shown that it is alive.
  void hurry();
  // Both drop the message when its connection is down or has too much unsent.
  void send(Message message);
  void send_broadcast(const net::SharedBytes& frame) { bulk_.send_broadcast(frame); }

 private:
  // One of them does.
  void stands();
  // True: that was all there is to say.
  bool send_round(const Message& heartbeat);

  Surroundings& around_;
  const raft::NodeId peer_;
  std::string address_;
  Outgoing quick_;
  Outgoing bulk_;
  // Of the newest heartbeat sent by the quick one.
  raft::Term term_;
  uint64_t round_ = 0;
};

}  // namespace kvorum::peer
