// PubSub: who listens to what. Channels and patterns as Redis has them, and watches, matched by
// key: exact keys by hash, globs by a radix tree of what they begin with, so that a change costs by
// the watches it matches and not by those there are. Used by one thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/prefix_tree.h"
#include "server/subscription.h"

namespace kvorum::server {

class PubSub {
 public:
  using Deliver = std::function<void(Subscription& subscription)>;

  // The subscription stays where it is until it is undone.
  void subscribe(Subscription& subscription);
  void unsubscribe(Subscription& subscription);

  // Every subscription that receives a message published on `channel`: exact ones first, as Redis
  // orders them. Gives their number.
  size_t publish(std::string_view channel, const Deliver& deliver) const;
  size_t publish_shard(std::string_view channel, const Deliver& deliver) const;
  // Every watch of `key` by a connection that may see it.
  size_t notify(std::string_view key, const Deliver& deliver) const;
  // As publish(), of a message that is about `key`: for connections that may see it.
  void publish_change(std::string_view key, std::string_view channel, const Deliver& deliver) const;

  size_t watches() const { return watches_; }

  // Active channels (or shard channels) that match `pattern`; all for an empty pattern.
  std::vector<std::string> channels(std::string_view pattern, bool shard) const;
  size_t subscribers(std::string_view channel, bool shard) const;
  // The distinct patterns, by name: PUBSUB NUMPAT counts those of all loops once.
  std::vector<std::string> patterns() const;

 private:
  using Subscriptions = std::vector<Subscription*>;
  struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Exact = std::unordered_map<std::string, Subscriptions, StringHash, std::equal_to<>>;
  struct Globbed {
    bool matches_all = false;  // the glob is `prefix*`: whatever begins with it matches
    Subscriptions subscriptions;
  };
  using Globs = std::map<std::string, Globbed, std::less<>>;

  Exact& channels_of(SubscriptionKind kind);
  void add_glob(Subscription& subscription);
  void remove_glob(Subscription& subscription);
  static size_t deliver_exact(const Exact& table, std::string_view name, const Deliver& deliver);
  static size_t deliver_change(std::string_view key, Subscription& subscription,
                               const Deliver& deliver);

  Exact channels_;
  Exact shard_channels_;
  std::map<std::string, Subscriptions, std::less<>> patterns_;
  Exact watched_keys_;
  PrefixTree<Globs> watched_globs_;  // by what they begin with
  // How many subscriptions have a name: watches' channels, and all patterns.
  std::map<std::string, size_t, std::less<>> watch_channels_;
  std::map<std::string, size_t, std::less<>> watch_patterns_;
  size_t watches_ = 0;
};

}  // namespace kvorum::server
