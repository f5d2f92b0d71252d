// The names of watches: `__watch__:<key or glob>`, `__watch__@<id>:…` and `__watch__@now:…`.
#pragma once

#include <optional>
#include <string_view>

#include "base/event_id.h"
#include "base/result.h"

namespace kvorum::server {

inline constexpr std::string_view kWatchPrefix = "__watch__:";

struct WatchChannel {
  std::string_view target;  // the key or glob
  bool marked = false;      // with `@`: it is sent `sync` marks
  // The changes after this one are wanted; nothing: those from now on.
  std::optional<EventId> after;
};

// Whether `name` is kept for watches: nobody publishes there.
bool is_watch_channel(std::string_view name);

// `name` is kept for watches. Fails with a sentence when it is not well formed.
Result<WatchChannel> parse_watch_channel(std::string_view name);

}  // namespace kvorum::server
