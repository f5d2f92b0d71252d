// ClientTracking: the part of a client loop that serves CLIENT TRACKING: it remembers what tracking
// connections read, matches the changes that pass, and tells who has to know. Touched by the loop's
// thread alone.
//
// Nobody keeps a value that is out of date without being told after it came: README.md says how.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>

#include "command/executor.h"
#include "command/history.h"
#include "command/spec.h"
#include "server/session.h"
#include "server/tracking.h"

namespace kvorum::server {

class ClientLoop;
class LocalReader;
class WriteBatcher;
struct LoopStats;

class ClientTracking {
 public:
  ClientTracking(ClientLoop& loop, LocalReader& reader, const WriteBatcher& writes);

  // Whether any connection of this loop tracks.
  bool active() const { return table_.active(); }
  // Any thread: whether note_executed() has anything to do.
  bool wants_writers() const { return wants_writers_.load(std::memory_order_relaxed); }

  // The options fit each other and what the session tracks already.
  void start(Session& session, const TrackingOptions& options,
             std::span<const std::string> prefixes);
  // Also for a session that does not track.
  void stop(Session& session);

  // From here on, `session` tracks. It was answered a command that ran after the change `seen`.
  void note_read(Session& session, const command::CommandSpec& spec, command::Args args,
                 EventId seen);
  // The reply of a write, or of a whole transaction, is in the output.
  void note_answered(Session& session, WriteReference write);
  void note_transaction_answered(Session& session);

  // A batch of this loop was executed; comes before its changes pass and before its replies.
  void note_executed(uint64_t batch, std::span<const command::ReachedRevision> reached);
  // Every change, in order.
  void passed(const command::HistoryEvent& event);
  // There were changes that nobody knows any more.
  void lost();
  // Evicts, and tells the broadcasts of this turn.
  void finish_turn();

  void count(LoopStats& stats) const;

 private:
  // A revision that a connection which tracks has made.
  struct OwnRevision {
    uint64_t revision = 0;
    uint32_t slot = 0;
    uint64_t session_id = 0;
    WriteReference write;
  };

  // Of a key that was read: nothing, or something that its reader was told or needs not hear, or
  // something that it has to be told.
  enum class News : uint8_t { kNone, kTold, kUntold };

  Session* writer_of(uint64_t revision);
  static void note_own_change(Session& writer, const command::HistoryEvent& event);
  void everything_changed();
  News news_of(Session& session, std::string_view key, EventId seen);
  void evict();

  // `keys` is one array in RESP; empty: all keys there are.
  void tell(Session& tracker, const std::string& keys);
  void deliver(Session& tracker, const std::string& keys);
  void deliver_redirected(Session& tracker, const std::string& keys);
  void redirect_broke(Session& tracker, uint64_t redirect);
  void write(Session& receiver, const std::string& keys);
  void release(Session& session);

  ClientLoop& loop_;
  LocalReader& reader_;
  const WriteBatcher& writes_;
  Tracking table_;
  std::atomic<bool> wants_writers_{false};
  // Changes up to this one have passed, or were before anybody tracked.
  EventId passed_;
  // Of a FLUSHALL, whose keys make one invalidation.
  uint64_t flushed_ = 0;
  std::deque<OwnRevision> own_;  // ascending; not passed yet
  uint64_t random_;
};

}  // namespace kvorum::server
