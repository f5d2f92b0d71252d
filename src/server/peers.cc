#include "server/peers.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <future>
#include <sstream>
#include <thread>
#include <utility>

#include "raft/configuration.h"
#include "server/logger.h"

namespace kvorum::server {

namespace {

constexpr uint16_t kPeerPortAbove = 1000;  // of server.port, when raft.peer_port does not say
constexpr std::chrono::milliseconds kAskTimeout{2000};
constexpr std::chrono::milliseconds kAskAgain{200};
constexpr std::chrono::seconds kAskPatience{10};

std::string host_of(const Config& config) {
  if (!config.server.bind.empty()) {
    const std::string& first = config.server.bind.front();
    std::string_view host(first);
    if (host.starts_with('-')) host.remove_prefix(1);
    const bool every = host == "*" || host == "::*" || host == "0.0.0.0" || host == "::";
    if (!every) return std::string(host);
  }
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "127.0.0.1";
}

std::string with_port(std::string host, uint16_t port) {
  const bool literal_v6 = std::ranges::count(host, ':') > 1 && !host.starts_with('[');
  if (literal_v6) return fmt::format("[{}]:{}", host, port);
  const size_t colon = host.rfind(':');
  const bool has_port = colon != std::string::npos && host.find(']', colon) == std::string::npos;
  return has_port ? host : fmt::format("{}:{}", host, port);
}

}  // namespace

raft::Member advertised_member(const Config& config, raft::NodeId id, uint16_t peer_port) {
  raft::Member member;
  member.id = id;
  const std::string host = host_of(config);
  if (peer_port != 0) {
    member.peer_address =
        with_port(config.raft.advertise.empty() ? host : config.raft.advertise, peer_port);
  }
  if (!config.raft.advertise_client.empty()) {
    member.client_address = with_port(config.raft.advertise_client, config.server.port);
  } else if (config.server.port != 0) {
    member.client_address = with_port(host, config.server.port);
  }
  return member;
}

Result<std::string> ask_cluster(const std::string& address, const std::string& secret) {
  Error last;
  const auto until = std::chrono::steady_clock::now() + kAskPatience;
  while (std::chrono::steady_clock::now() < until) {
    Result<std::string> cluster = peer::ask_member(address, secret, {"cluster"}, kAskTimeout);
    if (cluster) return cluster;
    if (last.message != cluster.error().message) {
      log_warning("joining at {}: {}; trying again", address, cluster.error().message);
    }
    last = cluster.error();
    std::this_thread::sleep_for(kAskAgain);
  }
  return fail("can't join the cluster at {}: {}", address, last.message);
}

Peers::Peers(const Config& config, const DataFolder& folder, const NodeState& state,
             std::function<void(std::string)> removed)
    : join_address_(config.raft.join),
      secret_(config.raft.secret),
      cluster_(folder.cluster()),
      state_(state),
      on_removed_(std::move(removed)) {
  std::atomic_store(&members_, std::make_shared<const Members>());
  joiner_.host(*this);
}

Peers::~Peers() {
  stop();
}

Result<std::unique_ptr<Peers>> Peers::open(const Config& config, const DataFolder& folder,
                                           const NodeState& state,
                                           std::function<void(std::string)> removed) {
  std::unique_ptr<Peers> peers(new Peers(config, folder, state, std::move(removed)));
  const peer::Identity identity{folder.node(), folder.cluster(), config.raft.secret};
  peer::NetworkOptions options;
  options.bind = config.server.bind;
  options.protected_mode = config.server.protected_mode;
  const bool asked_for = config.raft.peer_port != 0;
  options.port = config.raft.peer_port;
  if (!asked_for && config.server.port != 0 && config.server.port <= 65535 - kPeerPortAbove) {
    options.port = static_cast<uint16_t>(config.server.port + kPeerPortAbove);
  }
  auto network = peer::Network::open(identity, options, *peers);
  if (!network && !asked_for && config.raft.join.empty()) {
    log_warning("no peer port, so no other node can join: {}; choose one with --peer-port",
                network.error().message);
    options.port = 0;
    network = peer::Network::open(identity, options, *peers);
  }
  if (!network) return tl::unexpected(network.error());
  peers->network_ = std::move(*network);
  peers->self_ = advertised_member(config, folder.node(), peers->network_->port());
  peer::SnapshotSenderOptions sending;
  sending.bytes_per_second = config.raft.snapshot_bytes_per_second;
  peers->sender_ = std::make_unique<peer::SnapshotSender>(identity, sending);
  peers->receiver_ = std::make_unique<peer::SnapshotReceiver>(
      folder.path(), [raw = peers.get()](std::string path, raft::SnapshotMeta meta) {
        return raw->install({std::move(path), std::move(meta)});
      });
  return peers;
}

void Peers::attach(RaftStage& raft, Snapshotter& snapshotter) {
  raft_ = &raft;
  snapshotter_ = &snapshotter;
}

void Peers::start() {
  joiner_.start();
  network_->start();
  post_look();
}

void Peers::stop() {
  if (network_) network_->stop();
  if (receiver_) receiver_->stop();
  if (sender_) sender_->stop();
  joiner_.stop();
}

void Peers::send(raft::NodeId to, peer::Message message) {
  network_->post_send(to, std::move(message));
}

void Peers::members_changed(const std::vector<raft::Member>& members) {
  std::atomic_store(&members_, std::make_shared<const Members>(members));
  network_->post_members(members);
}

void Peers::send_snapshot(const raft::Member& peer, raft::Index at_least) {
  // One at a time; who has to wait asks again.
  if (sending_.exchange(true)) return raft_->post_snapshot_sent(peer.id, {}, false);
  log_info("node {} at {} needs a snapshot", peer.id, peer.peer_address);
  snapshotter_->post_stream(at_least, [this, peer](Result<SnapshotSource> source) {
    if (!source) {
      log_warning("no snapshot for node {}: {}", peer.id, source.error().message);
      sending_.store(false);
      return raft_->post_snapshot_sent(peer.id, {}, false);
    }
    const raft::EntryId last = source->meta.last;
    sender_->send(peer.id, peer.peer_address, std::move(source->files), std::move(source->meta),
                  [this, id = peer.id, last](Status sent) {
                    if (sent) log_info("node {} has the snapshot at index {}", id, last.index);
                    if (!sent) log_warning("snapshot for node {}: {}", id, sent.error().message);
                    sending_.store(false);
                    raft_->post_snapshot_sent(id, last, sent.has_value());
                  });
  });
}

Status Peers::install(Snapshot snapshot) {
  log_info("installing a snapshot at index {}", snapshot.meta.last.index);
  auto outcome = std::make_shared<std::promise<Status>>();
  std::future<Status> installed = outcome->get_future();
  raft_->post_install(std::move(snapshot), [outcome](Status done) { outcome->set_value(done); });
  return installed.get();
}

void Peers::removed() {
  if (removed_.exchange(true)) return;
  on_removed_("this node was removed from the cluster");
}

void Peers::peer_message(raft::NodeId from, peer::Message message) {
  // A member that was added while this one was cut off: it can only be answered at its address.
  if (raft::find_member(*members(), from) == nullptr) stranger_.store(from.value());
  raft_->post_message(from, std::move(message));
}

void Peers::peer_linked(raft::NodeId peer) {
  raft_->post_linked(peer);
  // The request may be lost; to ask twice does no harm.
  if (change_under_way_.exchange(false)) post_look();
}

void Peers::peer_refused_us(raft::NodeId, std::string why) {
  if (removed_.exchange(true)) return;
  on_removed_(std::move(why));
}

void Peers::snapshot_stream(raft::NodeId from, net::Fd socket, std::string already_read) {
  receiver_->receive(from, std::move(socket), std::move(already_read));
}

void Peers::outsider_request(std::vector<std::string> words,
                             std::function<void(bool ok, std::string text)> answer) {
  if (words.size() == 1 && words[0] == "cluster") return answer(true, cluster_);
  if (words.size() == 1 && words[0] == "identify") {
    return answer(true, fmt::format("{} {} {}", cluster_, self_.id, self_.client_address));
  }
  if (words.size() == 1 && words[0] == "members") {
    std::string text;
    const std::shared_ptr<const Members> known = members();
    for (const raft::Member& member : *known) {
      if (!member.peer_address.empty()) {
        text += fmt::format("{} {}\n", member.id, member.peer_address);
      }
    }
    return answer(true, text);
  }
  if (words.size() == 4 && words[0] == "add") {
    return raft_->post_change(std::move(words), std::move(answer));
  }
  answer(false, "ERR unknown question; is the asker of a newer version?");
}

std::string Peers::refusal_of(raft::NodeId from) {
  if (!state_.leader.load()) return {};
  if (raft::find_member(*members(), from) != nullptr) return {};
  return fmt::format(
      "node {} was removed from the cluster, or never was a member: to make it one, start it with "
      "an "
      "empty folder and --join",
      from);
}

void Peers::peer_note(peer::NoteSeverity severity, std::string text) {
  if (severity == peer::NoteSeverity::kInfo) return log_info("{}", text);
  log_warning("{}", text);
}

bool Peers::drain() {
  if (!mailbox_.drain(inbox_)) return false;
  bool look_due = false;
  for (Task& task : inbox_) {
    if (auto* request = std::get_if<Add>(&task)) {
      add(*request);
    } else {
      look_due = true;
    }
  }
  inbox_.clear();
  if (look_due && !removed_.load()) look();
  return true;
}

void Peers::add(Add& request) {
  Result<std::string> answer =
      peer::ask_member(request.address, secret_, {"identify"}, kAskTimeout);
  if (!answer) return request.done(false, "ERR " + answer.error().message);
  std::istringstream words(*answer);
  std::string cluster;
  std::string id;
  std::string client_address;
  words >> cluster >> id >> client_address;
  if (cluster != cluster_) {
    return request.done(
        false, fmt::format("ERR the node at {} is of another cluster: start it with an empty "
                           "folder and --join {}",
                           request.address, self_.peer_address));
  }
  raft_->post_change({"add", id, request.address, client_address}, std::move(request.done));
}

void Peers::look() {
  const std::shared_ptr<const Members> known = members();
  const raft::Member* member = raft::find_member(*known, self_.id);
  if (member == nullptr) return join();
  if (*member != self_ && !self_.peer_address.empty()) change_addresses();
  if (const raft::NodeId stranger(stranger_.exchange(0)); stranger != raft::kNoNode) {
    find_stranger(stranger, *known);
  }
}

// Once told to be a member it never asks again: if that is not true any more, it was removed.
void Peers::join() {
  if (join_address_.empty()) return;
  if (told_to_be_member_) return learn_members();
  const Result<std::string> joined = peer::ask_member(
      join_address_, secret_,
      {"add", fmt::format("{}", self_.id), self_.peer_address, self_.client_address}, kAskTimeout);
  if (!joined && joined.error().message == removed_before(self_.id)) return removed();
  const std::string error = joined ? std::string() : joined.error().message;
  if (!error.empty() && error != last_join_error_) {
    log_warning("joining at {}: {}; trying again", join_address_, error);
  }
  last_join_error_ = error;
  told_to_be_member_ = joined.has_value();
  if (joined) learn_members();
}

std::vector<raft::Member> Peers::ask_members(const std::string& address) const {
  std::vector<raft::Member> members;
  Result<std::string> text = peer::ask_member(address, secret_, {"members"}, kAskTimeout);
  if (!text) return members;
  std::istringstream lines(*text);
  uint64_t id = 0;
  for (std::string peer_address; lines >> id >> peer_address;) {
    members.push_back({raft::NodeId(id), peer_address, ""});
  }
  return members;
}

// Until the configuration arrives, the leader can only be answered at an address asked for.
void Peers::learn_members() {
  std::vector<raft::Member> told = ask_members(join_address_);
  if (members()->empty()) network_->post_members(std::move(told));
}

void Peers::find_stranger(raft::NodeId stranger, const std::vector<raft::Member>& known) {
  for (const raft::Member& member : known) {
    if (member.id == self_.id || member.peer_address.empty()) continue;
    const std::vector<raft::Member> members = ask_members(member.peer_address);
    const raft::Member* found = raft::find_member(members, stranger);
    if (found == nullptr) continue;
    std::vector<raft::Member> linked = known;
    linked.push_back(*found);
    return network_->post_members(std::move(linked));
  }
}

void Peers::change_addresses() {
  if (change_under_way_.exchange(true)) return;
  log_info("telling the cluster that this node is at {}", self_.peer_address);
  raft_->post_change(
      {"move", fmt::format("{}", self_.id), self_.peer_address, self_.client_address},
      [this](bool ok, const std::string& text) {
        if (!ok) log_warning("changing this node's address: {}", text);
        change_under_way_.store(false);
      });
}

}  // namespace kvorum::server
