#include "tests/sim/clients.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "command/batch.h"
#include "tests/sim/simulation.h"

namespace kvorum::sim {

using raft::NodeId;

namespace {

constexpr size_t kRegisters = 3;
constexpr size_t kLocks = 2;
constexpr size_t kExpiringKeys = 6;

std::string list_key(uint64_t list) {
  return fmt::format("list:{}", list);
}
std::string list_element(uint64_t token) {
  return fmt::format("{};", token);
}
std::string counter_key(size_t number) {
  return fmt::format("counter:{}", number);
}

uint64_t number_in(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

Clients::Clients(Simulation& simulation) : simulation_(simulation), world_(simulation.world()) {}

void Clients::ask(Node& node) {
  world_.chance(50) ? write(node) : read(node);
}

bool Clients::is_member(const Node& node) const {
  const std::vector<raft::Member> members = simulation_.configuration().members;
  return std::ranges::find(members, node.id(), &raft::Member::id) != members.end();
}

Clients::Item Clients::draw_item() {
  Item item;
  const uint64_t die = world_.random(10);
  if (die < 4) {
    item.kind = Kind::kCount;
    item.number = world_.random(kCounters);
    item.floor = counters_[item.number].floor();
    ++counters_[item.number].open;
  } else if (die < 6) {
    item.kind = Kind::kAppend;
    item.token = ++last_token_;
    tokens_.emplace(item.token, Token{});
  } else if (die == 6) {
    item.kind = Kind::kCompareAndSet;
    item.number = world_.random(kRegisters);
    item.expected = registers_[item.number];
    item.value = fmt::format("v{}", world_.random());
  } else if (die == 7) {
    item.kind = world_.chance(60) ? Kind::kLock : Kind::kUnlock;
    item.number = world_.random(kLocks);
  } else if (die == 8) {
    item.kind = Kind::kPair;
    item.floor = pair_.floor();
    ++pair_.open;
  } else {
    item.kind = Kind::kExpiring;
    item.number = world_.random(kExpiringKeys);
  }
  return item;
}

void Clients::add(command::BatchBuilder& batch, const Item& item) {
  using Words = std::vector<std::string>;
  Words words;
  switch (item.kind) {
    case Kind::kCount:
      words = {"INCR", counter_key(item.number)};
      break;
    case Kind::kAppend:
      words = {"APPEND", list_key(item.token / kTokensOfList), list_element(item.token)};
      break;
    case Kind::kCompareAndSet:
      words = {"SET", fmt::format("register:{}", item.number), item.value};
      if (item.expected.empty()) {
        words.push_back("NX");
      } else {
        words.insert(words.end(), {"IFEQ", item.expected});
      }
      break;
    case Kind::kLock:
      words = {"SET", fmt::format("lock:{}", item.number),   "held", "NX",
               "PX",  std::to_string(1 + world_.random(100))};
      break;
    case Kind::kUnlock:
      words = {"DEL", fmt::format("lock:{}", item.number)};
      break;
    case Kind::kPair: {
      const std::vector<Words> both = {{"INCR", "pair:a"}, {"INCR", "pair:b"}};
      return batch.add_transaction({}, both);
    }
    case Kind::kExpiring:
      words = {"SET", fmt::format("expiring:{}", item.number), "x", "PX",
               std::to_string(1 + world_.random(300))};
      break;
  }
  batch.add(std::vector<std::string_view>(words.begin(), words.end()));
}

void Clients::write(Node& node) {
  Batch batch;
  batch.node = node.id();
  batch.must_succeed = calm_ && is_member(node);
  command::BatchBuilder builder;
  for (uint64_t left = 1 + world_.random(3); left > 0; --left) {
    batch.items.push_back(draw_item());
    add(builder, batch.items.back());
  }
  const uint64_t id = ++last_batch_;
  world_.trace("n{} is asked for batch {}", node.id(), id);
  std::string data = builder.take();
  if (simulation_.mutation() == Mutation::kAnswerWhenLogged) batch.data = data;
  batches_.emplace(id, std::move(batch));
  node.raft().post_propose({0, id, {}}, std::move(data));
}

void Clients::batch_done(Node& node, server::BatchOutcome outcome) {
  world_.trace("n{} answers batch {}: {}", node.id(), outcome.batch,
               outcome.error.empty() ? "done" : outcome.error.substr(0, 30));
  auto found = batches_.find(outcome.batch);
  if (found == batches_.end() || found->second.node != node.id()) {
    world_.violated("n{} answers batch {}, which is not open there", node.id(), outcome.batch);
  }
  Batch batch = std::move(found->second);
  batches_.erase(found);
  if (batch.believed) return;
  if (!outcome.error.empty()) return settle_error(batch, outcome.error);
  if (!outcome.replies.executed || outcome.replies.items() != batch.items.size()) {
    world_.violated("n{} answers batch {} with {} replies for {} commands", node.id(),
                    outcome.batch, outcome.replies.items(), batch.items.size());
  }
  ++acknowledged_;
  for (size_t i = 0; i < batch.items.size(); ++i) settle(batch.items[i], outcome.replies.reply(i));
}

void Clients::settle(Item& item, std::string_view reply) {
  auto count = [&](Counter& counter, std::string_view text) {
    if (!text.starts_with(':')) world_.violated("INCR was answered '{}'", text);
    const uint64_t value = number_in(text.substr(1));
    if (value <= item.floor) {
      world_.violated("INCR gave {} after {} was acknowledged", value, item.floor);
    }
    if (!counter.values.insert(value).second) world_.violated("two INCR gave {}", value);
    --counter.open;
    ++counter.acknowledged;
    counter.highest = std::max(counter.highest, value);
  };
  switch (item.kind) {
    case Kind::kCount:
      return count(counters_[item.number], reply);
    case Kind::kPair: {
      if (!reply.starts_with("*2\r\n")) world_.violated("EXEC was answered '{}'", reply);
      const std::string_view numbers = reply.substr(4);
      const std::string_view first = numbers.substr(0, numbers.size() / 2);
      if (first != numbers.substr(first.size())) world_.violated("EXEC was answered '{}'", reply);
      return count(pair_, first);
    }
    case Kind::kAppend: {
      Token& token = tokens_[item.token];
      token.fate = Fate::kAcknowledged;
      token.length = number_in(reply.substr(1));
      return;
    }
    case Kind::kCompareAndSet:
      if (reply != "+OK\r\n") return;
      if (!succeeded_.insert({item.number, item.expected}).second) {
        world_.violated("'{}' was replaced twice", item.expected);
      }
      registers_[item.number] = item.value;
      return;
    case Kind::kLock:
    case Kind::kUnlock:
    case Kind::kExpiring:
      return;
  }
}

void Clients::settle_error(const Batch& batch, const std::string& error) {
  ++errors_;
  // A node that was far behind may have been brought up to date with it.
  if (batch.must_succeed && error.find("its reply is lost") == std::string::npos) {
    world_.violated("a write at n{} fails without a fault: {}", batch.node, error);
  }
  if (error.starts_with("UNCERTAIN ")) return;
  if (!error.starts_with("CLUSTERDOWN ") && !error.starts_with("TRYAGAIN ")) {
    world_.violated("a write was answered {}", error);
  }
  for (const Item& item : batch.items) {
    if (item.kind == Kind::kCount) --counters_[item.number].open;
    if (item.kind == Kind::kPair) --pair_.open;
    if (item.kind == Kind::kAppend) tokens_[item.token].fate = Fate::kRefused;
  }
}

void Clients::believe_done(NodeId node, std::string data) {
  command::take_identity(data);
  for (auto& [id, batch] : batches_) {
    if (batch.node != node || batch.believed || batch.data != data) continue;
    batch.believed = true;
    for (const Item& item : batch.items) {
      if (item.kind == Kind::kCount) --counters_[item.number].open;
      if (item.kind == Kind::kCount) ++counters_[item.number].acknowledged;
      if (item.kind == Kind::kAppend) tokens_[item.token].fate = Fate::kAcknowledged;
    }
    return;
  }
}

void Clients::crashed(NodeId node) {
  std::erase_if(batches_, [node](const auto& batch) { return batch.second.node == node; });
  std::erase_if(reads_, [node](const auto& read) { return read.second.node == node; });
  std::erase_if(waiting_, [node](const Read& read) { return read.node == node; });
  last_leases_.erase(node);
}

Clients::Read Clients::draw_read(const Node& node) {
  Read read;
  read.node = node.id();
  read.incarnation = node.incarnation();
  read.policy = static_cast<Policy>(world_.random(3));
  read.floor = simulation_.judge().furthest();
  read.counter = world_.random(kCounters);
  read.counter_floor = counters_[read.counter].floor();
  read.must_succeed = calm_ && is_member(node);
  return read;
}

void Clients::read_under_lease(Node& node) {
  Read read = draw_read(node);
  read.policy = Policy::kLease;
  if (lease_covers(node)) serve(node, read);
}

void Clients::read(Node& node) {
  const Read read = draw_read(node);
  if (read.policy == Policy::kEventual) return serve(node, read);
  if (read.policy == Policy::kLease && lease_covers(node)) return serve(node, read);
  const uint64_t context = ++last_read_;
  const bool lease = read.policy == Policy::kLease;
  reads_.emplace(context, read);
  node.raft().post_read(0, context, lease);
}

// As the dispatcher of a client loop does it.
bool Clients::lease_covers(Node& node) {
  const server::NodeState& state = node.state();
  int64_t until = state.lease_until_ns.load();
  if (simulation_.mutation() == Mutation::kLeaseTwiceAsLong) {
    int64_t& last = last_leases_[node.id()];
    if (until > 0) last = until;
    const auto length = simulation_.core_options().lease_ticks * simulation_.stage_options().tick;
    until = last + std::chrono::nanoseconds(length).count();
  }
  if (node.read_clock().count() >= until) return false;
  if (simulation_.mutation() == Mutation::kLeaseAheadOfApplied) return true;
  return !state.has_peers.load() || state.applied_index.load() >= state.commit_index.load();
}

void Clients::read_granted(Node& node, uint64_t context, bool granted, raft::Index index) {
  auto found = reads_.find(context);
  if (found == reads_.end() || found->second.node != node.id()) {
    world_.violated("n{} answers read {}, which is not open there", node.id(), context);
  }
  Read read = std::move(found->second);
  reads_.erase(found);
  if (!granted) {
    if (read.must_succeed) world_.violated("a read at n{} is lost without a fault", node.id());
    return;
  }
  read.granted = index;
  const bool waits = simulation_.mutation() != Mutation::kReadBeforeApplied;
  if (waits && node.state().applied_index.load() < index.value()) {
    waiting_.push_back(read);
  } else {
    serve(node, read);
  }
}

void Clients::look_at_waiting_reads(Node& node) {
  const raft::Index applied(node.state().applied_index.load());
  std::erase_if(waiting_, [&](const Read& read) {
    if (read.node != node.id() || applied < read.granted) return false;
    serve(node, read);
    return true;
  });
}

void Clients::serve(Node& node, const Read& read) {
  ++reads_served_;
  auto reader = node.store().new_reader();
  storage::View& view = reader->begin();
  auto number_at = [&](std::string_view key) {
    std::optional<storage::Record> record = view.get(key);
    return record ? number_in(record->value) : 0;
  };
  const raft::Index index = view.applied_state().applied.index;
  const uint64_t value = number_at(counter_key(read.counter));
  if (index.value() < node.state().applied_index.load()) {
    world_.violated("n{} published {} but its store stands at {}", node.id(),
                    node.state().applied_index.load(), index);
  }
  if (number_at("pair:a") != number_at("pair:b")) world_.violated("half of a transaction");
  static constexpr std::string_view kNames[] = {"LINEARIZABLE", "LEASE", "EVENTUAL"};
  const std::string_view name = kNames[static_cast<size_t>(read.policy)];
  if (read.policy != Policy::kEventual && (index < read.floor || value < read.counter_floor)) {
    world_.violated("n{} reads {} at index {} under {}, but {} at {} was seen before", node.id(),
                    value, index, name, read.counter_floor, read.floor);
  }
  Seen& seen = seen_[node.id()];
  if (seen.incarnation != read.incarnation) seen = Seen{read.incarnation, {}, {}};
  if (index < seen.index || value < seen.counters[read.counter]) {
    world_.violated("n{} went back from index {} to {}", node.id(), seen.index, index);
  }
  seen.index = index;
  seen.counters[read.counter] = value;
  reader->end();
}

// What a node that does not know of its removal was told to wait for never comes.
std::string Clients::unanswered() {
  std::string text;
  for (const auto& [id, batch] : batches_) text += fmt::format("batch {} at n{}; ", id, batch.node);
  for (const auto& [id, read] : reads_) text += fmt::format("read {} at n{}; ", id, read.node);
  for (const Read& read : waiting_) {
    if (!is_member(*simulation_.find(read.node))) continue;
    text += fmt::format("a read at n{} waits for {}; ", read.node, read.granted);
  }
  return text;
}

void Clients::check_final_state(Node& node) {
  auto reader = node.store().new_reader();
  storage::View& view = reader->begin();
  auto text_at = [&](const std::string& key) {
    std::optional<storage::Record> record = view.get(key);
    return record ? std::string(record->value) : std::string();
  };
  auto check = [&](std::string_view name, const Counter& counter, uint64_t value) {
    if (value < counter.acknowledged || value < counter.highest) {
      world_.violated("{} is {}, but {} INCR up to {} were acknowledged", name, value,
                      counter.acknowledged, counter.highest);
    }
    if (value > counter.acknowledged + counter.open) {
      world_.violated("{} is {}, but {} INCR were acknowledged and {} are open", name, value,
                      counter.acknowledged, counter.open);
    }
  };
  for (size_t i = 0; i < kCounters; ++i) {
    check(counter_key(i), counters_[i], number_in(text_at(counter_key(i))));
  }
  check("pair", pair_, number_in(text_at("pair:a")));
  for (uint64_t list = 0; list <= last_token_ / kTokensOfList; ++list) {
    check_list(list, text_at(list_key(list)));
  }
  reader->end();
}

void Clients::check_list(uint64_t list, std::string_view content) {
  std::set<uint64_t> found;
  for (size_t begin = 0; begin < content.size();) {
    const size_t end = content.find(';', begin) + 1;
    const uint64_t number = number_in(content.substr(begin));
    begin = end;
    if (!found.insert(number).second) world_.violated("append {} was executed twice", number);
    auto token = tokens_.find(number);
    if (token == tokens_.end()) world_.violated("append {} was never asked for", number);
    if (token->second.fate == Fate::kRefused) {
      world_.violated("append {} was refused, and executed", number);
    }
    if (token->second.length != 0 && token->second.length != end) {
      world_.violated("append {} was answered {}, but ends at {}", number, token->second.length,
                      end);
    }
  }
  for (uint64_t number = list * kTokensOfList; number < (list + 1) * kTokensOfList; ++number) {
    auto token = tokens_.find(number);
    if (token == tokens_.end() || token->second.fate != Fate::kAcknowledged) continue;
    if (!found.contains(number)) world_.violated("append {} was acknowledged, and is lost", number);
  }
}

}  // namespace kvorum::sim
