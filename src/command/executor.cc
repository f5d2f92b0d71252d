#include "command/executor.h"

#include <fmt/format.h>

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

uint64_t transaction_weight_max(const Keyspace& keys) {
  return kTransactionValuesMax * keys.value_bytes_max();
}

void refuse_too_heavy(const Keyspace& keys, resp::ReplyWriter& reply) {
  reply.error(
      fmt::format("ERR the transaction would write more than {} bytes, {} times "
                  "storage.max_value_bytes, so nothing was done: write less at once",
                  transaction_weight_max(keys), kTransactionValuesMax));
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

void ReplyBuffer::cut(const Mark& mark) {
  bytes.resize(mark.bytes);
  ends.resize(mark.items);
  element_ends.resize(mark.elements);
  element_changes.resize(mark.elements);
  reached.resize(mark.reached);
}

Executed Executor::execute(const raft::Entry& entry, storage::Transaction& transaction,
                           EventBatch* events, std::span<const resp::Protocol> protocols,
                           ReplyBuffer* replies) {
  CHECK(entry.kind == raft::EntryKind::kCommands);
  weight_ = 0;
  const storage::AppliedState& state = transaction.applied_state();
  const std::optional<BatchIdentity> identity = identity_of(entry.data);
  if (state.items_done > 0) {
    CHECK(entry.id.index == state.applied.index.next(), "entry {} was begun, not entry {}",
          state.applied.index.next(), entry.id.index);
  } else if (identity) {
    if (!is_next(state, *identity)) {
      if (replies != nullptr) {
        replies->clear();
        replies->executed = false;
      }
      transaction.set_applied(entry.id, entry.stamp, state.revision);
      return transaction.failed() ? Executed::kFailed : Executed::kDone;
    }
    transaction.set_proposer(
        {identity->node, identity->session, identity->sequence, entry.id.index});
  }
  return run_items(entry, transaction, events, protocols, replies);
}

Executed Executor::run_items(const raft::Entry& entry, storage::Transaction& transaction,
                             EventBatch* events, std::span<const resp::Protocol> protocols,
                             ReplyBuffer* replies) {
  BatchReader reader(entry.data);
  const uint64_t items_done = transaction.applied_state().items_done;
  uint64_t revision = transaction.applied_state().revision;
  history_.begin(transaction, entry.stamp);
  Keyspace keys(transaction, entry.stamp, entry.id.index.value() + items_done,
                reader.value_bytes_max(), events, history_);
  ReplyBuffer& out = replies != nullptr ? *replies : discarded_;
  if (items_done == 0) out.clear();
  size_t item = 0;
  while (item < items_done && reader.next(item_)) ++item;
  bool part = false;
  for (; reader.next(item_); ++item) {
    part = keys.weight() >= part_weight_max_;
    if (part) break;
    if (replies == nullptr) out.clear();
    resp::ReplyWriter reply(out.bytes,
                            item < protocols.size() ? protocols[item] : resp::Protocol::kResp2);
    keys.begin(revision + 1, std::holds_alternative<BatchTransaction>(item_));
    if (!run_item({entry.id.index, item}, keys, reply, replies)) return Executed::kFailed;
    out.ends.push_back(out.bytes.size());
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
  if (part) {
    transaction.set_partly_applied(item, revision);
  } else {
    transaction.set_applied(entry.id, entry.stamp, revision);
  }
  expired_ += keys.expired();
  weight_ = keys.weight();
  if (transaction.failed()) return Executed::kFailed;
  return part ? Executed::kPart : Executed::kDone;
}

// False: the transaction of the store can't be committed.
bool Executor::run_item(const ItemId& id, Keyspace& keys, resp::ReplyWriter& reply,
                        ReplyBuffer* replies) {
  if (auto* command = std::get_if<BatchCommand>(&item_)) {
    run_command(keys, command->args, reply);
  } else if (auto* several = std::get_if<BatchTransaction>(&item_)) {
    if (too_heavy_ == id) {
      refuse_too_heavy(keys, reply);
    } else if (!run_transaction(keys, *several, reply, replies)) {
      too_heavy_ = id;
      return false;
    }
  } else if (auto* due = std::get_if<BatchExpireDue>(&item_)) {
    expire_due(keys, due->most);
    history_.trim_more(due->most);
  } else if (auto* policy = std::get_if<BatchHistoryPolicy>(&item_)) {
    history_.set_policy(policy->max_bytes, policy->max_age_ms);
  }
  return !keys.failed();
}

void Executor::run_command(Keyspace& keys, Args args, resp::ReplyWriter& reply) {
  const CommandSpec& spec = row_of(args);
  if (const auto* write = std::get_if<Write>(&spec.handler)) {
    write->run(keys, args, reply);
  } else {
    std::get<Read>(spec.handler).run(keys, args, reply);
  }
}

// A command that answers an error does not stop the ones after it, as in Redis. False: it would
// weigh too much, and was left in the midst.
bool Executor::run_transaction(Keyspace& keys, const BatchTransaction& transaction,
                               resp::ReplyWriter& reply, ReplyBuffer* replies) {
  if (!holds(keys, transaction)) {
    reply.null_array();
    return true;
  }
  note_keys_of(keys, transaction);
  reply.array(transaction.commands.size());
  const uint64_t weight_max = keys.weight() + transaction_weight_max(keys);
  for (const std::vector<std::string_view>& args : transaction.commands) {
    run_command(keys, args, reply);
    if (keys.weight() > weight_max) return false;
    if (replies == nullptr) continue;
    replies->element_ends.push_back(replies->bytes.size());
    replies->element_changes.push_back(keys.changes());
  }
  return true;
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
