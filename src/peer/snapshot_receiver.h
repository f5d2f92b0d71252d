// SnapshotReceiver: takes snapshots from other nodes into `<data>/incoming`, on a thread of its
// own; checks them, and has them installed. One at a time. A transfer whose link broke goes on
// where it was for as long as the receiver lives; leftovers are removed when it begins.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/fd.h"
#include "raft/types.h"
#include "storage/store.h"

namespace kvorum::peer {

struct SnapshotReceiverOptions {
  // What the store in a folder holds; an error when it is damaged. Default: Store::verify.
  std::function<Result<storage::AppliedState>(const std::string& folder)> verify = {};
  // A sender that is silent for so long gives way to another.
  std::chrono::milliseconds yield_after{10'000};
  // And is given up after this.
  std::chrono::milliseconds silence_max{60'000};
};

class SnapshotReceiver {
 public:
  // Replaces the node's state by the store in `folder`, which it moves away on success. Blocks; on
  // the receiver's thread.
  using Install = std::function<Status(std::string folder, raft::SnapshotMeta meta)>;

  SnapshotReceiver(std::string data_folder, Install install, SnapshotReceiverOptions options = {});
  ~SnapshotReceiver();
  SnapshotReceiver(const SnapshotReceiver&) = delete;
  SnapshotReceiver& operator=(const SnapshotReceiver&) = delete;

  // Any thread; returns at once. The handshake has been answered.
  void receive(raft::NodeId from, net::Fd socket, std::string already_read);
  // Promptly, but for a verify or install that runs: it is waited for. Safe to call twice, and
  // beside receive(), which then does nothing.
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kvorum::peer
