#include "tests/raft/script.h"

#include <fmt/format.h>

#include <utility>

#include "raft/configuration.h"

namespace kvorum::raft::test {
namespace {

std::string text(EntryId id) {
  return fmt::format("{}:{}", id.term, id.index);
}

std::string text(const std::vector<EntryPtr>& entries) {
  std::string out;
  for (const EntryPtr& entry : entries) {
    out += out.empty() ? "" : " ";
    out += text(entry->id);
    if (entry->kind == EntryKind::kCommands) out += "=" + entry->data;
    if (entry->kind == EntryKind::kConfiguration) out += "=configuration";
  }
  return out.empty() ? "none" : out;
}

std::string text(const std::vector<NodeId>& ids) {
  std::string out;
  for (NodeId id : ids) out += fmt::format("{}{}", out.empty() ? "" : " ", id);
  return out.empty() ? "-" : out;
}

std::string text(const VoteRequest& m) {
  return fmt::format("{} request, last {}{}", m.pre_vote ? "pre-vote" : "vote", text(m.last),
                     m.transfer ? ", transfer" : "");
}
std::string text(const VoteReply& m) {
  return fmt::format("{} {}", m.pre_vote ? "pre-vote" : "vote", m.granted ? "granted" : "refused");
}
std::string text(const AppendRequest& m) {
  return fmt::format("append after {}, entries {}, commit {}, round {}", text(m.previous),
                     text(m.entries), m.commit, m.round);
}
std::string text(const AppendReply& m) {
  if (m.accepted) return fmt::format("accepted, match {}, round {}", m.match, m.round);
  return fmt::format("refused {}, conflict {}, round {}", m.rejected, text(m.conflict), m.round);
}
std::string text(const ReadIndexRequest& m) {
  return fmt::format("read index?{}", m.lease ? " lease" : "");
}
std::string text(const ReadIndexReply& m) {
  return m.granted ? fmt::format("read index {}", m.index) : "read refused";
}
std::string text(const TimeoutNow&) {
  return "timeout now";
}

std::string text(const Envelope& envelope) {
  return fmt::format(
      "{}->{} term {}: {}", envelope.from, envelope.to, envelope.term,
      std::visit([](const auto& message) { return text(message); }, envelope.message));
}

const char* text(Role role) {
  switch (role) {
    case Role::kFollower:
      return "follower";
    case Role::kPreCandidate:
      return "pre-candidate";
    case Role::kCandidate:
      return "candidate";
    case Role::kLeader:
      return "leader";
  }
  return "?";
}

std::vector<uint64_t> numbers(std::istringstream& in) {
  std::vector<uint64_t> out;
  for (uint64_t number = 0; in >> number;) out.push_back(number);
  in.clear();
  return out;
}

// `1 2 3 learners 4`
Configuration configuration_from(std::istringstream& in) {
  std::vector<uint64_t> voters = numbers(in);
  std::string word;
  in >> word;
  return make_configuration(voters, word == "learners" ? numbers(in) : std::vector<uint64_t>{});
}

}  // namespace

std::vector<std::string> Script::run(const std::string& command) {
  lines_.clear();
  std::istringstream arguments(command);
  std::string verb;
  arguments >> verb;
  if (!run_network(verb, arguments) && !run_node(verb, arguments)) {
    say("unknown command");
  }
  note_roles();
  return std::exchange(lines_, {});
}

bool Script::run_network(const std::string& verb, std::istringstream& arguments) {
  if (verb == "nodes") {
    make_nodes(arguments);
  } else if (verb == "option") {
    set_option(arguments);
  } else if (verb == "deliver") {
    deliver(arguments);
  } else if (verb == "drop") {
    drop(arguments);
  } else if (verb == "heal") {
    cluster_->heal();
  } else if (verb == "cut") {
    std::vector<uint64_t> ends = numbers(arguments);
    cluster_->cut(ends.at(0), ends.at(1));
  } else if (verb == "status") {
    std::vector<uint64_t> ids = numbers(arguments);
    for (uint64_t id : ids.empty() ? cluster_->ids() : ids) describe(id);
  } else {
    return false;
  }
  return true;
}

bool Script::run_node(const std::string& verb, std::istringstream& arguments) {
  uint64_t id = 0;
  arguments >> id;
  if (verb == "tick") {
    uint32_t count = 1;
    arguments >> count;
    cluster_->tick(id, count);
  } else if (verb == "elect") {
    auto observer = std::exchange(cluster_->observer, nullptr);
    cluster_->elect(id);
    cluster_->observer = std::move(observer);
  } else if (verb == "hold") {
    cluster_->hold_disk(id);
  } else if (verb == "persist") {
    size_t count = SIZE_MAX;
    arguments >> count;
    cluster_->finish_writes(id, arguments ? count : SIZE_MAX);
  } else if (verb == "release") {
    cluster_->release_disk(id);
  } else if (verb == "isolate") {
    cluster_->isolate(id);
  } else if (verb == "stop") {
    cluster_->stop(id);
  } else if (verb == "restart") {
    cluster_->restart(id);
  } else if (verb == "add") {
    cluster_->add_node(id);
  } else if (verb == "propose") {
    propose(id, arguments);
  } else if (verb == "read") {
    uint64_t context = 0;
    std::string lease;
    arguments >> context >> lease;
    cluster_->core(id).read_index(context, lease == "lease");
    cluster_->run(id);
  } else if (verb == "transfer") {
    transfer(id, arguments);
  } else if (verb == "change") {
    change(id, arguments);
  } else if (verb == "log") {
    set_log(id, arguments);
  } else {
    return false;
  }
  return true;
}

void Script::make_nodes(std::istringstream& arguments) {
  Configuration configuration = configuration_from(arguments);
  cluster_ = std::make_unique<Cluster>(std::vector<uint64_t>{});
  cluster_->defaults = options_;
  cluster_->observer = [this](uint64_t id, const Ready& ready) { observe(id, ready); };
  for (const Member& member : configuration.members) {
    cluster_->add_node(member.id.value(), configuration);
  }
}

void Script::set_option(std::istringstream& arguments) {
  for (std::string word; arguments >> word;) {
    size_t equals = word.find('=');
    std::string name = word.substr(0, equals);
    uint64_t value = std::stoull(word.substr(equals + 1));
    if (name == "election") {
      options_.election_timeout_ticks = static_cast<uint32_t>(value);
    } else if (name == "heartbeat") {
      options_.heartbeat_interval_ticks = static_cast<uint32_t>(value);
    } else if (name == "lease") {
      options_.lease_ticks = static_cast<uint32_t>(value);
    } else if (name == "tail") {
      options_.tail_bytes_max = value;
    } else if (name == "catch_up") {
      options_.catch_up_bytes_max = value;
    } else if (name == "append") {
      options_.append_bytes_max = value;
    } else {
      say("unknown option " + name);
    }
  }
}

void Script::deliver(std::istringstream& arguments) {
  std::vector<uint64_t> ends = numbers(arguments);
  if (ends.empty()) return cluster_->deliver_all();
  // Only what is on its way now, not the answers to it.
  size_t count = 0;
  auto wanted = [&](const Envelope& envelope) {
    return envelope.from == NodeId(ends.at(0)) && envelope.to == NodeId(ends.at(1));
  };
  for (const Envelope& envelope : cluster_->network()) count += wanted(envelope) ? 1 : 0;
  for (; count > 0; --count) cluster_->deliver_one(wanted);
}

void Script::drop(std::istringstream& arguments) {
  std::vector<uint64_t> ends = numbers(arguments);
  std::erase_if(cluster_->network(), [&](const Envelope& envelope) {
    return ends.empty() ||
           (envelope.from == NodeId(ends.at(0)) && envelope.to == NodeId(ends.at(1)));
  });
}

void Script::change(uint64_t id, std::istringstream& arguments) {
  auto result = cluster_->core(id).propose_configuration(configuration_from(arguments), 0);
  if (!result) say("refused: " + result.error().message);
  cluster_->run(id);
}

void Script::set_log(uint64_t id, std::istringstream& arguments) {
  std::vector<uint64_t> terms = numbers(arguments);
  Disk& disk = cluster_->node(id).disk;
  disk.entries = make_entries(terms);
  disk.hard_state = {terms.empty() ? Term{} : Term(terms.back()), kNoNode, Index{}};
}

void Script::propose(uint64_t id, std::istringstream& arguments) {
  std::string data;
  arguments >> data;
  auto result = cluster_->core(id).propose(std::move(data), 0);
  if (!result) {
    constexpr const char* kErrors[] = {"not the leader", "busy", "transferring"};
    say(fmt::format("refused: {}", kErrors[static_cast<size_t>(result.error())]));
  }
  cluster_->run(id);
}

void Script::transfer(uint64_t id, std::istringstream& arguments) {
  uint64_t target = 0;
  arguments >> target;
  Status status = cluster_->core(id).transfer_leadership(NodeId(target));
  if (!status) say("refused: " + status.error().message);
  cluster_->run(id);
}

void Script::describe(uint64_t id) {
  if (!cluster_->node(id).core) return say(fmt::format("{} stopped", id));
  CoreStatus s = cluster_->status(id);
  say(fmt::format(
      "{} {} term {} vote {} leader {} last {} commit {} durable {} applied {} lease {}", id,
      text(s.role), s.hard_state.term, s.hard_state.vote, s.leader, text(s.last),
      s.hard_state.commit, s.persisted, s.applied, s.lease_ticks_left));
  say(fmt::format("  voters {} outgoing {} learners {}", text(s.configuration.voters),
                  text(s.configuration.outgoing), text(s.configuration.learners)));
  for (const Progress& peer : s.progress) {
    say(fmt::format("  peer {} match {} next {}{}{}", peer.id, peer.match, peer.next,
                    peer.learner ? " learner" : "", peer.snapshot_pending ? " snapshot" : ""));
  }
}

void Script::observe(uint64_t id, const Ready& ready) {
  if (ready.persist) {
    const HardState& state = *ready.persist->hard_state;
    say(fmt::format("{} writes [{}] term {} vote {}, entries {}", id, ready.persist->token,
                    state.term, state.vote, text(ready.persist->entries)));
  }
  for (const Envelope& envelope : ready.messages) say(text(envelope));
  if (!ready.committed.empty()) say(fmt::format("{} applies {}", id, text(ready.committed)));
  for (const ReadGrant& read : ready.reads) {
    say(fmt::format("{} may read {} at {}", id, read.context, read.index));
  }
  for (uint64_t context : ready.lost_reads) say(fmt::format("{} lost read {}", id, context));
  for (NodeId peer : ready.snapshot_peers) {
    say(fmt::format("{} wants a snapshot sent to {}", id, peer));
  }
}

void Script::note_roles() {
  if (!cluster_) return;
  for (uint64_t id : cluster_->ids()) {
    std::string now = "stopped";
    if (cluster_->node(id).core) {
      now =
          fmt::format("{} in term {}", text(cluster_->core(id).role()), cluster_->core(id).term());
    }
    std::string& before = roles_[id];
    if (!before.empty() && before != now) say(fmt::format("{} is {}", id, now));
    before = now;
  }
}

}  // namespace kvorum::raft::test
