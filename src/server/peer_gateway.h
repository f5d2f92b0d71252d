// PeerGateway: where the raft stage hands what concerns other nodes. The node implements it on the
// peer network and the snapshot transfer; a simulation on its own. Callable from any thread.
#pragma once

#include <string>
#include <vector>

#include "peer/messages.h"
#include "raft/core.h"

namespace kvorum::server {

class PeerGateway {
 public:
  virtual ~PeerGateway() = default;
  // May be lost, doubled, or overtaken.
  virtual void send(raft::NodeId to, peer::Message message) = 0;
  // Whom this node is to be linked to, itself included, whenever that changed.
  virtual void members_changed(const std::vector<raft::Member>& members) = 0;
  // `peer` needs a snapshot that reaches `at_least`. Ends with RaftStage::post_snapshot_sent.
  virtual void send_snapshot(const raft::Member& peer, raft::Index at_least) = 0;
  // This node executed its own removal from the cluster.
  virtual void removed() = 0;
};

}  // namespace kvorum::server
