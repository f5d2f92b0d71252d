#include "peer/handshake.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/parse_number.h"
#include "peer/codec.h"

namespace kvorum::peer {

namespace {

constexpr std::string_view kMagic = "kvorum";
constexpr std::string_view kNoCluster = "-";
constexpr size_t kGreetingWords = 7;
constexpr size_t kQuotedMax = 64;

// In the order of Purpose.
constexpr std::array<std::string_view, 4> kPurposes{"link", "bulk", "snapshot", "ask"};

// Foreign text, fit to be shown to an operator.
std::string printable(std::string_view text) {
  std::string result;
  for (const char c : text) result.push_back(c < ' ' || c > '~' ? '?' : c);
  return result;
}

std::string quoted(std::string_view text) {
  return fmt::format("'{}{}'", printable(text.substr(0, kQuotedMax)),
                     text.size() > kQuotedMax ? "..." : "");
}

Refusal refused(std::string why) {
  return {"REFUSED", std::move(why)};
}

std::optional<Refusal> judge_secret(const Greeting& greeting, const Identity& identity,
                                    bool protected_mode, bool same_machine) {
  if (identity.secret.empty() && protected_mode && !same_machine) {
    return refused(
        "this node has no peer secret, so in protected mode it only talks to nodes on its own "
        "machine: give all nodes the same secret, or turn protected mode off if the network is "
        "trusted");
  }
  if (same_secret(greeting.secret, identity.secret)) return std::nullopt;
  if (greeting.secret.empty()) {
    return refused("this cluster has a peer secret and none was given: configure the same secret");
  }
  if (identity.secret.empty()) {
    return refused("a peer secret was given and this node has none: configure the same secret");
  }
  return refused("wrong peer secret: configure the same secret on all nodes");
}

std::optional<Refusal> judge_node(const Greeting& greeting, const Identity& identity) {
  if (greeting.cluster != identity.cluster) {
    return refused(fmt::format(
        "this node belongs to cluster {}, not to {}: correct the address, or join this cluster "
        "with an empty data folder",
        identity.cluster, quoted(greeting.cluster)));
  }
  if (greeting.from == identity.node) {
    return refused(fmt::format(
        "this is node {} itself: the address leads back to its own node, or two nodes run on "
        "copies of one data folder; correct the address, or give one an empty folder and join",
        identity.node));
  }
  if (greeting.to != raft::kNoNode && greeting.to != identity.node) {
    return refused(fmt::format(
        "node {} is here, not node {}: the address is used by another node now; remove the member "
        "that is gone, or correct its address",
        identity.node, greeting.to));
  }
  return std::nullopt;
}

}  // namespace

const std::string_view kNotAPeer =
    "this is the port where kvorum nodes talk to each other: clients connect to server.port";

std::string Refusal::line() const {
  return encode_error(fmt::format("{} {}", code, why));
}

Greeting greeting_of(const Identity& identity, Purpose purpose, raft::NodeId to) {
  return {kProtocolVersion, purpose, identity.cluster, identity.node, to, identity.secret};
}

Greeting greeting_from_outside(const std::string& secret) {
  return {kProtocolVersion, Purpose::kAsk, std::string(kNoCluster),
          raft::kNoNode,    raft::kNoNode, secret};
}

std::string encode(const Greeting& greeting) {
  return encode_command({std::string(kMagic), fmt::to_string(greeting.version),
                         std::string(kPurposes[static_cast<size_t>(greeting.purpose)]),
                         greeting.cluster, fmt::to_string(greeting.from.value()),
                         fmt::to_string(greeting.to.value()), greeting.secret});
}

std::optional<Refusal> refusal_in(const Frame& answer, raft::NodeId node) {
  const std::string& text = answer.words.front();
  if (answer.kind == Frame::Kind::kStatus) {
    if (node == raft::kNoNode ? text.starts_with("OK kvorum ")
                              : text == fmt::format("OK kvorum {} {}", kProtocolVersion, node)) {
      return std::nullopt;
    }
    return Refusal{"ERR", fmt::format("it answered {}: no kvorum node of this version is there",
                                      quoted(text))};
  }
  if (answer.kind == Frame::Kind::kError) {
    for (const std::string_view code : {"REFUSED", "REMOVED", "ERR"}) {
      if (text.starts_with(code) && text.substr(code.size()).starts_with(' ')) {
        return Refusal{std::string(code), printable(text.substr(code.size() + 1))};
      }
    }
  }
  return Refusal{"ERR", "it does not answer as a kvorum node does: is it the peer port of one?"};
}

Result<Greeting> decode_greeting(const Frame& frame) {
  const auto& words = frame.words;
  if (frame.kind != Frame::Kind::kWords || words.front() != kMagic) return fail("{}", kNotAPeer);
  Greeting greeting;
  if (words.size() < 2 || !parse_number(words[1], greeting.version)) {
    return fail("a greeting of a kvorum node has a protocol version");
  }
  // What follows may look different in another version.
  if (greeting.version != kProtocolVersion) return greeting;
  uint64_t from = 0;
  uint64_t to = 0;
  if (words.size() != kGreetingWords || !parse_number(words[4], from) ||
      !parse_number(words[5], to)) {
    return fail("not a greeting: kvorum <version> <purpose> <cluster> <from> <to> <secret>");
  }
  const auto known = std::find(kPurposes.begin(), kPurposes.end(), words[2]);
  if (known == kPurposes.end())
    return fail("a greeting for link, bulk, snapshot or ask is expected");
  greeting.purpose = static_cast<Purpose>(known - kPurposes.begin());
  greeting.cluster = words[3];
  greeting.from = raft::NodeId(from);
  greeting.to = raft::NodeId(to);
  greeting.secret = words[6];
  if ((greeting.purpose == Purpose::kAsk) != (greeting.from == raft::kNoNode)) {
    return fail("only a question comes from node 0");
  }
  return greeting;
}

std::optional<Refusal> judge(const Greeting& greeting, const Identity& identity,
                             bool protected_mode, bool same_machine) {
  if (greeting.version != kProtocolVersion) {
    return refused(fmt::format(
        "this node speaks version {} of the peer protocol, not {}: run versions of kvorum that "
        "share one",
        kProtocolVersion, greeting.version));
  }
  if (auto refusal = judge_secret(greeting, identity, protected_mode, same_machine)) {
    return refusal;
  }
  if (greeting.purpose == Purpose::kAsk) return std::nullopt;
  return judge_node(greeting, identity);
}

std::string welcome(raft::NodeId node) {
  return fmt::format("+OK kvorum {} {}\r\n", kProtocolVersion, node);
}

bool same_secret(std::string_view a, std::string_view b) {
  size_t difference = a.size() ^ b.size();
  for (size_t i = 0; i < a.size(); ++i) {
    const char other = b.empty() ? '\0' : b[i % b.size()];
    difference |= static_cast<size_t>(static_cast<unsigned char>(a[i] ^ other));
  }
  // Nothing is decided before all bytes were seen.
  volatile size_t result = difference;
  return result == 0;
}

}  // namespace kvorum::peer
