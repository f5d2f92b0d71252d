// The Dispatcher's part in MULTI, EXEC and WATCH.

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "base/check.h"
#include "net/connection.h"
#include "server/client_loop.h"
#include "server/dispatcher.h"

namespace kvorum::server {

namespace {

bool on_data(const QueuedCommand& command) {
  return !std::holds_alternative<command::Local>(command.spec->handler);
}

bool changes_data(const QueuedCommand& command) {
  return std::holds_alternative<command::Write>(command.spec->handler);
}

// The last change before a command of a transaction that had made so many with it.
EventId seen_after(const command::ReachedRevision& reached, uint64_t changes) {
  if (!reached.changed) return last_change_of(reached.revision);
  if (changes == 0) return last_change_of(reached.revision - 1);
  constexpr uint64_t kChangeMax = std::numeric_limits<uint32_t>::max();
  return {reached.revision, static_cast<uint32_t>(std::min(changes - 1, kChangeMax))};
}

std::vector<std::vector<std::string>> data_commands(const std::vector<QueuedCommand>& commands) {
  std::vector<std::vector<std::string>> chosen;
  for (const QueuedCommand& command : commands) {
    if (on_data(command)) chosen.push_back(command.args);
  }
  return chosen;
}

}  // namespace

// WATCH: notes each key's last change. EXEC compares it where the transaction is applied, so it
// holds however long the client takes and whichever node it talks to.
void Dispatcher::watch(ClientContext& client, command::Args keys) {
  Session& session = client.session();
  command::Keyspace keyspace = keys_of_view();
  for (std::string_view key : keys) {
    bool known = std::ranges::any_of(
        session.watched, [key](const command::Watched& watched) { return watched.key == key; });
    if (known) continue;
    std::optional<storage::KeyHeader> header = keyspace.find_header(key);
    session.watched.push_back({std::string(key), header ? header->modified : EventId{}});
  }
}

bool Dispatcher::watched_unchanged(Session& session) {
  command::Keyspace keyspace = keys_of_view();
  return std::ranges::all_of(session.watched, [&](const command::Watched& watched) {
    std::optional<storage::KeyHeader> header = keyspace.find_header(watched.key);
    return (header ? header->modified : EventId{}) == watched.modified;
  });
}

bool Dispatcher::will_abort(const Session& session) {
  return session.transaction.broken || session.watch_refused;
}

void Dispatcher::execute_transaction(ClientContext& client) {
  Session& session = client.session();
  if (!session.transaction.open) return client.reply().error("ERR EXEC without MULTI");
  if (will_abort(session)) {
    session.end_transaction();
    return client.reply().error("EXECABORT Transaction discarded because of previous errors.");
  }
  QueuedTransaction transaction = std::exchange(session.transaction, {});
  RunningTransaction running;
  running.commands = std::move(transaction.commands);
  if (std::ranges::any_of(running.commands, changes_data)) {
    if (node_.state.refuses_writes()) {
      session.unwatch();
      return client.reply().error(
          "EXECABORT Transaction discarded because of: NOSPACE the disk is full");
    }
    return send_transaction(session, std::move(running));
  }
  bool unchanged = watched_unchanged(session);
  session.unwatch();
  if (!unchanged) return client.reply().null_array();
  running.silent = session.silent();
  run_on_view(running, session.protocol);
  running.data_seen.assign(running.data_replies.size(), last_change_of(reader_.revision()));
  session.running = std::move(running);
  continue_transaction(session);
}

void Dispatcher::send_transaction(Session& session, RunningTransaction running) {
  ++session.writes_in_flight;
  bool silent = session.silent();
  running.silent = silent;
  std::vector<std::vector<std::string>> commands = data_commands(running.commands);
  writes_.add_transaction({session.slot, session.id, silent, true, exec_}, session.protocol,
                          session.watched, commands);
  session.unwatch();
  bool all_on_data = commands.size() == running.commands.size();
  // What was read is noted when it is answered.
  if (!all_on_data || session.tracking != nullptr) session.running = std::move(running);
}

void Dispatcher::run_on_view(RunningTransaction& running, resp::Protocol protocol) {
  command::Keyspace keys = keys_of_view();
  for (const QueuedCommand& queued : running.commands) {
    if (!on_data(queued)) continue;
    std::string text;
    resp::ReplyWriter reply(text, protocol);
    std::vector<std::string_view> args(queued.args.begin(), queued.args.end());
    if (command::admissible(*queued.spec, args, limits(), reply)) {
      std::get<command::Read>(queued.spec->handler).run(keys, args, reply);
    }
    running.data_replies.push_back(std::move(text));
  }
}

void Dispatcher::write_done(Session& session, const WriteTarget& target, const WriteReply& reply) {
  CHECK(session.writes_in_flight > 0, "a reply for a session that waits for none");
  --session.writes_in_flight;
  if (!target.transaction) {
    CommandStats& stats = stats_.by_command[target.spec];
    stats.note_call(reply.elapsed);
    if (reply.bytes.starts_with('-')) ++stats.failed;
  }
  bool ran = !reply.failed && !reply.element_ends.empty();
  if (!target.transaction || !session.running || !ran) {
    if (target.transaction) session.running.reset();
    if (!target.silent) session.connection->out().append(reply.bytes);
    if (reply.bytes.starts_with('-')) stats_.note_error(reply.bytes);
    if (session.tracking != nullptr) loop_.tracking().note_answered(session, reply.write);
    return;
  }
  size_t begin = reply.bytes.find('\n') + 1;
  for (size_t end : reply.element_ends) {
    session.running->data_replies.emplace_back(reply.bytes.substr(begin, end - begin));
    begin = end;
  }
  for (uint64_t changes : reply.element_changes) {
    session.running->data_seen.push_back(seen_after(reply.reached, changes));
  }
  continue_transaction(session);
}

// Puts the array of an EXEC together: replies on data are there, local commands run one by one; one
// that answers later is waited for.
void Dispatcher::continue_transaction(Session& session) {
  RunningTransaction& running = *session.running;
  if (running.next == 0) {
    resp::ReplyWriter(running.reply, session.protocol).array(running.commands.size());
  }
  while (running.next < running.commands.size()) {
    const QueuedCommand& queued = running.commands[running.next++];
    if (on_data(queued)) {
      const size_t number = running.next_data_reply++;
      running.reply.append(running.data_replies[number]);
      if (session.tracking != nullptr) note_read(session, queued, running.data_seen[number]);
      continue;
    }
    std::vector<std::string_view> args(queued.args.begin(), queued.args.end());
    resp::ReplyWriter reply(running.reply, session.protocol);
    ClientContext client(session, loop_, *this, node_, reply);
    std::get<command::Local>(queued.spec->handler).run(client, args);
    if (session.deferred) return;
  }
  if (!running.silent) session.connection->out().append(running.reply);
  session.running.reset();
  if (session.tracking == nullptr) return;
  loop_.tracking().note_transaction_answered(session);
  end_caching(session, exec_);
}

void Dispatcher::note_read(Session& session, const QueuedCommand& queued, EventId seen) {
  std::vector<std::string_view> args(queued.args.begin(), queued.args.end());
  loop_.tracking().note_read(session, *queued.spec, args, seen);
}

void Dispatcher::deferred_done(Session& session, std::string_view reply) {
  session.deferred = false;
  if (!session.running) {
    if (!session.deferred_silent) session.connection->out().append(reply);
    return;
  }
  session.running->reply.append(reply);
  continue_transaction(session);
}

}  // namespace kvorum::server
