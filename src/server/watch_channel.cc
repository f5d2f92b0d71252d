#include "server/watch_channel.h"

namespace kvorum::server {

namespace {

constexpr std::string_view kMarkedPrefix = "__watch__@";
constexpr std::string_view kNow = "now";

}  // namespace

bool is_watch_channel(std::string_view name) {
  return name.starts_with(kWatchPrefix) || name.starts_with(kMarkedPrefix);
}

Result<WatchChannel> parse_watch_channel(std::string_view name) {
  WatchChannel channel;
  if (name.starts_with(kWatchPrefix)) {
    channel.target = name.substr(kWatchPrefix.size());
    return channel;
  }
  channel.marked = true;
  const size_t colon = name.find(':');
  if (colon == std::string_view::npos) {
    return fail("a watch is named __watch__@<id>:<key or glob>, and here is no ':'");
  }
  channel.target = name.substr(colon + 1);
  const std::string_view start = name.substr(kMarkedPrefix.size(), colon - kMarkedPrefix.size());
  if (start == kNow) return channel;
  channel.after = EventId::parse(start);
  if (!channel.after) {
    return fail("'{}' is no event id: give <revision>-<n>, or 'now'", start.substr(0, 64));
  }
  return channel;
}

}  // namespace kvorum::server
