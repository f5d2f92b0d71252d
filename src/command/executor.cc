#include "command/executor.h"

#include "base/check.h"

namespace kvorum::command {

namespace {

// Removes keys that are due, earliest first. All of them share one revision.
void expire_due(Keyspace& keys, uint64_t most) {
  std::vector<std::string> due;
  if (most == 0) return;
  keys.view().for_each_due(keys.now(), [&](UnixMillis, std::string_view key) {
    due.emplace_back(key);
    return due.size() < most;
  });
  for (const std::string& key : due) keys.expire(key);
}

bool holds(Keyspace& keys, const BatchTransaction& transaction) {
  for (const auto& [key, modified] : transaction.watches) {
    std::optional<storage::KeyHeader> header = keys.find_header(key);
    if ((header ? header->modified : EventId{}) != modified) return false;
  }
  return true;
}

// Whether a batch is the next one of its proposer. The first of a session begins it, and ends the
// session before.
bool is_next(const storage::AppliedState& state, const BatchIdentity& identity) {
  const storage::Proposer* seen = state.find_proposer(identity.node);
  if (seen != nullptr && identity.session < seen->session) return false;
  const bool same_session = seen != nullptr && identity.session == seen->session;
  return identity.sequence == (same_session ? seen->sequence : 0) + 1;
}

}  // namespace

void ReplyBuffer::clear() {
  executed = true;
  bytes.clear();
  ends.clear();
  element_ends.clear();
  element_changes.clear();
  reached.clear();
}

std::string_view ReplyBuffer::reply(size_t item) const {
  const size_t begin = item == 0 ? 0 : ends[item - 1];
  return std::string_view(bytes).substr(begin, ends[item] - begin);
}

bool Executor::execute(const raft::Entry& entry, storage::Transaction& transaction,
                       EventBatch* events, std::span<const resp::Protocol> protocols,
                       ReplyBuffer* replies) {
  CHECK(entry.kind == raft::EntryKind::kCommands);
  if (const std::optional<BatchIdentity> identity = identity_of(entry.data)) {
    const storage::AppliedState& state = transaction.applied_state();
    if (!is_next(state, *identity)) {
      if (replies != nullptr) {
        replies->clear();
        replies->executed = false;
      }
      transaction.set_applied(entry.id, entry.stamp, state.revision);
      return !transaction.failed();
    }
    transaction.set_proposer(
        {identity->node, identity->session, identity->sequence, entry.id.index});
  }
  return run_items(entry, transaction, events, protocols, replies);
}

bool Executor::run_items(const raft::Entry& entry, storage::Transaction& transaction,
                         EventBatch* events, std::span<const resp::Protocol> protocols,
                         ReplyBuffer* replies) {
  BatchReader reader(entry.data);
  uint64_t revision = transaction.applied_state().revision;
  history_.begin(transaction, entry.stamp);
  Keyspace keys(transaction, entry.stamp, entry.id.index.value(), reader.value_bytes_max(), events,
                history_);
  ReplyBuffer& out = replies != nullptr ? *replies : discarded_;
  out.clear();
  for (size_t i = 0; reader.next(item_); ++i) {
    if (replies == nullptr) out.clear();
    resp::ReplyWriter reply(out.bytes,
                            i < protocols.size() ? protocols[i] : resp::Protocol::kResp2);
    keys.begin(revision + 1, std::holds_alternative<BatchTransaction>(item_));
    run_item(keys, reply, replies);
    out.ends.push_back(out.bytes.size());
    if (transaction.failed()) return false;
    if (keys.changed()) {
      ++revision;
      history_.end_revision(keys.last_change());
    }
    if (events != nullptr && replies != nullptr) out.reached.push_back({revision, keys.changed()});
  }
  if (!reader.ok()) {
    die("log entry {} holds a batch this version can't read; was it written by a newer one?",
        entry.id.index);
  }
  history_.end();
  transaction.set_applied(entry.id, entry.stamp, revision);
  expired_ += keys.expired();
  return !transaction.failed();
}

void Executor::run_item(Keyspace& keys, resp::ReplyWriter& reply, ReplyBuffer* replies) {
  if (auto* command = std::get_if<BatchCommand>(&item_)) {
    run_command(keys, command->args, reply);
  } else if (auto* several = std::get_if<BatchTransaction>(&item_)) {
    run_transaction(keys, *several, reply, replies);
  } else if (auto* due = std::get_if<BatchExpireDue>(&item_)) {
    expire_due(keys, due->most);
    history_.trim_more(due->most);
  } else if (auto* policy = std::get_if<BatchHistoryPolicy>(&item_)) {
    history_.set_policy(policy->max_bytes, policy->max_age_ms);
  }
}

void Executor::run_command(Keyspace& keys, Args args, resp::ReplyWriter& reply) {
  const CommandSpec& spec = row_of(args);
  if (const auto* write = std::get_if<Write>(&spec.handler)) {
    write->run(keys, args, reply);
  } else {
    std::get<Read>(spec.handler).run(keys, args, reply);
  }
}

// A command that answers an error does not stop the ones after it, as in Redis.
void Executor::run_transaction(Keyspace& keys, const BatchTransaction& transaction,
                               resp::ReplyWriter& reply, ReplyBuffer* replies) {
  if (!holds(keys, transaction)) {
    reply.null_array();
    return;
  }
  note_keys_of(keys, transaction);
  reply.array(transaction.commands.size());
  for (const std::vector<std::string_view>& args : transaction.commands) {
    run_command(keys, args, reply);
    if (replies == nullptr) continue;
    replies->element_ends.push_back(replies->bytes.size());
    replies->element_changes.push_back(keys.changes());
  }
}

// Only a command that takes all keys at once needs their creation noted beforehand.
void Executor::note_keys_of(Keyspace& keys, const BatchTransaction& transaction) {
  bool clears = false;
  for (const std::vector<std::string_view>& args : transaction.commands) {
    const CommandSpec& spec = row_of(args);
    clears |= (spec.flags & kFlagWrite) != 0 && spec.keys.first == 0;
  }
  if (!clears) return;
  for (const std::vector<std::string_view>& args : transaction.commands) {
    for (std::string_view key : keys_of(row_of(args), args)) keys.note_created(key);
  }
}

// Going on without a command that other nodes execute would make this node's state another one.
const CommandSpec& Executor::row_of(Args args) const {
  const CommandSpec* spec = table_.find(args);
  const std::string refusal = table_.refusal(spec, args);
  const bool known = spec != nullptr && (std::holds_alternative<Read>(spec->handler) ||
                                         std::holds_alternative<Write>(spec->handler));
  if (!known || !refusal.empty()) {
    die("the log holds a command this version can't execute ('{}'); was it written by a newer one?",
        args.empty() ? std::string_view() : args[0].substr(0, 64));
  }
  return *spec;
}

}  // namespace kvorum::command
