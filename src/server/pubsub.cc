#include "server/pubsub.h"

#include <algorithm>

#include "base/check.h"
#include "base/glob.h"
#include "server/authentication.h"

namespace kvorum::server {

namespace {

void erase_one(std::vector<Subscription*>& subscriptions, Subscription& subscription) {
  auto found = std::ranges::find(subscriptions, &subscription);
  CHECK(found != subscriptions.end(), "a subscription is undone that was never made");
  *found = subscriptions.back();
  subscriptions.pop_back();
}

// The table's entry for `name` loses a subscription, and goes with the last one.
template <class Table>
void erase_from(Table& table, std::string_view name, Subscription& subscription) {
  auto found = table.find(name);
  CHECK(found != table.end(), "a subscription is undone that was never made");
  erase_one(found->second, subscription);
  if (found->second.empty()) table.erase(found);
}

template <class Counts>
void count_down(Counts& counts, const std::string& name) {
  auto found = counts.find(name);
  if (--found->second == 0) counts.erase(found);
}

}  // namespace

PubSub::Exact& PubSub::channels_of(SubscriptionKind kind) {
  return kind == SubscriptionKind::kShardChannel ? shard_channels_ : channels_;
}

void PubSub::subscribe(Subscription& subscription) {
  const bool pattern = subscription.kind == SubscriptionKind::kPattern;
  if (subscription.watch) {
    ++watches_;
    ++(pattern ? watch_patterns_ : watch_channels_)[subscription.name];
    if (pattern) return add_glob(subscription);
    watched_keys_[subscription.target].push_back(&subscription);
  } else if (pattern) {
    patterns_[subscription.name].push_back(&subscription);
  } else {
    channels_of(subscription.kind)[subscription.name].push_back(&subscription);
  }
}

void PubSub::unsubscribe(Subscription& subscription) {
  const bool pattern = subscription.kind == SubscriptionKind::kPattern;
  if (subscription.watch) {
    --watches_;
    count_down(pattern ? watch_patterns_ : watch_channels_, subscription.name);
    if (pattern) return remove_glob(subscription);
    erase_from(watched_keys_, subscription.target, subscription);
  } else if (pattern) {
    erase_from(patterns_, subscription.name, subscription);
  } else {
    erase_from(channels_of(subscription.kind), subscription.name, subscription);
  }
}

void PubSub::add_glob(Subscription& subscription) {
  const LiteralPrefix prefix = literal_prefix(subscription.target);
  if (prefix.is_literal()) {
    watched_keys_[prefix.text].push_back(&subscription);
    return;
  }
  Globbed& globbed = watched_globs_[prefix.text][subscription.target];
  globbed.matches_all = prefix.is_prefix();
  globbed.subscriptions.push_back(&subscription);
}

void PubSub::remove_glob(Subscription& subscription) {
  const LiteralPrefix prefix = literal_prefix(subscription.target);
  if (prefix.is_literal()) return erase_from(watched_keys_, prefix.text, subscription);
  Globs* globs = watched_globs_.find(prefix.text);
  CHECK(globs != nullptr, "no watches at a registered prefix");
  auto found = globs->find(subscription.target);
  CHECK(found != globs->end(), "no watches of a registered glob");
  erase_one(found->second.subscriptions, subscription);
  if (found->second.subscriptions.empty()) globs->erase(found);
  if (globs->empty()) watched_globs_.erase(prefix.text);
}

size_t PubSub::deliver_exact(const Exact& table, std::string_view name, const Deliver& deliver) {
  auto found = table.find(name);
  if (found == table.end()) return 0;
  for (Subscription* subscription : found->second) deliver(*subscription);
  return found->second.size();
}

size_t PubSub::publish(std::string_view channel, const Deliver& deliver) const {
  size_t receivers = deliver_exact(channels_, channel, deliver);
  for (const auto& [pattern, subscriptions] : patterns_) {
    if (!glob_match(pattern, channel)) continue;
    for (Subscription* subscription : subscriptions) deliver(*subscription);
    receivers += subscriptions.size();
  }
  return receivers;
}

size_t PubSub::publish_shard(std::string_view channel, const Deliver& deliver) const {
  return deliver_exact(shard_channels_, channel, deliver);
}

// The one way to those who listen to keys.
size_t PubSub::deliver_change(std::string_view key, Subscription& subscription,
                              const Deliver& deliver) {
  if (!may_see(*subscription.session, key)) return 0;
  deliver(subscription);
  return 1;
}

size_t PubSub::notify(std::string_view key, const Deliver& deliver) const {
  size_t receivers = 0;
  auto deliver_all = [&](const Subscriptions& subscriptions) {
    for (Subscription* subscription : subscriptions) {
      receivers += deliver_change(key, *subscription, deliver);
    }
  };
  auto exact = watched_keys_.find(key);
  if (exact != watched_keys_.end()) deliver_all(exact->second);
  watched_globs_.for_each_prefix_of(key, [&](const Globs& globs) {
    for (const auto& [glob, globbed] : globs) {
      if (globbed.matches_all || glob_match(glob, key)) deliver_all(globbed.subscriptions);
    }
  });
  return receivers;
}

void PubSub::publish_change(std::string_view key, std::string_view channel,
                            const Deliver& deliver) const {
  publish(channel, [&](Subscription& subscription) { deliver_change(key, subscription, deliver); });
}

std::vector<std::string> PubSub::channels(std::string_view pattern, bool shard) const {
  std::vector<std::string> names;
  auto add = [&](const std::string& name) {
    if (pattern.empty() || glob_match(pattern, name)) names.push_back(name);
  };
  for (const auto& [name, subscriptions] : shard ? shard_channels_ : channels_) add(name);
  if (!shard) {
    for (const auto& [name, count] : watch_channels_) add(name);
  }
  return names;
}

size_t PubSub::subscribers(std::string_view channel, bool shard) const {
  if (!shard) {
    auto watched = watch_channels_.find(channel);
    if (watched != watch_channels_.end()) return watched->second;
  }
  const Exact& table = shard ? shard_channels_ : channels_;
  auto found = table.find(channel);
  return found == table.end() ? 0 : found->second.size();
}

std::vector<std::string> PubSub::patterns() const {
  std::vector<std::string> names;
  for (const auto& [pattern, subscriptions] : patterns_) names.push_back(pattern);
  for (const auto& [pattern, count] : watch_patterns_) names.push_back(pattern);
  return names;
}

}  // namespace kvorum::server
