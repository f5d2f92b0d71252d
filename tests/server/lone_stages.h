// What stages that are tested by themselves find around them: nobody who listens, nobody else in
// the cluster, and no thread to wake.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/waker.h"
#include "server/peer_gateway.h"
#include "server/stage_messages.h"

namespace kvorum::server {

class NoClients : public ClientGateway {
 public:
  void batch_done(uint32_t, BatchOutcome) override {}
  void batch_executed(uint32_t, uint64_t, const std::vector<command::ReachedRevision>&) override {}
  void events(std::shared_ptr<const LiveEvents>) override {}
  void read_granted(uint32_t, uint64_t, bool, raft::Index) override {}
  void applied_moved(raft::Index) override {}
  void events_skipped() override {}
  void published(std::string, std::string, bool) override {}
  void slow(SlowNote) override {}
};

class NoPeers final : public PeerGateway {
 public:
  void send(raft::NodeId, peer::Message) override {}
  void members_changed(const std::vector<raft::Member>&) override {}
  void send_snapshot(const raft::Member&, raft::Index) override {}
  void removed() override {}
};

class StillWaker final : public Waker {
 public:
  void wake() override {}
};

}  // namespace kvorum::server
