// EventText: a change of a key as its watchers read it. The message on channel `__watch__:<key>` is
//
//   <event> <revision>-<change>            for a change that left no new value
//   <event> <revision>-<change> <value>    otherwise; the value's bytes go to the end
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "command/event.h"
#include "command/history.h"
#include "command/spec.h"
#include "config/notify_flags.h"

namespace kvorum::server {

class EventText {
 public:
  // The same event again costs nothing.
  void set(const command::HistoryEvent& event);
  const std::string& channel() const { return channel_; }
  const std::string& payload() const { return payload_; }

 private:
  EventId id_;  // 0-0 before the first
  std::string channel_;
  std::string payload_;
};

// The letter of notify-keyspace-events that switches a class on. Not for kNone.
NotifyFlags::Bit notify_bit(command::NotifyClass notify);

// A command as MONITOR shows it: a simple string with time, database, address and quoted arguments.
std::string monitor_line(uint64_t wall_us, std::string_view address, command::Args args);

// `text` in double quotes, with everything unprintable escaped, as Redis prints it.
std::string quoted(std::string_view text);

}  // namespace kvorum::server
