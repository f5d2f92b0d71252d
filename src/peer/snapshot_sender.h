// SnapshotSender: sends snapshots to other nodes, one after the other, on connections and a thread
// of its own, so that neither heartbeats nor writes wait for them. A link that breaks is dialled
// again, and the transfer goes on where the receiver is.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "peer/network.h"
#include "raft/types.h"
#include "storage/store.h"

namespace kvorum::peer {

struct SnapshotSenderOptions {
  uint64_t bytes_per_second = 0;  // 0: as fast as it goes
  std::chrono::milliseconds connect_timeout{2000};
  // A receiver that says nothing for so long, while something of it is outstanding, is dialled
  // anew.
  std::chrono::milliseconds silence_max{30'000};
  // For the receiver to check and install what it has: that of a large one takes a while.
  std::chrono::milliseconds install_timeout{600'000};
  // After so many attempts in a row in which nothing more has arrived, the transfer has failed.
  unsigned attempts_max = 5;
  std::chrono::milliseconds backoff_min{100};
  std::chrono::milliseconds backoff_max{2000};
};

class SnapshotSender {
 public:
  // Installed there, or why not. On the sender's thread; on the thread of send() or stop() for what
  // comes after or during stop().
  using Done = std::function<void(Status)>;

  explicit SnapshotSender(Identity identity, SnapshotSenderOptions options = {});
  ~SnapshotSender();
  SnapshotSender(const SnapshotSender&) = delete;
  SnapshotSender& operator=(const SnapshotSender&) = delete;

  // Any thread. `done` is called exactly once, when `files` are closed. It must not destroy or stop
  // the sender.
  void send(raft::NodeId to, std::string address, std::unique_ptr<storage::BackupSource> files,
            raft::SnapshotMeta meta, Done done);
  // Promptly: what runs and what waits has failed. Safe to call twice, and beside send().
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kvorum::peer
