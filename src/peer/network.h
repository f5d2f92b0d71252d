// Network: the peer port and the links to the other members, on a thread of its own, so that
// nothing clients do delays a heartbeat. One TCP connection a direction: a node sends on those it
// dialled and receives on those it accepted. Every connection begins with a handshake; strangers
// are refused in words. What can't be sent now is dropped: the protocols above repeat themselves.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/mailbox.h"
#include "base/result.h"
#include "base/waker.h"
#include "net/event_loop.h"
#include "net/fd.h"
#include "net/listener.h"
#include "peer/messages.h"
#include "raft/types.h"

namespace kvorum::peer {

// Who this node is to others. The secret must be the same on all of them; empty for none.
struct Identity {
  raft::NodeId node;
  std::string cluster;  // 32 hexadecimal digits
  std::string secret;
};

struct NetworkOptions {
  std::vector<std::string> bind;
  uint16_t port = 0;  // 0: no peer port, this node can only dial
  // Without a secret only this machine's own nodes may connect.
  bool protected_mode = true;
  // More than this unsent to one peer, and new messages to it are dropped.
  size_t unsent_bytes_max = 64 << 20;
  // The largest frame a peer may send.
  size_t frame_bytes_max = 256 << 20;
  std::chrono::milliseconds connect_timeout{1000};
  std::chrono::milliseconds backoff_min{20};
  std::chrono::milliseconds backoff_max{1000};
};

// What the network has to say, called on its thread.
class Handler {
 public:
  virtual ~Handler() = default;
  // From a node of this cluster, member or not (a member that this node does not know yet).
  virtual void peer_message(raft::NodeId from, Message message) = 0;
  // The link to `peer` stands anew: what was sent before may be lost.
  virtual void peer_linked(raft::NodeId peer) = 0;
  // `peer`, which leads, says that this node is not a member any more.
  virtual void peer_refused_us(raft::NodeId peer, std::string why) = 0;
  // A dialler wants to send a snapshot: the connection is the handler's now, with the bytes that
  // were read after the handshake. The handshake has been answered.
  virtual void snapshot_stream(raft::NodeId from, net::Fd socket, std::string already_read) = 0;
  // A question from a node that is not a member yet (see ask_member); `answer` may be called on any
  // thread, once.
  virtual void outsider_request(std::vector<std::string> words,
                                std::function<void(bool ok, std::string text)> answer) = 0;
  // Why `from` may not connect; empty when it may. A node that leads and whose configuration lacks
  // `from` for good says so here. Called on the network's thread.
  virtual std::string refusal_of(raft::NodeId from) = 0;
};

class Network final : public Stage {
 public:
  // Binds the peer port. Nothing is accepted or dialled before start().
  static Result<std::unique_ptr<Network>> open(Identity identity, NetworkOptions options,
                                               Handler& handler);
  ~Network() override;

  void start();
  void stop();
  uint16_t port() const;  // as bound; 0: none

  // Any thread. The members to keep links to; this node itself is skipped. Links to others end.
  void post_members(std::vector<raft::Member> members);
  void post_send(raft::NodeId to, Message message);
  void post_send_all(Message message);

  bool drain() override;

 private:
  class Impl;
  explicit Network(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Asks the node at `address` (host:port of its peer port) one question from outside the cluster, on
// the calling thread, blocking up to `timeout`. The answer's text, or why there is none.
Result<std::string> ask_member(const std::string& address, const std::string& secret,
                               const std::vector<std::string>& words,
                               std::chrono::milliseconds timeout);

}  // namespace kvorum::peer
