// SnapshotTransfer: one snapshot on its way to one node, from the first attempt to the last.
// Belongs to the sender's thread, which another thread may cancel.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "peer/cancellable_wait.h"
#include "peer/snapshot_protocol.h"
#include "peer/snapshot_sender.h"
#include "peer/snapshot_socket.h"

namespace kvorum::peer {

class SnapshotTransfer {
 public:
  // All references outlive it.
  SnapshotTransfer(CancellableWait& wait, const Identity& identity,
                   const SnapshotSenderOptions& options, raft::NodeId to, std::string address,
                   storage::BackupSource& source, raft::SnapshotMeta meta);

  Status run();

 private:
  struct Broken {
    std::string why;
    bool for_good = false;  // another attempt would come to the same
  };
  template <class T>
  using Outcome = tl::expected<T, Broken>;

  // A position that a chunk ends at, and the checksum of everything before it.
  struct Mark {
    SnapshotPosition position;
    uint32_t crc = 0;
  };

  Outcome<void> attempt();
  Outcome<void> greet();
  // True when the receiver has installed it already.
  Outcome<bool> begin();
  Outcome<void> go_on_at(SnapshotPosition position);
  Outcome<void> stream();
  Outcome<void> end();

  bool may_put_chunk() const;
  Outcome<void> put_chunk();
  Outcome<void> take_acknowledgements();
  // Waits, receives and sends once.
  Outcome<void> turn(Monotonic until);
  Outcome<Frame> next_frame(std::chrono::milliseconds timeout);
  Outcome<std::optional<Frame>> received_frame();
  // Why the connection ended: an error line that came before, or what the socket says.
  Broken ended(const Error& error);
  SnapshotPosition acknowledged() const { return marks_.front().position; }
  size_t unacknowledged() const { return marks_.size() - 1; }

  CancellableWait& wait_;
  const Identity& identity_;
  const SnapshotSenderOptions& options_;
  const raft::NodeId to_;
  const std::string address_;
  storage::BackupSource& source_;
  const SnapshotOffer offer_;
  const SnapshotPosition end_;
  const size_t chunk_bytes_;

  std::optional<SnapshotSocket> socket_;
  // The first is acknowledged, the last is where the next chunk begins.
  std::deque<Mark> marks_;
  std::string chunk_;
  // When something was heard last, or nothing was outstanding.
  Monotonic heard_{0};
  // When the next chunk may go.
  Monotonic due_{0};
};

}  // namespace kvorum::peer
