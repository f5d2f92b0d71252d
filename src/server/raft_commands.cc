// RAFT STATUS, MEMBERS, ADD, REMOVE, PROMOTE, TRANSFER, SNAPSHOT, BACKUP: the cluster as an
// operator sees and keeps it.

#include <algorithm>
#include <optional>
#include <string>

#include "raft/configuration.h"
#include "resp/decimal.h"
#include "server/client_context.h"
#include "server/client_loop.h"
#include "server/command_rows.h"
#include "server/peers.h"
#include "server/raft_stage.h"
#include "server/snapshotter.h"

namespace kvorum::server {

namespace {

using command::Args;
using command::CommandSpec;

std::string_view role_name(raft::Role role) {
  switch (role) {
    case raft::Role::kFollower:
      return "follower";
    case raft::Role::kPreCandidate:
      return "pre-candidate";
    case raft::Role::kCandidate:
      return "candidate";
    case raft::Role::kLeader:
      break;
  }
  return "leader";
}

struct Pair {
  std::string_view name;
  std::string value;
};

void write_map(resp::ReplyWriter& reply, const std::vector<Pair>& pairs) {
  reply.map(pairs.size());
  for (const Pair& pair : pairs) {
    reply.bulk(pair.name);
    reply.bulk(pair.value);
  }
}

std::vector<Pair> describe(const raft::CoreStatus& status, NodeServices& node) {
  const NodeState& state = node.state;
  int64_t lease_ms = (state.lease_until_ns.load() - node.clock.monotonic().count()) / 1'000'000;
  return {
      {"node", fmt::format("{}", status.id)},
      {"cluster", node.identity.cluster},
      {"role", std::string(role_name(status.role))},
      {"term", fmt::format("{}", status.hard_state.term)},
      {"leader", fmt::format("{}", status.leader)},
      {"commit_index", fmt::format("{}", status.hard_state.commit)},
      {"applied_index", fmt::format("{}", status.applied)},
      {"persisted_index", fmt::format("{}", status.persisted)},
      {"last_index", fmt::format("{}", status.last.index)},
      {"lease_ms", std::to_string(std::max<int64_t>(lease_ms, 0))},
      {"revision", std::to_string(state.revision.load())},
      {"wal_bytes", std::to_string(state.wal_bytes.load())},
      {"wal_segments", std::to_string(state.wal_segments.load())},
      {"snapshot_index", std::to_string(state.checkpoint_index.load())},
      {"snapshot_bytes", std::to_string(node.store.stats().file_bytes)},
  };
}

void status(ClientContext& client, Args) {
  Deferred deferred = client.defer();
  NodeServices& node = client.node();
  node.raft.post_inspect([deferred, &node](const raft::CoreStatus& status) {
    deferred.reply([&](resp::ReplyWriter& reply) { write_map(reply, describe(status, node)); });
  });
}

std::vector<Pair> describe(const raft::Member& member, const raft::CoreStatus& status) {
  const raft::Configuration& configuration = status.configuration;
  bool voter = raft::is_voter(configuration, member.id);
  bool self = member.id == status.id;
  auto progress = std::ranges::find(status.progress, member.id, &raft::Progress::id);
  bool known = progress != status.progress.end();
  raft::Index match = self ? status.persisted : known ? progress->match : raft::Index();
  return {
      {"id", fmt::format("{}", member.id)},
      {"peer_address", member.peer_address},
      {"client_address", member.client_address},
      {"kind", voter ? "voter" : "learner"},
      {"leader", member.id == status.leader ? "yes" : "no"},
      {"match_index", fmt::format("{}", match)},
      {"lag", std::to_string(status.last.index.value() - match.value())},
      {"last_contact_ticks", std::to_string(self || !known ? 0 : progress->ticks_since_contact)},
  };
}

void members(ClientContext& client, Args) {
  Deferred deferred = client.defer();
  client.node().raft.post_inspect([deferred](const raft::CoreStatus& status) {
    deferred.reply([&](resp::ReplyWriter& reply) {
      reply.array(status.configuration.members.size());
      for (const raft::Member& member : status.configuration.members) {
        write_map(reply, describe(member, status));
      }
    });
  });
}

Completion answer(const Deferred& deferred) {
  return [deferred](Status done) {
    deferred.reply([&](resp::ReplyWriter& reply) {
      if (done) return reply.ok();
      reply.error("ERR " + done.error().message);
    });
  };
}

void snapshot(ClientContext& client, Args) {
  client.node().snapshotter.post_checkpoint(answer(client.defer()));
}

void backup(ClientContext& client, Args args) {
  client.node().snapshotter.post_backup(std::string(args[2]), answer(client.defer()));
}

AdminDone answer_change(const Deferred& deferred) {
  return [deferred](bool done, const std::string& text) {
    deferred.reply([&](resp::ReplyWriter& reply) {
      if (!done) return reply.error(text);
      if (text == "OK") return reply.ok();
      reply.bulk(text);
    });
  };
}

void add(ClientContext& client, Args args) {
  client.node().peers.post_add(std::string(args[2]), answer_change(client.defer()));
}

template <const char* kVerb>
void change(ClientContext& client, Args args) {
  const std::string_view id = args.size() > 2 ? args[2] : "0";
  std::optional<int64_t> number = resp::parse_integer(id);
  if (!number || *number < 0) {
    return client.reply().error("ERR a node's id is a positive number: see RAFT MEMBERS");
  }
  client.node().raft.post_change({kVerb, std::string(id)}, answer_change(client.defer()));
}

constexpr char kRemove[] = "remove";
constexpr char kPromote[] = "promote";
constexpr char kTransfer[] = "transfer";

void check(ClientContext& client, Args) {
  client.node().raft.post_change({"check"}, answer_change(client.defer()));
}

void help(ClientContext& client, Args) {
  static constexpr std::string_view kLines[] = {
      "RAFT <subcommand> [<arg> ...]. Subcommands are:",
      "STATUS",
      "    This node's role, term, leader, indexes, lease, log and snapshot.",
      "MEMBERS",
      "    Every member with its addresses, kind, and how far it is.",
      "ADD <peer address>",
      "    Add the node that waits there, started with --join, as a learner. It becomes a voter "
      "when",
      "    it has caught up.",
      "REMOVE <id>",
      "    Take a member out of the cluster. It stops.",
      "PROMOTE <id>",
      "    Make a learner a voter as soon as it has caught up.",
      "TRANSFER [<id>]",
      "    Hand leadership over, to that voter or to the one that is furthest.",
      "CHECK",
      "    Compare the state of all members at one index of the log.",
      "SNAPSHOT",
      "    Take a checkpoint now and drop the log that it makes superfluous.",
      "BACKUP <folder>",
      "    Take a checkpoint and copy it to <folder>, which must be absent or empty.",
      "HELP",
      "    Print this help.",
  };
  client.reply().simple_lines(kLines);
}

constexpr CommandSpec kRaftRows[] = {
    container_row(kServerAdmin, "raft", "7.0.0", "A container for commands on the cluster"),
    local_row(kServerAdmin, "raft|status", 2, "7.0.0", "O(1)",
              "This node's role, term, leader, indexes, log and snapshot", "", status),
    local_row(kServerAdmin, "raft|members", 2, "7.0.0", "O(N) where N is the number of members",
              "The members of the cluster", "", members),
    local_row(kServerAdmin, "raft|add", 3, "7.0.0", "O(1), and as long as the change takes",
              "Add a node as a learner", "peer-address", add),
    local_row(kServerAdmin, "raft|remove", 3, "7.0.0", "O(1), and as long as the change takes",
              "Remove a member", "id", change<kRemove>),
    local_row(kServerAdmin, "raft|promote", 3, "7.0.0", "O(1), and until the learner has caught up",
              "Make a learner a voter", "id", change<kPromote>),
    local_row(kServerAdmin, "raft|transfer", -2, "7.0.0", "O(1), and as long as it takes",
              "Hand leadership over", "[id]", change<kTransfer>),
    local_row(kServerAdmin, "raft|check", 2, "7.0.0", "O(N) where N is the size of the data",
              "Compare the state of all members", "", check),
    local_row(kServerAdmin, "raft|snapshot", 2, "7.0.0",
              "O(N) where N is what changed since the last checkpoint", "Take a checkpoint now", "",
              snapshot),
    local_row(kServerAdmin, "raft|backup", 3, "7.0.0", "O(N) where N is the size of the data",
              "Copy a checkpoint to a folder of the server's machine", "folder", backup),
    help_row(kServerAdmin, "raft|help", "7.0.0", help),
};

}  // namespace

std::span<const CommandSpec> raft_commands() {
  return kRaftRows;
}

}  // namespace kvorum::server
