// ClientContext: what a local command sees of its connection, its loop and its node. It replies
// now, through reply(), or later, through defer().
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "command/spec.h"
#include "server/node_services.h"
#include "server/session.h"

namespace kvorum::server {

class ClientLoop;
class Dispatcher;

// The right to answer a command later, from any thread, once. Copies stand for the same right.
// Until it is used the connection runs nothing else; if the client left meanwhile the reply is
// dropped.
class Deferred {
 public:
  Deferred(ClientLoop& loop, uint32_t slot, uint64_t session_id, resp::Protocol protocol)
      : loop_(&loop), slot_(slot), session_id_(session_id), protocol_(protocol) {}

  resp::Protocol protocol() const { return protocol_; }
  // `reply` is complete, in this protocol.
  void complete(std::string reply) const;
  // Writes the reply with `write(ReplyWriter&)`.
  template <class Write>
  void reply(Write&& write) const {
    std::string text;
    resp::ReplyWriter writer(text, protocol_);
    write(writer);
    complete(std::move(text));
  }

 private:
  ClientLoop* loop_;
  uint32_t slot_;
  uint64_t session_id_;
  resp::Protocol protocol_;
};

class ClientContext {
 public:
  ClientContext(Session& session, ClientLoop& loop, Dispatcher& dispatcher, NodeServices& node,
                resp::ReplyWriter& reply)
      : session_(session), loop_(loop), dispatcher_(dispatcher), node_(node), reply_(reply) {}

  Session& session() { return session_; }
  ClientLoop& loop() { return loop_; }
  Dispatcher& dispatcher() { return dispatcher_; }
  NodeServices& node() { return node_; }
  resp::ReplyWriter& reply() { return reply_; }

  Deferred defer();
  // The connection ends when the reply has been sent.
  void close_after_reply() { session_.closing = true; }

 private:
  Session& session_;
  ClientLoop& loop_;
  Dispatcher& dispatcher_;
  NodeServices& node_;
  resp::ReplyWriter& reply_;
};

}  // namespace kvorum::server
