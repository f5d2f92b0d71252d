#include "server/pubsub.h"

#include <algorithm>

#include "base/check.h"

namespace kvorum::server {

namespace {

bool is_watch(std::string_view name) {
  return name.starts_with(kWatchPrefix);
}

void erase_one(std::vector<Session*>& sessions, Session& session) {
  auto found = std::find(sessions.begin(), sessions.end(), &session);
  CHECK(found != sessions.end(), "a subscription is undone that was never made");
  *found = sessions.back();
  sessions.pop_back();
}

}  // namespace

void PubSub::add(Exact& table, std::string_view name, Session& session) {
  auto found = table.find(name);
  if (found == table.end()) found = table.emplace(name, Sessions()).first;
  found->second.push_back(&session);
}

void PubSub::remove(Exact& table, std::string_view name, Session& session) {
  auto found = table.find(name);
  CHECK(found != table.end(), "a subscription is undone that was never made");
  erase_one(found->second, session);
  if (found->second.empty()) table.erase(found);
}

void PubSub::subscribe(Session& session, SubscriptionKind kind, std::string_view name) {
  if (kind != SubscriptionKind::kShardChannel && is_watch(name)) ++watch_count_;
  switch (kind) {
    case SubscriptionKind::kChannel:
      return add(channels_, name, session);
    case SubscriptionKind::kShardChannel:
      return add(shard_channels_, name, session);
    case SubscriptionKind::kPattern:
      return add_pattern(name, session);
  }
}

void PubSub::unsubscribe(Session& session, SubscriptionKind kind, std::string_view name) {
  if (kind != SubscriptionKind::kShardChannel && is_watch(name)) --watch_count_;
  switch (kind) {
    case SubscriptionKind::kChannel:
      return remove(channels_, name, session);
    case SubscriptionKind::kShardChannel:
      return remove(shard_channels_, name, session);
    case SubscriptionKind::kPattern:
      return remove_pattern(name, session);
  }
}

void PubSub::add_pattern(std::string_view pattern, Session& session) {
  if (!is_watch(pattern)) {
    patterns_[std::string(pattern)].push_back(&session);
    return;
  }
  LiteralPrefix prefix = literal_prefix(pattern.substr(kWatchPrefix.size()));
  if (prefix.is_prefix()) {
    watched_prefixes_[prefix.text][std::string(pattern)].push_back(&session);
    ++prefix_patterns_[std::string(pattern)];
    return;
  }
  watched_globs_[std::string(pattern)].push_back(&session);
}

void PubSub::remove_pattern(std::string_view pattern, Session& session) {
  std::string name(pattern);
  if (auto found = prefix_patterns_.find(name); found != prefix_patterns_.end()) {
    LiteralPrefix prefix = literal_prefix(pattern.substr(kWatchPrefix.size()));
    PrefixWatchers* watchers = watched_prefixes_.find(prefix.text);
    CHECK(watchers != nullptr, "no watchers at a registered prefix");
    erase_one((*watchers)[name], session);
    if (--found->second == 0) {
      prefix_patterns_.erase(found);
      watchers->erase(name);
      if (watchers->empty()) watched_prefixes_.erase(prefix.text);
    }
    return;
  }
  Patterns& table = is_watch(pattern) ? watched_globs_ : patterns_;
  auto found = table.find(pattern);
  CHECK(found != table.end(), "a subscription is undone that was never made");
  erase_one(found->second, session);
  if (found->second.empty()) table.erase(found);
}

size_t PubSub::deliver_exact(const Exact& table, std::string_view name, const Deliver& deliver) {
  auto found = table.find(name);
  if (found == table.end()) return 0;
  for (Session* session : found->second) deliver(*session, {});
  return found->second.size();
}

size_t PubSub::publish(std::string_view channel, const Deliver& deliver) const {
  size_t receivers = deliver_exact(channels_, channel, deliver);
  for (const auto& [pattern, sessions] : patterns_) {
    if (!glob_match(pattern, channel)) continue;
    for (Session* session : sessions) deliver(*session, pattern);
    receivers += sessions.size();
  }
  return receivers;
}

size_t PubSub::publish_shard(std::string_view channel, const Deliver& deliver) const {
  return deliver_exact(shard_channels_, channel, deliver);
}

size_t PubSub::notify(std::string_view key, const Deliver& deliver) const {
  std::string channel;
  channel.reserve(kWatchPrefix.size() + key.size());
  channel.append(kWatchPrefix).append(key);
  size_t receivers = deliver_exact(channels_, channel, deliver);
  watched_prefixes_.for_each_prefix_of(key, [&](const PrefixWatchers& watchers) {
    for (const auto& [pattern, sessions] : watchers) {
      for (Session* session : sessions) deliver(*session, pattern);
      receivers += sessions.size();
    }
  });
  for (const auto& [pattern, sessions] : watched_globs_) {
    if (!glob_match(pattern, channel)) continue;
    for (Session* session : sessions) deliver(*session, pattern);
    receivers += sessions.size();
  }
  return receivers;
}

std::vector<std::string> PubSub::channels(std::string_view pattern, bool shard) const {
  std::vector<std::string> names;
  for (const auto& [name, sessions] : shard ? shard_channels_ : channels_) {
    if (pattern.empty() || glob_match(pattern, name)) names.push_back(name);
  }
  return names;
}

size_t PubSub::subscribers(std::string_view channel, bool shard) const {
  const Exact& table = shard ? shard_channels_ : channels_;
  auto found = table.find(channel);
  return found == table.end() ? 0 : found->second.size();
}

std::vector<std::string> PubSub::patterns() const {
  std::vector<std::string> names;
  for (const auto& [pattern, sessions] : patterns_) names.push_back(pattern);
  for (const auto& [pattern, sessions] : watched_globs_) names.push_back(pattern);
  for (const auto& [pattern, sessions] : prefix_patterns_) names.push_back(pattern);
  return names;
}

}  // namespace kvorum::server
