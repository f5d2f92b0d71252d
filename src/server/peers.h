// Peers: this node's side of the cluster: the peer network, the members it links to, snapshots to
// and from others, and how this node gets into the cluster. It carries messages between the raft
// stage and the network and decides nothing about consensus.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/mailbox.h"
#include "base/stage_thread.h"
#include "config/config.h"
#include "peer/network.h"
#include "peer/snapshot_receiver.h"
#include "peer/snapshot_sender.h"
#include "server/data_folder.h"
#include "server/node_state.h"
#include "server/peer_gateway.h"
#include "server/raft_stage.h"
#include "server/snapshotter.h"

namespace kvorum::server {

// The addresses a node's configuration entry has: what raft.advertise, raft.advertise_client and
// the sockets say. `peer_port` as bound; 0 leaves the peer address empty.
raft::Member advertised_member(const Config& config, raft::NodeId id, uint16_t peer_port);

// Asks the member at `address` which cluster it is of, again and again for a while.
Result<std::string> ask_cluster(const std::string& address, const std::string& secret);

class Peers final : public PeerGateway, private peer::Handler, private Stage {
 public:
  // `removed`: this node is not a member any more; called once, on any thread.
  static Result<std::unique_ptr<Peers>> open(const Config& config, const DataFolder& folder,
                                             const NodeState& state,
                                             std::function<void(std::string)> removed);
  ~Peers() override;

  // What others see of this node.
  const raft::Member& self() const { return self_; }

  void attach(RaftStage& raft, Snapshotter& snapshotter);
  void start();
  // No message comes any more when it returns. Before the raft stage ends.
  void stop();
  void broadcast(peer::Message message) { network_->post_send_all(std::move(message)); }
  // A while has passed: called by the owner of a timer, while this node may not be a member, or not
  // with its present addresses.
  void post_look() { mailbox_.post(Look{}); }
  // RAFT ADD: asks the node at this peer address who it is, then has it added as a learner.
  void post_add(std::string address, AdminDone done) {
    mailbox_.post(Add{std::move(address), std::move(done)});
  }

  void send(raft::NodeId to, peer::Message message) override;
  void members_changed(const std::vector<raft::Member>& members) override;
  void send_snapshot(const raft::Member& peer, raft::Index at_least) override;
  void removed() override;

 private:
  struct Look {};
  struct Add {
    std::string address;
    AdminDone done;
  };
  using Task = std::variant<Look, Add>;

  Peers(const Config& config, const DataFolder& folder, const NodeState& state,
        std::function<void(std::string)> removed);

  void peer_message(raft::NodeId from, peer::Message message) override;
  void peer_linked(raft::NodeId peer) override;
  void peer_refused_us(raft::NodeId peer, std::string why) override;
  void snapshot_stream(raft::NodeId from, net::Fd socket, std::string already_read) override;
  void outsider_request(std::vector<std::string> words,
                        std::function<void(bool ok, std::string text)> answer) override;
  std::string refusal_of(raft::NodeId from) override;
  void peer_note(peer::NoteSeverity severity, std::string text) override;

  // On the receiver's thread; blocks until it is done.
  Status install(Snapshot snapshot);

  // The thread "joiner".
  bool drain() override;
  void look();
  void add(Add& request);
  void join();
  void learn_members();
  std::vector<raft::Member> ask_members(const std::string& address) const;
  void find_stranger(raft::NodeId stranger, const std::vector<raft::Member>& known);
  void change_addresses();

  const std::string join_address_;
  const std::string secret_;
  const std::string cluster_;
  const NodeState& state_;
  const std::function<void(std::string)> on_removed_;
  raft::Member self_;
  using Members = std::vector<raft::Member>;
  std::shared_ptr<const Members> members() const { return std::atomic_load(&members_); }
  std::shared_ptr<const Members> members_;  // by any thread, through std::atomic_load and _store
  std::unique_ptr<peer::Network> network_;
  std::unique_ptr<peer::SnapshotSender> sender_;
  std::unique_ptr<peer::SnapshotReceiver> receiver_;
  RaftStage* raft_ = nullptr;
  Snapshotter* snapshotter_ = nullptr;
  std::atomic<bool> removed_{false};
  std::atomic<bool> sending_{false};
  std::atomic<uint64_t> stranger_{0};  // who was heard and is not known as a member

  StageThread joiner_{"joiner"};
  Mailbox<Task> mailbox_{1 << 10, joiner_.waker()};
  std::vector<Task> inbox_;
  std::atomic<bool> change_under_way_{false};
  std::string last_join_error_;
  bool told_to_be_member_ = false;
};

}  // namespace kvorum::server
