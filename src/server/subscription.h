// Subscription: one name that a client listens to. Its session keeps it; the registry and the feed
// of changes point to it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/event_id.h"

namespace kvorum::server {

struct Session;

enum class SubscriptionKind : uint8_t { kChannel, kPattern, kShardChannel };

struct Subscription {
  Session* session = nullptr;
  SubscriptionKind kind = SubscriptionKind::kChannel;
  std::string name;  // as the client gave it

  // A watch is for changes of keys, not for messages.
  bool watch = false;
  std::string target;                     // the key, or the glob
  EventId after;                          // it gets the changes after this one
  bool marked = false;                    // it is told by `sync` how far it has come
  std::optional<EventId> marked_through;  // the newest `sync` it was sent
};

}  // namespace kvorum::server
