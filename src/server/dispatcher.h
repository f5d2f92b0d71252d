// Dispatcher: takes one parsed command of one session and decides what becomes of it: refused,
// queued, run on the loop's view, sent for replication, run locally, or left where it is to be
// tried again. Owned by a client loop.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "command/keyspace.h"
#include "command/spec.h"
#include "server/client_context.h"
#include "server/local_reader.h"
#include "server/loop_stats.h"
#include "server/node_services.h"
#include "server/session.h"
#include "server/write_batcher.h"

namespace kvorum::server {

// kWait: nothing happened; the command stays in the input and is tried again when the session is
// resumed.
enum class Verdict : uint8_t { kDone, kWait };

class Dispatcher {
 public:
  Dispatcher(ClientLoop& loop, uint32_t loop_number, NodeServices& node, LoopStats& stats);

  // `unconsumed`: the bytes of input from the start of this command to the end of the input.
  Verdict run(Session& session, command::Args args, size_t unconsumed);

  // EXEC and WATCH, called by their rows.
  void execute_transaction(ClientContext& client);
  void watch(ClientContext& client, command::Args keys);
  // The reply of a deferred command came: a transaction that was held up by it goes on.
  void deferred_done(Session& session, std::string_view reply);
  // The reply of one item of a batch came.
  void write_done(Session& session, const WriteTarget& target, const WriteReply& reply);

  // Commands that arrived together are about to run.
  void begin_commands() { lap_ = Monotonic(0); }

  WriteBatcher& writes() { return writes_; }
  LocalReader& reader() { return reader_; }
  uint64_t next_random();

 private:
  struct Row {
    const command::CommandSpec* spec = nullptr;
    command::Args args;
    size_t unconsumed = 0;
  };

  // What forbids the command in the session's present state; empty when it may go on.
  std::string refusal(const Session& session, const Row& row) const;
  Verdict refuse(Session& session, const Row& row, std::string_view error);
  bool queues(const Session& session, const Row& row) const;
  Verdict queue(Session& session, const Row& row);
  Verdict run_row(Session& session, const Row& row);
  Verdict run_shown(Session& session, const Row& row);
  Verdict run_read(Session& session, const Row& row);
  Verdict run_write(Session& session, const Row& row);
  Verdict run_local(Session& session, const Row& row);

  command::ArgumentLimits limits() const;
  // EXEC would do nothing but say so.
  static bool will_abort(const Session& session);
  bool needs_read_point(const Session& session, const Row& row) const;
  bool read_timed_out(Session& session);
  bool lease_covers_view() const;
  std::string staleness(const Session& session) const;
  bool may_read(Session& session, size_t unconsumed);
  bool paused(const command::CommandSpec& spec, const Session& session) const;
  command::Keyspace keys_of_view();
  bool watched_unchanged(Session& session);
  void run_on_view(RunningTransaction& running, resp::Protocol protocol);
  void continue_transaction(Session& session);
  void note_read(Session& session, const QueuedCommand& queued, EventId seen);
  void send_transaction(Session& session, RunningTransaction running);
  static void end_caching(Session& session, const command::CommandSpec* spec);
  Monotonic lap();
  void account(Session& session, const Row& row, std::string_view reply);
  void after_command(Session& session, const Row& row);
  std::string& output(Session& session);

  ClientLoop& loop_;
  NodeServices& node_;
  LoopStats& stats_;
  LocalReader reader_;
  WriteBatcher writes_;
  uint64_t random_;
  // When the command before this one ended: this one began then. One look at the clock for each of
  // many small commands. 0: not known.
  Monotonic lap_{0};
  std::string scratch_;
  const command::CommandSpec* const exec_;
  const command::CommandSpec* const watch_;
  // Rows that run at once between MULTI and EXEC.
  std::vector<const command::CommandSpec*> never_queued_;
};

}  // namespace kvorum::server
