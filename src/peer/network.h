// Network: the peer port and the links to the other members, on a thread of its own, so that
// nothing clients do delays a heartbeat. Two TCP connections a direction, one for what may be large
// (Link): a node sends on those it dialled and receives on those it accepted. Every connection
// begins with a handshake; strangers are refused in words. What can't be sent now is dropped: the
// protocols above repeat themselves.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/fd.h"
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
  // As server.bind: an address that begins with "-" need not exist.
  std::vector<std::string> bind;
  uint16_t port = 0;  // 0: no peer port, this node can only dial
  // Without a secret only this machine's own nodes may connect.
  bool protected_mode = true;
  // More than this unsent on one connection, and new messages for it are dropped.
  size_t unsent_bytes_max = 64 << 20;
  // The largest frame a peer may send.
  size_t frame_bytes_max = 256 << 20;
  std::chrono::milliseconds connect_timeout{1000};
  // A greeting, or the answer to one, that takes longer ends the connection.
  std::chrono::milliseconds greeting_timeout{5000};
  // A peer that acknowledges nothing for so long is dialled anew: TCP alone would ask a machine
  // that was cut off ever more rarely, and minutes after it is back.
  std::chrono::milliseconds silence_max{5000};
  std::chrono::milliseconds backoff_min{20};
  std::chrono::milliseconds backoff_max{1000};
};

enum class NoteSeverity { kInfo, kWarning };

// What the network has to say, called on its thread.
class Handler {
 public:
  virtual ~Handler() = default;
  // From a node of this cluster, member or not (a member that this node does not know yet).
  virtual void peer_message(raft::NodeId from, Message message) = 0;
  // The link to `peer` stands, or stands anew after one of its connections broke: what was sent
  // before may be lost.
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
  // It is asked again about every node that is connected when members are posted.
  virtual std::string refusal_of(raft::NodeId from) = 0;
  // What an operator should read, a sentence without its full stop: links that come and go,
  // refusals on either side. The same about the same peer is said once, until something changes.
  virtual void peer_note(NoteSeverity severity, std::string text) = 0;
};

class Network final {
 public:
  // Binds the peer port; may note an address that it can't bind, before it returns. Nothing is
  // accepted or dialled before start().
  static Result<std::unique_ptr<Network>> open(Identity identity, NetworkOptions options,
                                               Handler& handler);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  void start();
  // Sends what has been posted so far, as much as the kernel takes. No handler is called any more
  // when it returns. Safe to call twice.
  void stop();
  uint16_t port() const;  // as bound; 0: none

  // Any thread. The members to keep links to; this node itself is skipped. Links to others end.
  void post_members(std::vector<raft::Member> members);
  // Arrives once, or not at all; entries, forwarded batches and what is published in the order in
  // which they were posted.
  void post_send(raft::NodeId to, Message message);
  // To all members, in this order. Dropped at a quarter of the unsent bytes that post_send is
  // dropped at.
  void post_send_all(Message message);

 private:
  class Impl;
  explicit Network(std::shared_ptr<Impl> impl);
  // Shared with answers that are still to come.
  std::shared_ptr<Impl> impl_;
};

// Asks the node at `address` (host:port of its peer port) one question from outside the cluster, on
// the calling thread, blocking up to `timeout` (a host name that has to be looked up may take
// longer). The answer's text, or why there is none.
Result<std::string> ask_member(const std::string& address, const std::string& secret,
                               const std::vector<std::string>& words,
                               std::chrono::milliseconds timeout);

}  // namespace kvorum::peer
