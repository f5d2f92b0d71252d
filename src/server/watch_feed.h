// WatchFeed: brings every change of the state machine to the watches of one client loop, in order,
// each once: live, as the applier makes them, else from the event history (what a watch asks for of
// the past, what a slow reader had no room for, what the loop missed). Nothing grows with what is
// unread. The feed stands at a position: all up to it was given to all watchers that keep up. One
// that does not is behind, with a position of its own, and reads the history at its pace until it
// has come as far as the store; where history is gone it is told so (`lost`). Used by one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <vector>

#include "command/event.h"
#include "command/history.h"
#include "server/pubsub.h"
#include "server/session.h"
#include "server/stage_messages.h"
#include "storage/store.h"

namespace kvorum::server {

enum class WatchMark : uint8_t {
  kSync,  // it has seen everything up to the id
  kLost,  // what followed the id is gone, it was not seen
};

class WatchSink {
 public:
  virtual ~WatchSink() = default;
  // Whether the watcher's connection can take another event.
  virtual bool has_room(Session& session) = 0;
  virtual void event(Subscription& subscription, const command::HistoryEvent& event) = 0;
  virtual void mark(Subscription& subscription, WatchMark mark, EventId id) = 0;
  // Every change that the feed passes, once, after the watches of its key got it.
  virtual void passed(const command::HistoryEvent& event) = 0;
  // The feed went past changes that nobody can know any more.
  virtual void gap() = 0;
};

class WatchFeed {
 public:
  // Both outlive it. `interest` is told of every watch before the watch may look at the store.
  WatchFeed(WatchSink& sink, command::KeyInterest& interest) : sink_(sink), interest_(interest) {}

  PubSub& pubsub() { return pubsub_; }
  const PubSub& pubsub() const { return pubsub_; }

  // Somebody listens: changes after those in `view` are of interest.
  void start(storage::View& view);
  void stop() { started_ = false; }

  // A watch of `session`, from subscription.after on. It is given what it missed by catch_up().
  void watch(Subscription& subscription);
  void unwatch(Subscription& subscription);

  void live(const LiveEvents& events);
  // There may be changes that live() was not and will not be called for.
  void missed() { behind_ = started_; }

  // Whether catch_up() has anything to do now.
  bool lags() const { return behind_ || !ready_.empty(); }
  // `session` has room again.
  void has_room(Session& session);
  // Gives the feed and those behind what `view`, which is `reader`'s and no older than any live()
  // so far, holds of their past: about `budget` bytes of it, or until there is no more, or no room.
  void catch_up(storage::View& view, const storage::Reader& reader, size_t budget);
  // Tells marked watches how far they are, where that moved since they were told.
  void mark_progress();

  EventId position() const { return position_; }
  size_t watchers_behind() const { return watchers_behind_; }
  uint64_t catch_ups() const { return catch_ups_; }

 private:
  // What a view holds of the history.
  struct Past {
    storage::View& view;
    const storage::Reader& reader;  // that the view is of
    uint64_t revision = 0;
    EventId floor;
    EventId end;
    size_t budget = 0;
  };
  enum class Stop : uint8_t { kEnd, kBudget, kFull };
  using Visit = std::function<bool(const command::HistoryEvent& event)>;

  void pass(const command::HistoryEvent& event);
  void give(Subscription& subscription, const command::HistoryEvent& event);
  void send(Subscription& subscription, const command::HistoryEvent& event);
  void finish_burst();
  void mark(Subscription& subscription, EventId position);
  void mark_all(Session& session, EventId position);
  void fall_behind(Session& session, EventId position);
  void go_live(Session& session, EventId end);
  void queue(Session& session);

  static Stop read(Past& past, EventId position, const Visit& visit);
  void feed_from_history(Past& past);
  void replay(Session& session, Past& past);
  Stop replay_rows(Session& session, Past& past);
  bool give_own(const PubSub& own, Session& session, const command::HistoryEvent& event);
  void lose(EventId floor);
  void lose(Session& session, EventId floor);

  WatchSink& sink_;
  command::KeyInterest& interest_;
  PubSub pubsub_;
  bool started_ = false;
  // The position, and the revision that it completes.
  EventId position_;
  uint64_t revision_ = 0;
  bool behind_ = false;          // what follows the position has to be read from the history
  std::set<Session*> sessions_;  // that watch anything
  // Behind, and with room, in the order of their turns.
  std::deque<Session*> ready_;
  // Behind because their watches begin after everything there is yet.
  std::vector<Session*> early_;
  size_t watchers_behind_ = 0;
  uint64_t catch_ups_ = 0;
  // Marked watches that were given something since the last mark.
  std::vector<Subscription*> touched_;
};

}  // namespace kvorum::server
