// PubSub: who on this loop listens to what. Channels and patterns as Redis has them, and the
// channels
// `__watch__:<key>` and `__watch__:<glob>`, matched by key: exact ones by hash, `prefix*` by a
// radix tree, other globs one by one. Owned by one client loop; knows sessions only as pointers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/glob.h"
#include "server/prefix_tree.h"

namespace kvorum::server {

struct Session;

inline constexpr std::string_view kWatchPrefix = "__watch__:";

enum class SubscriptionKind : uint8_t { kChannel, kPattern, kShardChannel };

class PubSub {
 public:
  // A pattern's receivers are told which pattern matched; a channel's get an empty view.
  using Deliver = std::function<void(Session& session, std::string_view pattern)>;

  // The caller keeps a session from subscribing twice to the same name, and undoes all before the
  // session goes.
  void subscribe(Session& session, SubscriptionKind kind, std::string_view name);
  void unsubscribe(Session& session, SubscriptionKind kind, std::string_view name);

  // Every session that receives a message published on `channel`, once for each matching
  // subscription: exact ones first, as Redis orders them. Gives the number of receivers.
  size_t publish(std::string_view channel, const Deliver& deliver) const;
  size_t publish_shard(std::string_view channel, const Deliver& deliver) const;
  // The same for a change of `key`, by the watch channels.
  size_t notify(std::string_view key, const Deliver& deliver) const;

  bool has_watchers() const { return watch_count_ > 0; }
  size_t watchers() const { return watch_count_; }

  // Active channels (or shard channels) that match `pattern`; all for an empty pattern.
  std::vector<std::string> channels(std::string_view pattern, bool shard) const;
  size_t subscribers(std::string_view channel, bool shard) const;
  // The distinct patterns, by name: PUBSUB NUMPAT counts those of all loops once.
  std::vector<std::string> patterns() const;

 private:
  using Sessions = std::vector<Session*>;
  struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Exact = std::unordered_map<std::string, Sessions, StringHash, std::equal_to<>>;
  using Patterns = std::map<std::string, Sessions, std::less<>>;
  // Watchers of a key prefix, by the pattern they gave ("a\*b*" and "a[*]b*" differ).
  using PrefixWatchers = std::map<std::string, Sessions>;

  static void add(Exact& table, std::string_view name, Session& session);
  static void remove(Exact& table, std::string_view name, Session& session);
  void add_pattern(std::string_view pattern, Session& session);
  void remove_pattern(std::string_view pattern, Session& session);
  static size_t deliver_exact(const Exact& table, std::string_view name, const Deliver& deliver);

  Exact channels_;  // all exact channels, watch channels included
  Exact shard_channels_;
  Patterns patterns_;  // patterns on channels
  PrefixTree<PrefixWatchers> watched_prefixes_;
  Patterns watched_globs_;  // by the full pattern, `__watch__:` included
  std::unordered_map<std::string, size_t> prefix_patterns_;  // full pattern -> sessions
  size_t watch_count_ = 0;
};

}  // namespace kvorum::server
