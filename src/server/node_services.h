// NodeServices: what commands that concern the node itself may reach. References only: the Node
// owns everything and outlives every loop.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.h"
#include "command/table.h"
#include "config/runtime_settings.h"
#include "raft/types.h"
#include "server/diagnostics.h"
#include "server/node_state.h"
#include "storage/store.h"

namespace kvorum::server {

class LoopGroup;
class Peers;
class RaftStage;
class Snapshotter;

// Who this node is, for as long as its data folder lives.
struct NodeIdentity {
  raft::NodeId node;
  std::string cluster;  // 32 hexadecimal digits
  std::string run_id;   // 40 hexadecimal digits, new with every start, as Redis has it
  UnixMillis started_at = 0;
};

enum class ShutdownMode : uint8_t { kCheckpoint, kNoCheckpoint };

struct NodeServices {
  const Clock& clock;
  NodeState& state;
  const command::CommandTable& table;
  RuntimeSettings& settings;
  storage::Store& store;
  RaftStage& raft;
  Snapshotter& snapshotter;
  Peers& peers;
  LoopGroup& loops;
  const NodeIdentity& identity;
  // Begins an orderly end of the process; returns at once.
  std::function<void(ShutdownMode)> shutdown;

  // CLIENT PAUSE: until when (monotonic, 0: not paused), and whether only writes are held back.
  std::atomic<int64_t> paused_until_ns{0};
  std::atomic<bool> pause_writes_only{false};
  // Connections that sent MONITOR, on all loops.
  std::atomic<uint32_t> monitors{0};
  // Loop 0's thread alone.
  Diagnostics diagnostics{};
};

}  // namespace kvorum::server
