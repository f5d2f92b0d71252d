// What the stages of the write path send each other. Plain values; entries are shared, never
// copied.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "command/executor.h"
#include "raft/core.h"
#include "server/slow_note.h"

namespace kvorum::server {

// A batch of writes that has grown to this is sent at once, and a second thread takes it while the
// loop reads on; what a loop's turn brings in less than this it sees through by itself.
inline constexpr size_t kEntryBytesMax = 32 << 10;

// A client loop's handle for one batch of writes that it proposed.
struct BatchOrigin {
  uint32_t loop = 0;
  uint64_t batch = 0;
  // The protocol of each item's connection; empty when all speak RESP2.
  std::vector<resp::Protocol> protocols;
};

// A command of a batch that took too long, and which item it was or belonged to.
struct SlowWrite {
  size_t item = 0;
  SlowNote note;
};

// What became of a batch: the replies, or one error for every item.
struct BatchOutcome {
  uint64_t batch = 0;
  command::ReplyBuffer replies;
  std::string error;     // a complete error text; empty: `replies` holds one reply for each item
  Monotonic elapsed{0};  // how long it took to execute
  std::vector<SlowWrite> slow = {};
};

// The changes of every revision after `after`, up to `through`, of keys that anybody listens to.
struct LiveEvents {
  explicit LiveEvents(const command::KeyInterest* interest = nullptr) : events(interest) {}

  uint64_t after = 0;
  uint64_t through = 0;
  EventId last;  // of all changes up to `through`, whoever listens
  command::EventBatch events;
};

// A store complete in a folder beside the node's own, and what it stands for.
struct Snapshot {
  std::string folder;
  raft::SnapshotMeta meta;
};

// Where the stages hand finished work to. Implemented by the group of client loops; the stages know
// nothing else of clients. Callable from any thread.
class ClientGateway {
 public:
  virtual ~ClientGateway() = default;
  virtual void batch_done(uint32_t loop, BatchOutcome outcome) = 0;
  // Before the events of a batch's changes and before its outcome: which revisions its items made.
  virtual void batch_executed(uint32_t loop, uint64_t batch,
                              const std::vector<command::ReachedRevision>& reached) = 0;
  virtual void events(std::shared_ptr<const LiveEvents> events) = 0;
  // A read asked for with `context` may run once `index` is applied; `granted` false: ask again.
  virtual void read_granted(uint32_t loop, uint64_t context, bool granted, raft::Index index) = 0;
  // A snapshot took the place of changes of which there will be no events.
  virtual void events_skipped() = 0;
  // PUBLISH on another node.
  virtual void published(std::string channel, std::string message, bool shard) = 0;
  // applied_index moved; loops that hold granted reads back look again.
  virtual void applied_moved(raft::Index index) = 0;
  // Something took longer than it may.
  virtual void slow(SlowNote note) = 0;
};

// Asks for work that ends with a word on how it went, called on the stage's thread.
using Completion = std::function<void(Status)>;

}  // namespace kvorum::server
