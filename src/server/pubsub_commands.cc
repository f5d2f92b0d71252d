// SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE and their opposites, PUBLISH, SPUBLISH, PUBSUB.

#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "server/client_context.h"
#include "server/client_loop.h"
#include "server/command_rows.h"
#include "server/dispatcher.h"
#include "server/loop_group.h"
#include "server/peers.h"
#include "server/watch_channel.h"

namespace kvorum::server {

namespace {

using command::Args;
using command::CommandSpec;
using Names = std::set<std::string, std::less<>>;

struct Words {
  std::string_view subscribed;
  std::string_view unsubscribed;
};

Words words(SubscriptionKind kind) {
  switch (kind) {
    case SubscriptionKind::kPattern:
      return {"psubscribe", "punsubscribe"};
    case SubscriptionKind::kShardChannel:
      return {"ssubscribe", "sunsubscribe"};
    case SubscriptionKind::kChannel:
      break;
  }
  return {"subscribe", "unsubscribe"};
}

Session::Subscriptions& subscriptions_of(Session& session, SubscriptionKind kind) {
  switch (kind) {
    case SubscriptionKind::kPattern:
      return session.patterns;
    case SubscriptionKind::kShardChannel:
      return session.shard_channels;
    case SubscriptionKind::kChannel:
      break;
  }
  return session.channels;
}

// The running count that a confirmation carries.
size_t count_of(const Session& session, SubscriptionKind kind) {
  return kind == SubscriptionKind::kShardChannel ? session.shard_channels.size()
                                                 : session.subscriptions();
}

void confirm(ClientContext& client, std::string_view word, const std::string* name,
             SubscriptionKind kind) {
  resp::ReplyWriter& reply = client.reply();
  reply.push(3);
  reply.bulk(word);
  if (name != nullptr) {
    reply.bulk(*name);
  } else {
    reply.null();
  }
  reply.integer(static_cast<int64_t>(count_of(client.session(), kind)));
}

// The changes a watch asks for, as `subscription` will have them. False: it was refused in words.
bool fill_watch(ClientContext& client, Subscription& subscription) {
  Result<WatchChannel> channel = parse_watch_channel(subscription.name);
  if (!channel) {
    client.reply().error("ERR " + channel.error().message);
    return false;
  }
  if (!client.loop().config().watch.enabled) {
    client.reply().error("ERR watches are switched off here (watch.enabled)");
    return false;
  }
  const storage::HistoryState& history =
      client.dispatcher().reader().view().applied_state().history;
  if (channel->after && *channel->after < history.floor) {
    client.reply().error(fmt::format("COMPACTED oldest id is {}", history.floor));
    return false;
  }
  subscription.watch = true;
  subscription.marked = channel->marked;
  subscription.target = channel->target;
  subscription.after = channel->after.value_or(history.last);
  return true;
}

template <SubscriptionKind kKind>
void subscribe(ClientContext& client, Args args) {
  Session& session = client.session();
  std::vector<Subscription> wanted;
  for (std::string_view arg : args.subspan(1)) {
    Subscription& subscription = wanted.emplace_back();
    subscription.session = &session;
    subscription.kind = kKind;
    subscription.name = arg;
    // Refused whole, not half.
    const bool watch = kKind != SubscriptionKind::kShardChannel && is_watch_channel(arg);
    if (watch && !fill_watch(client, subscription)) return;
  }
  for (Subscription& subscription : wanted) {
    const std::string name = subscription.name;
    auto [kept, is_new] = subscriptions_of(session, kKind).emplace(name, std::move(subscription));
    if (is_new) client.loop().subscribe(kept->second);
    confirm(client, words(kKind).subscribed, &name, kKind);
  }
}

void drop(ClientContext& client, SubscriptionKind kind, const std::string& name) {
  Session::Subscriptions& subscriptions = subscriptions_of(client.session(), kind);
  if (auto found = subscriptions.find(name); found != subscriptions.end()) {
    client.loop().unsubscribe(found->second);
    subscriptions.erase(found);
  }
  confirm(client, words(kind).unsubscribed, &name, kind);
}

template <SubscriptionKind kKind>
void unsubscribe(ClientContext& client, Args args) {
  if (args.size() > 1) {
    for (std::string_view arg : args.subspan(1)) drop(client, kKind, std::string(arg));
    return;
  }
  std::vector<std::string> all;
  for (const auto& [name, subscription] : subscriptions_of(client.session(), kKind)) {
    all.push_back(name);
  }
  for (const std::string& name : all) drop(client, kKind, name);
  if (all.empty()) confirm(client, words(kKind).unsubscribed, nullptr, kKind);
}

template <bool kShard>
void publish(ClientContext& client, Args args) {
  if (is_watch_channel(args[1])) {
    return client.reply().error(
        "ERR channels that begin with __watch__: or __watch__@ carry changes of keys alone");
  }
  if (client.node().state.has_peers.load(std::memory_order_relaxed)) {
    client.node().peers.broadcast(
        peer::PublishedMessage{std::string(args[1]), std::string(args[2]), kShard});
  }
  LoopGroup& loops = client.node().loops;
  if (loops.size() == 1) {
    size_t receivers = client.loop().publish(args[1], args[2], kShard);
    return client.reply().integer(static_cast<int64_t>(receivers));
  }
  auto deliver = [channel = std::string(args[1]), message = std::string(args[2])](
                     ClientLoop& loop) { return loop.publish(channel, message, kShard); };
  Deferred deferred = client.defer();
  loops.gather<size_t>(client.loop(), deliver, [deferred](std::vector<size_t> receivers) {
    size_t all = std::accumulate(receivers.begin(), receivers.end(), size_t{0});
    deferred.reply([all](resp::ReplyWriter& reply) { reply.integer(static_cast<int64_t>(all)); });
  });
}

// The names that any loop gave, each once.
Names merged(const std::vector<std::vector<std::string>>& answers) {
  Names all;
  for (const auto& names : answers) all.insert(names.begin(), names.end());
  return all;
}

template <bool kShard>
void pubsub_channels(ClientContext& client, Args args) {
  auto list = [pattern = std::string(args.size() > 2 ? args[2] : "")](ClientLoop& loop) {
    return loop.pubsub().channels(pattern, kShard);
  };
  Deferred deferred = client.defer();
  client.node().loops.gather<std::vector<std::string>>(
      client.loop(), list, [deferred](std::vector<std::vector<std::string>> answers) {
        deferred.reply([all = merged(answers)](resp::ReplyWriter& reply) {
          reply.array(all.size());
          for (const std::string& name : all) reply.bulk(name);
        });
      });
}

template <bool kShard>
void pubsub_numsub(ClientContext& client, Args args) {
  std::vector<std::string> channels(args.begin() + 2, args.end());
  auto count = [channels](ClientLoop& loop) {
    std::vector<size_t> counts;
    for (const std::string& channel : channels) {
      counts.push_back(loop.pubsub().subscribers(channel, kShard));
    }
    return counts;
  };
  Deferred deferred = client.defer();
  client.node().loops.gather<std::vector<size_t>>(
      client.loop(), count, [deferred, channels](std::vector<std::vector<size_t>> answers) {
        deferred.reply([&](resp::ReplyWriter& reply) {
          reply.map(channels.size());
          for (size_t i = 0; i < channels.size(); ++i) {
            size_t all = 0;
            for (const auto& counts : answers) all += counts[i];
            reply.bulk(channels[i]);
            reply.integer(static_cast<int64_t>(all));
          }
        });
      });
}

void pubsub_numpat(ClientContext& client, Args) {
  Deferred deferred = client.defer();
  client.node().loops.gather<std::vector<std::string>>(
      client.loop(), [](ClientLoop& loop) { return loop.pubsub().patterns(); },
      [deferred](std::vector<std::vector<std::string>> answers) {
        deferred.reply([count = merged(answers).size()](resp::ReplyWriter& reply) {
          reply.integer(static_cast<int64_t>(count));
        });
      });
}

void pubsub_help(ClientContext& client, Args) {
  static constexpr std::string_view kLines[] = {
      "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "CHANNELS [<pattern>]",
      "    Return the currently active channels matching a <pattern> (default: '*').",
      "NUMPAT",
      "    Return number of subscriptions to patterns.",
      "NUMSUB [<channel> ...]",
      "    Return the number of subscribers for the specified channels, excluding",
      "    pattern subscriptions(default: no channels).",
      "SHARDCHANNELS [<pattern>]",
      "    Return the currently active shard level channels matching a <pattern> (default: '*').",
      "SHARDNUMSUB [<shardchannel> ...]",
      "    Return the number of subscribers for the specified shard level channel(s)",
      "HELP",
      "    Print this help.",
  };
  client.reply().simple_lines(kLines);
}

constexpr LocalFamily kPubSub{"pubsub", "@pubsub @slow",
                              command::kFlagPubSub | command::kFlagNoScript | kLoadingStale};

constexpr CommandSpec kPubSubRows[] = {
    local_row(kPubSub, "subscribe", -2, "2.0.0",
              "O(N) where N is the number of channels to subscribe to.",
              "Listen for messages published to the given channels", "channel [channel ...]",
              subscribe<SubscriptionKind::kChannel>),
    local_row(kPubSub, "unsubscribe", -1, "2.0.0",
              "O(N) where N is the number of channels to unsubscribe.",
              "Stop listening for messages posted to the given channels", "[channel [channel ...]]",
              unsubscribe<SubscriptionKind::kChannel>),
    local_row(kPubSub, "psubscribe", -2, "2.0.0",
              "O(N) where N is the number of patterns to subscribe to.",
              "Listen for messages published to channels matching the given patterns",
              "pattern [pattern ...]", subscribe<SubscriptionKind::kPattern>),
    local_row(kPubSub, "punsubscribe", -1, "2.0.0",
              "O(N) where N is the number of patterns to unsubscribe.",
              "Stop listening for messages posted to channels matching the given patterns",
              "[pattern [pattern ...]]", unsubscribe<SubscriptionKind::kPattern>),
    local_row(kPubSub, "ssubscribe", -2, "7.0.0",
              "O(N) where N is the number of shard channels to subscribe to.",
              "Listen for messages published to the given shard channels",
              "shardchannel [shardchannel ...]", subscribe<SubscriptionKind::kShardChannel>),
    local_row(kPubSub, "sunsubscribe", -1, "7.0.0",
              "O(N) where N is the number of shard channels to unsubscribe.",
              "Stop listening for messages posted to the given shard channels",
              "[shardchannel [shardchannel ...]]", unsubscribe<SubscriptionKind::kShardChannel>),
    local_row(kPubSub, "publish", 3, "2.0.0",
              "O(N+M) with N subscribers of the channel and M patterns.",
              "Post a message to a channel", "channel message", publish<false>),
    local_row(kPubSub, "spublish", 3, "7.0.0",
              "O(N) where N is the number of subscribers of the channel.",
              "Post a message to a shard channel", "shardchannel message", publish<true>),
    container_row({"pubsub", "@slow"}, "pubsub", "2.8.0", "A container for Pub/Sub commands"),
    local_row(kPubSub, "pubsub|channels", -2, "2.8.0",
              "O(N) where N is the number of active channels.", "List active channels", "[pattern]",
              pubsub_channels<false>),
    local_row(kPubSub, "pubsub|numsub", -2, "2.8.0", "O(N) for the NUMSUB subcommand.",
              "Get the count of subscribers for channels", "[channel [channel ...]]",
              pubsub_numsub<false>),
    local_row(kPubSub, "pubsub|numpat", 2, "2.8.0", "O(1)", "Get the count of unique patterns", "",
              pubsub_numpat),
    local_row(kPubSub, "pubsub|shardchannels", -2, "7.0.0",
              "O(N) where N is the number of shard channels.", "List active shard channels",
              "[pattern]", pubsub_channels<true>),
    local_row(kPubSub, "pubsub|shardnumsub", -2, "7.0.0", "O(N) for the SHARDNUMSUB subcommand.",
              "Get the count of subscribers for shard channels",
              "[shardchannel [shardchannel ...]]", pubsub_numsub<true>),
    help_row(kPubSub, "pubsub|help", "6.2.0", pubsub_help),
};

}  // namespace

std::span<const CommandSpec> pubsub_commands() {
  return kPubSubRows;
}

}  // namespace kvorum::server
