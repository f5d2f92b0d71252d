#include "server/watch_feed.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "server/history_scan.h"

namespace kvorum::server {

namespace {

template <class Visit>
void for_each_watch(Session& session, const Visit& visit) {
  for (auto* subscriptions : {&session.channels, &session.patterns}) {
    for (auto& [name, subscription] : *subscriptions) {
      if (subscription.watch) visit(subscription);
    }
  }
}

}  // namespace

void WatchFeed::start(storage::View& view) {
  if (started_) return;
  const storage::AppliedState& state = view.applied_state();
  started_ = true;
  behind_ = false;
  position_ = state.history.last;
  revision_ = state.revision;
}

void WatchFeed::watch(Subscription& subscription) {
  Session& session = *subscription.session;
  Watcher& watcher = session.watcher;
  if (subscription.kind == SubscriptionKind::kPattern) {
    interest_.add_glob(subscription.target);
  } else {
    interest_.add_key(subscription.target);
  }
  pubsub_.subscribe(subscription);
  const bool first = watcher.watches++ == 0;
  if (first) {
    sessions_.insert(&session);
    fall_behind(session, subscription.after);
  } else {
    if (!watcher.behind) fall_behind(session, std::max(position_, watcher.position));
    if (subscription.after < watcher.position) {
      // The others have seen what this one is still to be given.
      for_each_watch(session, [&](Subscription& other) {
        if (&other != &subscription) other.after = std::max(other.after, watcher.position);
      });
      watcher.position = subscription.after;
    }
  }
  queue(session);
}

void WatchFeed::unwatch(Subscription& subscription) {
  Session& session = *subscription.session;
  pubsub_.unsubscribe(subscription);
  if (subscription.kind == SubscriptionKind::kPattern) {
    interest_.remove_glob(subscription.target);
  } else {
    interest_.remove_key(subscription.target);
  }
  if (--session.watcher.watches > 0) return;
  sessions_.erase(&session);
  if (session.watcher.behind) --watchers_behind_;
  if (session.watcher.queued) std::erase(ready_, &session);
  if (session.watcher.early) std::erase(early_, &session);
  session.watcher = {};
}

void WatchFeed::fall_behind(Session& session, EventId position) {
  session.watcher.behind = true;
  session.watcher.position = position;
  ++watchers_behind_;
}

void WatchFeed::queue(Session& session) {
  if (session.watcher.early) {
    session.watcher.early = false;
    std::erase(early_, &session);
  }
  if (std::exchange(session.watcher.queued, true)) return;
  ready_.push_back(&session);
}

void WatchFeed::has_room(Session& session) {
  if (session.watcher.behind && !session.watcher.early) queue(session);
}

void WatchFeed::live(const LiveEvents& live) {
  if (!started_ || behind_ || live.through <= revision_) return;
  if (live.after > revision_) {
    behind_ = true;
    return;
  }
  for (const command::HistoryEvent& event : live.events) {
    if (event.id.revision > revision_) pass(event);
  }
  revision_ = live.through;
  position_ = std::max(position_, live.last);
  finish_burst();
  for (Session* session : std::vector(early_)) queue(*session);
}

void WatchFeed::pass(const command::HistoryEvent& event) {
  pubsub_.notify(event.key, [&](Subscription& subscription) { give(subscription, event); });
  sink_.passed(event);
  position_ = event.id;
}

void WatchFeed::give(Subscription& subscription, const command::HistoryEvent& event) {
  Session& session = *subscription.session;
  Watcher& watcher = session.watcher;
  if (watcher.behind || event.id <= watcher.position) return;
  // What it got once it gets for all its watches.
  if (watcher.last_event != event.id && !sink_.has_room(session)) {
    watcher.slow = true;
    return fall_behind(session, std::max(position_, watcher.position));
  }
  send(subscription, event);
}

void WatchFeed::send(Subscription& subscription, const command::HistoryEvent& event) {
  subscription.session->watcher.last_event = event.id;
  sink_.event(subscription, event);
  if (subscription.marked) touched_.push_back(&subscription);
}

// Everything up to the position was given, but to those that fell behind on the way.
void WatchFeed::finish_burst() {
  for (Subscription* subscription : touched_) {
    if (!subscription->session->watcher.behind) mark(*subscription, position_);
  }
  touched_.clear();
}

void WatchFeed::mark(Subscription& subscription, EventId position) {
  if (subscription.marked_through && position <= *subscription.marked_through) return;
  if (position < subscription.after) return;
  subscription.marked_through = position;
  sink_.mark(subscription, WatchMark::kSync, position);
}

void WatchFeed::mark_progress() {
  if (!started_ || behind_) return;
  for (Session* session : sessions_) {
    if (session->watcher.behind || !sink_.has_room(*session)) continue;
    mark_all(*session, std::max(position_, session->watcher.position));
  }
}

void WatchFeed::mark_all(Session& session, EventId position) {
  for_each_watch(session, [&](Subscription& subscription) {
    if (subscription.marked) mark(subscription, position);
  });
}

void WatchFeed::catch_up(storage::View& view, const storage::Reader& reader, size_t budget) {
  const storage::AppliedState& state = view.applied_state();
  Past past{view, reader, state.revision, state.history.floor, state.history.last, budget};
  if (behind_) feed_from_history(past);
  for (size_t turns = ready_.size(); turns > 0 && past.budget > 0; --turns) {
    Session& session = *ready_.front();
    ready_.pop_front();
    session.watcher.queued = false;
    replay(session, past);
  }
}

// Gives `visit` the events after `position`, which is not before the floor, until it returns false.
WatchFeed::Stop WatchFeed::read(Past& past, EventId position, const Visit& visit) {
  bool full = false;
  HistoryScan scan = HistoryScan::forward(position, past.end, std::nullopt);
  const HistoryScan::Stop stop =
      scan.advance(past.view, past.reader, past.budget, [&](const command::HistoryEvent& event) {
        full = !visit(event);
        return !full;
      });
  if (full) return Stop::kFull;
  return stop == HistoryScan::Stop::kEnd ? Stop::kEnd : Stop::kBudget;
}

void WatchFeed::feed_from_history(Past& past) {
  if (position_ < past.floor) lose(past.floor);
  bool whole = true;  // the position is the end of a revision
  const Stop stop = read(past, position_, [&](const command::HistoryEvent& event) {
    pass(event);
    whole = event.ends_revision;
    return true;
  });
  if (stop == Stop::kEnd) {
    position_ = std::max(position_, past.end);
    revision_ = past.revision;
    behind_ = false;
  }
  if (whole) finish_burst();
  touched_.clear();
}

// The changes between the position and the floor were not seen by those that stood there.
void WatchFeed::lose(EventId floor) {
  for (Session* session : sessions_) {
    Watcher& watcher = session->watcher;
    if (watcher.behind) continue;
    watcher.position = std::max(position_, watcher.position);
    if (watcher.position < floor) lose(*session, floor);
  }
  position_ = floor;
  sink_.gap();
}

void WatchFeed::lose(Session& session, EventId floor) {
  for_each_watch(session, [&](Subscription& subscription) {
    const EventId seen = std::max(session.watcher.position, subscription.after);
    if (seen < floor) sink_.mark(subscription, WatchMark::kLost, seen);
  });
  session.watcher.position = floor;
}

void WatchFeed::replay(Session& session, Past& past) {
  Watcher& watcher = session.watcher;
  if (!sink_.has_room(session)) return;
  if (watcher.position < past.floor) lose(session, past.floor);
  if (watcher.position < past.end) {
    const Stop stop = replay_rows(session, past);
    if (stop == Stop::kBudget) queue(session);
    if (stop != Stop::kEnd) return;
  }
  watcher.position = std::max(watcher.position, past.end);
  mark_all(session, past.end);
  go_live(session, past.end);
}

WatchFeed::Stop WatchFeed::replay_rows(Session& session, Past& past) {
  Watcher& watcher = session.watcher;
  PubSub own;
  for_each_watch(session, [&](Subscription& subscription) { own.subscribe(subscription); });
  bool whole = true;
  const Stop stop = read(past, watcher.position, [&](const command::HistoryEvent& event) {
    if (!give_own(own, session, event)) return false;
    watcher.position = event.id;
    whole = event.ends_revision;
    return true;
  });
  if (whole) {
    for (Subscription* subscription : touched_) mark(*subscription, watcher.position);
  }
  touched_.clear();
  return stop;
}

// False when there is no room for an event that is wanted.
bool WatchFeed::give_own(const PubSub& own, Session& session, const command::HistoryEvent& event) {
  bool full = false;
  own.notify(event.key, [&](Subscription& subscription) {
    if (full || event.id <= subscription.after) return;
    full = session.watcher.last_event != event.id && !sink_.has_room(session);
    if (!full) send(subscription, event);
  });
  return !full;
}

void WatchFeed::go_live(Session& session, EventId end) {
  Watcher& watcher = session.watcher;
  bool early = false;
  for_each_watch(session,
                 [&](const Subscription& subscription) { early |= subscription.after > end; });
  if (early) {
    watcher.early = true;
    early_.push_back(&session);
    return;
  }
  watcher.behind = false;
  --watchers_behind_;
  if (std::exchange(watcher.slow, false)) ++catch_ups_;
}

}  // namespace kvorum::server
