#include "server/administration.h"

#include <algorithm>
#include <utility>

#include "base/parse_number.h"
#include "base/result.h"
#include "command/batch.h"
#include "raft/configuration.h"

namespace kvorum::server {

namespace {

// A learner that lacks no more than this is caught up: it gets the rest while it is promoted.
constexpr uint64_t kCaughtUpEntries = 1000;
constexpr uint64_t kLearnersEveryTicks = 10;

raft::NodeId parse_id(std::string_view text) {
  return raft::NodeId(parse_number<uint64_t>(text).value_or(0));
}

// Of "add" and "move".
raft::Member member_of(const AdminWords& words) {
  return {parse_id(words[1]), words[2], words[3]};
}

// With one of its learners a voter.
raft::Configuration promoted(raft::Configuration configuration, raft::NodeId learner) {
  std::erase(configuration.learners, learner);
  configuration.voters.push_back(learner);
  return configuration;
}

std::string unknown_member(std::string_view id) {
  return fmt::format("ERR node {} is not a member: see RAFT MEMBERS", id);
}

const raft::Progress* find_progress(const raft::CoreStatus& status, raft::NodeId id) {
  auto progress = std::ranges::find(status.progress, id, &raft::Progress::id);
  return progress == status.progress.end() ? nullptr : &*progress;
}

// Why a learner can't be promoted yet; empty when it can.
std::string lags(const raft::CoreStatus& status, raft::NodeId id) {
  const raft::Progress* progress = find_progress(status, id);
  if (progress == nullptr || !progress->recently_active) {
    return fmt::format("node {} does not answer", id);
  }
  const uint64_t lag = status.last.index.value() - progress->match.value();
  if (progress->snapshot_pending || lag > kCaughtUpEntries) {
    return fmt::format("node {} is {} entries behind", id, lag);
  }
  return {};
}

}  // namespace

std::string removed_before(raft::NodeId id) {
  return fmt::format(
      "ERR node {} was removed from the cluster: it can join again as another node, "
      "with an empty folder and --join",
      id);
}

AdminWords check_report(raft::Index index, uint64_t hash) {
  return {"checked", fmt::format("{}", index), std::to_string(hash)};
}

void Administration::begin(AdminWords words, bool forward, uint64_t deadline_tick, AdminDone done) {
  Change change;
  change.words = std::move(words);
  change.forward = forward;
  change.deadline_tick = deadline_tick;
  change.done = std::move(done);
  changes_.push_back(std::move(change));
}

void Administration::answered(const peer::Answer& answer) {
  auto change = std::ranges::find(changes_, answer.id, &Change::asked);
  if (answer.id == 0 || change == changes_.end()) return;
  if (!answer.ok && answer.text.starts_with("TRYAGAIN")) {
    change->asked = 0;
    change->why_not_yet = answer.text.substr(answer.text.find(' ') + 1);
    return;
  }
  AdminDone done = std::move(change->done);
  changes_.erase(change);
  done(answer.ok, answer.text);
}

// It is asked again, which does no harm.
void Administration::linked(raft::NodeId node) {
  for (Change& change : changes_) {
    if (change.asked_whom == node) change.asked = 0;
  }
}

void Administration::reported(raft::NodeId from, const AdminWords& report) {
  if (report.size() != 3 || report[0] != "checked") return;
  checked(from, raft::Index(parse_id(report[1]).value()), parse_id(report[2]).value());
}

void Administration::checked(raft::NodeId node, raft::Index index, uint64_t hash) {
  for (Change& change : changes_) {
    if (change.check && change.check->index == index) change.hashes[node] = hash;
  }
}

void Administration::committed(raft::EntryId id) {
  for (auto change = changes_.begin(); change != changes_.end();) {
    if (!change->proposed || change->proposed->index > id.index) {
      ++change;
      continue;
    }
    AdminDone done = std::move(change->done);
    const bool mine = *change->proposed == id;
    change = changes_.erase(change);
    if (done) done(mine, mine ? "OK" : "UNCERTAIN leadership was lost meanwhile: see RAFT MEMBERS");
  }
}

void Administration::advance(uint64_t tick, UnixMillis now) {
  promote_learners(tick, now);
  for (auto change = changes_.begin(); change != changes_.end();) {
    std::optional<End> end = go_on(*change, now);
    if (!end && tick >= change->deadline_tick) end = timed_out(*change);
    if (!end) {
      ++change;
      continue;
    }
    AdminDone done = std::move(change->done);
    change = changes_.erase(change);
    if (done) done(end->ok, std::move(end->text));
  }
}

Administration::End Administration::timed_out(const Change& change) const {
  if (change.check) {
    std::string text = "TRYAGAIN no word in time from";
    for (const raft::Member& member : core_.configuration().members) {
      if (!change.hashes.contains(member.id)) text += fmt::format(" {}", member.id);
    }
    return {false, std::move(text)};
  }
  if (change.asked != 0 || change.proposed) {
    return {false, "UNCERTAIN it was begun but is not done yet: see RAFT MEMBERS"};
  }
  if (change.why_not_yet.empty()) return {false, "CLUSTERDOWN there is no leader, try again"};
  return {false, "TRYAGAIN " + change.why_not_yet};
}

std::optional<Administration::End> Administration::go_on(Change& change, UnixMillis now) {
  const bool leads = core_.role() == raft::Role::kLeader;
  if (change.transferring) {
    if (!leads && core_.leader() != raft::kNoNode) {
      return End{true, fmt::format("{}", core_.leader())};
    }
    if (leads && core_.status().transfer_target == raft::kNoNode) {
      return End{false, "TRYAGAIN the other node did not take over in time"};
    }
    return std::nullopt;
  }
  if (change.check) {
    if (leads && core_.term() == change.check->term) return compare(change);
    return End{false, "TRYAGAIN leadership was lost meanwhile"};
  }
  // Also one that this node proposed and then lost leadership, by removing itself perhaps: what is
  // committed at its index tells.
  if (change.proposed) return std::nullopt;
  if (leads) return go_on_as_leader(change, now);
  if (!change.forward) return End{false, "TRYAGAIN this node does not lead"};
  const raft::NodeId leader = core_.leader();
  if (leader == raft::kNoNode || (change.asked != 0 && change.asked_whom == leader)) {
    return std::nullopt;
  }
  // Every change may be asked for again: done twice it is the same.
  change.asked = ++last_request_;
  change.asked_whom = leader;
  ask_(leader, {change.asked, change.words});
  return std::nullopt;
}

std::optional<Administration::End> Administration::go_on_as_leader(Change& change, UnixMillis now) {
  change.asked = 0;
  const std::string& verb = change.words.at(0);
  if (verb == "add" && change.words.size() == 4) return add(change, now);
  if (verb == "move" && change.words.size() == 4) return move(change, now);
  if (verb == "promote" && change.words.size() == 2) return promote(change, now);
  if (verb == "remove" && change.words.size() == 2) return remove(change, now);
  if (verb == "transfer" && change.words.size() == 2) return transfer(change);
  if (verb == "check" && change.words.size() == 1) return check(change, now);
  return End{false, "ERR unknown request; is it from a newer version?"};
}

void Administration::propose(Change& change, raft::Configuration target, UnixMillis now) {
  Result<raft::EntryId> proposed = core_.propose_configuration(std::move(target), now);
  if (proposed) {
    change.proposed = *proposed;
  } else {
    change.why_not_yet = proposed.error().message;
  }
}

std::optional<Administration::End> Administration::add(Change& change, UnixMillis now) {
  const raft::Member wanted = member_of(change.words);
  if (wanted.id == raft::kNoNode) return End{false, "ERR a node's id is a positive number"};
  raft::Configuration target = core_.configuration();
  // A removal that is not committed may still be undone.
  const bool settled = core_.configuration_index() <= core_.commit_index();
  if (settled && raft::contains(target.removed, wanted.id)) {
    return End{false, removed_before(wanted.id)};
  }
  for (const raft::Member& member : target.members) {
    if (member.id == wanted.id || member.peer_address.empty()) continue;
    if (member.peer_address != wanted.peer_address) continue;
    return End{false, fmt::format("ERR node {} has the peer address {} already: give this one "
                                  "another, or remove that member first",
                                  member.id, member.peer_address)};
  }
  const raft::Member* member = raft::find_member(target.members, wanted.id);
  if (member != nullptr && *member == wanted) return End{true, "OK"};
  if (member == nullptr) target.learners.push_back(wanted.id);
  std::erase_if(target.members, [&](const raft::Member& each) { return each.id == wanted.id; });
  target.members.push_back(wanted);
  std::ranges::sort(target.members, {}, &raft::Member::id);
  propose(change, std::move(target), now);
  return std::nullopt;
}

std::optional<Administration::End> Administration::move(Change& change, UnixMillis now) {
  if (raft::find_member(core_.configuration().members, parse_id(change.words[1])) == nullptr) {
    return End{false, unknown_member(change.words[1])};
  }
  return add(change, now);
}

std::optional<Administration::End> Administration::promote(Change& change, UnixMillis now) {
  const raft::NodeId id = parse_id(change.words[1]);
  const raft::Configuration& current = core_.configuration();
  if (raft::contains(current.voters, id)) return End{true, "OK"};
  if (!raft::contains(current.learners, id)) return End{false, unknown_member(change.words[1])};
  change.why_not_yet = lags(core_.status(), id);
  if (change.why_not_yet.empty()) propose(change, promoted(current, id), now);
  return std::nullopt;
}

std::optional<Administration::End> Administration::remove(Change& change, UnixMillis now) {
  const raft::NodeId id = parse_id(change.words[1]);
  raft::Configuration target = core_.configuration();
  if (raft::find_member(target.members, id) == nullptr)
    return End{false, unknown_member(change.words[1])};
  if (target.voters == std::vector{id}) {
    return End{false, fmt::format("ERR node {} is the only voter: the cluster would be gone", id)};
  }
  std::erase(target.voters, id);
  std::erase(target.learners, id);
  std::erase_if(target.members, [id](const raft::Member& member) { return member.id == id; });
  propose(change, std::move(target), now);
  return std::nullopt;
}

std::optional<Administration::End> Administration::transfer(Change& change) {
  const raft::NodeId target = parse_id(change.words[1]);
  if (target == core_.status().id) return End{true, change.words[1]};
  if (Status begun = core_.transfer_leadership(target); !begun) {
    return End{false, "ERR " + begun.error().message};
  }
  change.transferring = true;
  return std::nullopt;
}

std::optional<Administration::End> Administration::check(Change& change, UnixMillis now) {
  command::BatchBuilder batch;
  batch.add_check();
  auto id = core_.propose(batch.take(), now);
  if (id) {
    change.check = *id;
  } else {
    change.why_not_yet = "the leader takes no writes now";
  }
  return std::nullopt;
}

// Nothing before every member has spoken.
std::optional<Administration::End> Administration::compare(const Change& change) const {
  std::string text = fmt::format("index {}", change.check->index);
  bool equal = true;
  for (const raft::Member& member : core_.configuration().members) {
    auto hash = change.hashes.find(member.id);
    if (hash == change.hashes.end()) return std::nullopt;
    equal &= hash->second == change.hashes.begin()->second;
    text += fmt::format(" {}={:016x}", member.id, hash->second);
  }
  if (equal) return End{true, text};
  return End{false, "ERR the members' states differ at " + text +
                        ": remove the ones that are wrong, and let them join with empty folders"};
}

// Nobody has to ask for it: a learner is there to become a voter.
void Administration::promote_learners(uint64_t tick, UnixMillis now) {
  if (tick < looked_at_learners_ + kLearnersEveryTicks || !core_.leader_ready()) return;
  looked_at_learners_ = tick;
  const raft::CoreStatus status = core_.status();
  for (raft::NodeId id : status.configuration.learners) {
    if (!lags(status, id).empty()) continue;
    // Another change is under way if it is refused; there is a next time.
    static_cast<void>(core_.propose_configuration(promoted(status.configuration, id), now));
    return;
  }
}

}  // namespace kvorum::server
