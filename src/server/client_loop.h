// ClientLoop: one thread of clients. It owns its sockets, their sessions, its window on the store
// and its registry of subscriptions; everything else reaches it as a message. A turn: read the
// sockets that are ready, run what can run, send the writes of all of them as one batch, flush each
// connection once.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "base/mailbox.h"
#include "config/runtime_settings.h"
#include "net/connection.h"
#include "net/connection_set.h"
#include "net/event_loop.h"
#include "net/fd.h"
#include "net/timer.h"
#include "server/client_tracking.h"
#include "server/dispatcher.h"
#include "server/event_text.h"
#include "server/loop_stats.h"
#include "server/node_services.h"
#include "server/session.h"
#include "server/stage_messages.h"
#include "server/stream_reads.h"
#include "server/watch_feed.h"

namespace kvorum::server {

class ClientLoop final : public Stage {
 public:
  ClientLoop(uint32_t number, NodeServices& node);
  ~ClientLoop() override;

  void start();
  // Sends what is owed, closes every connection, joins.
  void stop();

  // Any thread.
  using Task = std::function<void(ClientLoop&)>;
  void post_socket(net::Fd socket, uint64_t session_id);
  void post_task(Task task);
  void post_outcome(BatchOutcome outcome);
  void post_executed(uint64_t batch, const std::vector<command::ReachedRevision>& reached);
  void post_events(std::shared_ptr<const LiveEvents> events);
  // There were changes of which there are no events.
  void post_events_skipped() { mailbox_.post(EventsSkipped{}); }
  void post_read_granted(uint64_t context, bool granted, raft::Index index);
  void post_applied(raft::Index index);
  void post_deferred(uint32_t slot, uint64_t session_id, std::string reply);
  uint32_t number() const { return number_; }
  Waker& waker() { return events_.waker(); }
  bool asleep() const { return events_.asleep(); }
  // A stage that shares this loop's thread. Before start().
  void host(Stage& stage) { events_.host(stage); }

  // The loop's thread only, from here on.
  Monotonic now() const { return events_.now(); }
  NodeServices& node() { return node_; }
  const Config& config() const { return settings_.get(); }
  PubSub& pubsub() { return feed_.pubsub(); }
  const WatchFeed& feed() const { return feed_; }
  ClientTracking& tracking() { return tracking_; }
  StreamReads& streams() { return streams_; }
  LoopStats& stats() { return stats_; }
  // Counters, and what can be counted only by looking.
  LoopStats collect_stats();
  // CONFIG RESETSTAT.
  void reset_stats();
  void for_each_session(const std::function<void(Session&)>& visit);
  // Null when the session is gone.
  Session* find(uint32_t slot, uint64_t session_id);
  // Ends the connection: at once, or after what it is owed was sent.
  void close(Session& session, bool after_flush);

  // Waiting: the session's input is looked at again when it has happened.
  void wait_for_writes(Session& session) { wait(session, congested_); }
  void wait_for_unpause(Session& session) { wait(session, paused_); }
  void ask_read_point(Session& session, size_t unconsumed);
  void unpause();
  // Runs `task` on this loop once `delay` has passed.
  void after(std::chrono::milliseconds delay, std::function<void()> task);

  // The subscription is one of its session's, until it is undone.
  void subscribe(Subscription& subscription);
  void unsubscribe(Subscription& subscription);
  void unsubscribe_all(Session& session);
  // Delivers to this loop's subscribers.
  size_t publish(std::string_view channel, std::string_view message, bool shard);
  // Ends a connection that speaks HTTP.
  void drop_http(Session& session);
  // Whether anybody here is to be told of changes; to be called when that may have changed.
  void update_listening();

  void set_monitor(Session& session, bool on);
  // Shows a command to every MONITOR connection of the node.
  void feed_monitors(const Session& session, const command::CommandSpec& spec, command::Args args);
  void note_slow_command(const Session& session, const command::CommandSpec& spec,
                         command::Args args, Monotonic elapsed);
  // Closes a connection whose client does not read what it is sent (client-output-buffer-limit).
  void check_output(Session& session);
  const OutputBufferLimit& output_limit(const Session& session) const;
  // Puts a session back to how it was when it connected (RESET).
  void reset(Session& session);

  bool drain() override;

 private:
  class Client;

  // The feed's way to this loop's connections.
  class Watches final : public WatchSink {
   public:
    explicit Watches(ClientLoop& loop) : loop_(loop) {}
    bool has_room(Session& session) override;
    void event(Subscription& subscription, const command::HistoryEvent& event) override;
    void mark(Subscription& subscription, WatchMark mark, EventId id) override;
    void passed(const command::HistoryEvent& event) override;
    void gap() override;

