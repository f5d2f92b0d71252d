// StreamReads: the commands of one client loop that read the history of changes as a stream. Each
// has a scan, which goes on a slice in every turn, in turns with the others; its client waits. An
// XREAD that found nothing and may block is then given the next changes of its keys as they pass.
//
// A read blocks only when it has seen all that the feed has passed, so it misses nothing between.
// Touched by the loop's thread alone.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "command/history.h"
#include "net/event_loop.h"
#include "net/timer.h"
#include "server/client_context.h"
#include "server/history_scan.h"
#include "server/local_reader.h"
#include "server/pubsub.h"
#include "server/stream_questions.h"
#include "server/watch_feed.h"

namespace kvorum::server {

class StreamReads {
 public:
  StreamReads(ClientLoop& loop, net::EventLoop& events, LocalReader& reader, const WatchFeed& feed)
      : loop_(loop), events_(events), reader_(reader), feed_(feed), timer_(events, [this] {
          time_passed();
        }) {}

  // Answers the client's command with what `scan` gives `question`.
  void start(ClientContext& client, HistoryScan scan, std::unique_ptr<StreamQuestion> question);
  // If that is nothing, waits for the next change that is asked for, `timeout` at most; nothing:
  // for as long as it takes.
  void start_blocking(ClientContext& client, HistoryScan scan,
                      std::unique_ptr<ReadQuestion> question,
                      std::optional<std::chrono::milliseconds> timeout);

  // Whether changes have to pass here.
  bool wants_changes() const { return blocking_ > 0; }
  // Every change that the feed passes.
  void passed(const command::HistoryEvent& event);
  // The feed went to its position past changes that nobody can know any more.
  void gap();

  // The next slice, and answers.
  void finish_turn();

  enum class Unblock : uint8_t { kTimeout, kError };
  // False when the client does not wait in a read that may block.
  bool unblock(uint64_t session_id, Unblock how);
  // The client waits no longer: it is answered with what there is.
  void stop_blocking(const Session& session);
  // The client is gone.
  void drop(const Session& session) { remove(session.id); }

  size_t blocked() const { return blocked_; }

 private:
  struct Job {
    Deferred deferred;
    HistoryScan scan;
    std::unique_ptr<StreamQuestion> question;
    // Of one that may block: its question, and until when; nothing: for ever.
    ReadQuestion* read = nullptr;
    std::optional<Monotonic> deadline = std::nullopt;
    bool blocked = false;
    bool ready = false;  // blocked, and given something
  };
  using Jobs = std::unordered_map<uint64_t, Job>;  // by CLIENT ID

  void add(Session& session, Job job);
  void serve(uint64_t session_id, size_t& budget);
  bool may_block(const Job& job) const;
  void block(uint64_t session_id, Job& job);
  void wake(uint64_t session_id, Job& job);
  void answer(uint64_t session_id);
  void refuse(uint64_t session_id, std::string_view error);
  void finish(uint64_t session_id, std::string reply);
  void remove(uint64_t session_id);
  void time_passed();
  void set_timer();

  ClientLoop& loop_;
  net::EventLoop& events_;
  LocalReader& reader_;
  const WatchFeed& feed_;
  Jobs jobs_;
  std::deque<uint64_t> scanning_;  // in the order of their turns; some may be gone
  std::vector<uint64_t> ready_;    // likewise
  size_t blocking_ = 0;            // that may block
  size_t blocked_ = 0;
  PubSub awaited_;                                      // the names of those that are blocked
  std::set<std::pair<Monotonic, uint64_t>> deadlines_;  // of those that are blocked
  net::Timer timer_;
};

}  // namespace kvorum::server
