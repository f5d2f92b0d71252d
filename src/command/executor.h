// Executor: turns committed entries into changes, deterministically. Owned by the applier. Every node
// that executes the same entries on the same state has the same state, ids and events after.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/event_id.h"
#include "command/table.h"
#include "raft/types.h"
#include "storage/store.h"

namespace kvorum::command {

// How an event counts for notify-keyspace-events (Redis' letters g $ l s h z x t); kNone for changes
// that Redis does not notify (a key removed by FLUSHALL), which watches see all the same.
enum class NotifyClass : uint8_t { kNone, kGeneric, kString, kList, kSet, kHash, kZset, kExpired, kStream };

// One change of one key. Order in a batch is the order of ids.
struct Event {
  EventId id;
  NotifyClass notify = NotifyClass::kNone;
  std::string_view name;  // a literal: "set", "del", "expired", …
  std::string key;
  bool has_value = false;
  std::string value;  // the key's new value, when the change made one
};

using EventBatch = std::vector<Event>;

// Where replies of one entry go. Entries from other nodes have none.
struct ReplyTarget {
  // For item i of the batch: the protocol its connection speaks.
  std::function<resp::Protocol(size_t item)> protocol;
  // The reply of item i, complete.
  std::function<void(size_t item, std::string_view reply)> deliver;
};

struct ExecutorLimits {
  uint64_t key_bytes_max = 64 << 10;
  uint64_t value_bytes_max = 8 << 20;
};

class Executor {
 public:
  Executor(const CommandTable& table, ExecutorLimits limits);
  ~Executor();

  // Executes a kCommands entry on `transaction` and sets its applied state. `events` collects every
  // change when not null, and costs nothing when null. `replies` may be null.
  void execute(const raft::Entry& entry, storage::Transaction& transaction, EventBatch* events,
               const ReplyTarget* replies);
};

}  // namespace kvorum::command