   private:
    ClientLoop& loop_;
    EventText text_;  // of the event delivered last
    // It, as whoever was given it last got it: so do others that watch by the same name.
    struct Frame {
      EventId id;
      SubscriptionKind kind = SubscriptionKind::kChannel;
      resp::Protocol protocol = resp::Protocol::kResp2;
      std::string name;
      std::string bytes;
    } frame_;
  };

  struct Reference {
    uint32_t slot = 0;
    uint64_t session_id = 0;
  };
  struct ReadGranted {
    uint64_t context = 0;
    bool granted = false;
    raft::Index index;
  };
  struct Applied {
    raft::Index index;
  };
  struct DeferredReply {
    Reference session;
    std::string reply;
  };
  struct EventsSkipped {};
  struct Executed {
    uint64_t batch = 0;
    std::vector<command::ReachedRevision> reached;
  };
  struct Accepted {
    net::Fd socket;
    uint64_t session_id = 0;
  };
  using Events = std::shared_ptr<const LiveEvents>;
  using Message = std::variant<BatchOutcome, Events, ReadGranted, Applied, DeferredReply, Task,
                               Accepted, EventsSkipped, Executed>;
  struct AskedRead {
    uint64_t context = 0;
    std::vector<Reference> sessions;
  };
  struct GrantedRead {
    raft::Index index;
    Reference session;
  };

  void handle(BatchOutcome& outcome);
  void handle(Events& events);
  void handle(ReadGranted& message);
  void handle(Applied& message);
  void handle(DeferredReply& message);
  void handle(Task& task);
  void handle(Accepted& message);
  void handle(EventsSkipped& message);
  void handle(Executed& message);

  size_t on_input(Session& session, std::string_view input);
  bool on_input_end(Session& session);
  void on_drained(Session& session);
  void on_closed(Session& session);
  size_t run_commands(Session& session, std::string_view input);
  bool owes(const Session& session) const;
  void bound_input(Session& session, size_t held);
  bool turn_away(net::Connection& connection);
  void note_slow_writes(BatchOutcome& outcome);
  void note_slow(SlowNote note);

  Reference reference(const Session& session) const { return {session.slot, session.id}; }
  void wait(Session& session, std::vector<Reference>& list);
  void resume(std::vector<Reference>& waiting);
  void resume(const Reference& waiting);
  void grant(const GrantedRead& read);
  void catch_up();
  void notify_keyspace(const command::HistoryEvent& event);
  void send_message(const Subscription& subscription, std::string_view channel,
                    std::string_view message);
  static void write_message(const Subscription& subscription, std::string_view channel,
                            std::string_view message, std::string& out);
  void cut_stalled_watcher(Session& session);
  void finish_turn();
  void send_writes();
  void send_reads();
  void housekeeping();
  void look_after_sessions();
  void look_after(Session& session);
  void measure_rate();

  const uint32_t number_;
  NodeServices& node_;
  mutable SettingsView settings_;
  net::EventLoop events_;
  Mailbox<Message> mailbox_;
  std::vector<Message> inbox_;
  LoopStats stats_;
  Watches watches_;
  WatchFeed feed_;
  // What the connections had moved when the counters were last reset.
  uint64_t input_bytes_before_ = 0;
  uint64_t output_bytes_before_ = 0;
  Dispatcher dispatcher_;
  ClientTracking tracking_;
  StreamReads streams_;
  net::Timer housekeeping_;
  std::thread thread_;

  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<uint32_t> free_slots_;
  size_t looked_after_ = 0;  // by housekeeping: the slot that is next
  std::vector<std::string_view> args_;

  std::vector<Reference> congested_;
  std::vector<Reference> paused_;
  std::vector<Reference> retry_reads_;
  // Asked for in this turn.
  std::vector<Reference> lease_reads_;
  std::vector<Reference> linearizable_reads_;
  std::deque<AskedRead> asked_reads_;
  std::vector<GrantedRead> granted_reads_;
  uint64_t last_read_context_ = 0;
  // The lowest index that a granted read waits for; 0: none. Read by the applier.
  std::atomic<uint64_t> waits_for_index_{0};

  // Of the batch being gathered: its writes when last looked at, and for how many turns.
  size_t gathered_writes_ = 0;
  int gathering_turns_ = 0;

  std::atomic<bool> listening_{false};
  bool listens_to_all_ = false;  // changes, not those of some keys alone
  std::atomic<size_t> queued_events_{0};
  std::atomic<bool> events_dropped_{false};
  std::atomic<size_t> event_queue_max_;
  size_t monitors_ = 0;
  Monotonic progress_marked_at_{0};

  // One-shot timers of after(), until they have fired.
  std::list<std::unique_ptr<net::Timer>> timers_;

  // When commands_per_second was last measured, and how many there were then.
  Monotonic rate_since_{0};
  uint64_t rate_commands_ = 0;
};

}  // namespace kvorum::server
