// DiskWatch: whether the disk of the data folder has room for what may come. The engine does not
// survive a disk that fills up under it, so writes stop well before: looked at now and then by the
// control loop, and in between by the log writer whenever much was written.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "server/node_state.h"

namespace kvorum::server {

class DiskWatch {
 public:
  DiskWatch(std::string folder, NodeState& state) : folder_(std::move(folder)), state_(state) {}

  // The control loop. `bytes_min`: what must stay free; the engine's own needs included.
  void look(uint64_t bytes_min);
  // The log writer: so many bytes were logged, and will go to the store as well.
  void wrote(uint64_t bytes);

 private:
  void judge(uint64_t bytes_min);

  const std::string folder_;
  NodeState& state_;
  std::atomic<uint64_t> bytes_min_{0};
  std::atomic<uint64_t> written_{0};  // since the control loop looked
  uint64_t unjudged_ = 0;             // the log writer's
};

}  // namespace kvorum::server
