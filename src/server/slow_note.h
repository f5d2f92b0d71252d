// SlowNote: something took longer than it may, as it travels from the thread that saw it to loop 0,
// which keeps SLOWLOG and LATENCY.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "command/spec.h"

namespace kvorum::server {

// LATENCY's names of events.
inline constexpr std::string_view kEventCommand = "command";
inline constexpr std::string_view kEventFastCommand = "fast-command";
inline constexpr std::string_view kEventWalSync = "wal-sync";
inline constexpr std::string_view kEventCheckpoint = "checkpoint";

struct SlowNote {
  std::string_view event;  // one of the names above
  UnixMillis at = 0;
  Monotonic elapsed{0};
  // Of a command that SLOWLOG may show; empty otherwise.
  std::vector<std::string> args = {};  // shortened
  std::string address = {};
  std::string client_name = {};
};

// The arguments as SLOWLOG keeps them, so that a huge command costs little: at most 32, of at most
// 128 bytes, with a word on what was left out.
std::vector<std::string> shortened(command::Args args);

// A note of one command. `address` and `client_name` are empty for one that came from the log
// alone.
SlowNote slow_command(const command::CommandSpec& spec, command::Args args, UnixMillis at,
                      Monotonic elapsed, std::string_view address, std::string_view client_name);

}  // namespace kvorum::server
