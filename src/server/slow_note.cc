#include "server/slow_note.h"

#include <fmt/format.h>

#include <algorithm>

namespace kvorum::server {

std::vector<std::string> shortened(command::Args args) {
  constexpr size_t kArgsMax = 32;
  constexpr size_t kArgBytesMax = 128;
  std::vector<std::string> kept;
  kept.reserve(std::min(args.size(), kArgsMax));
  for (std::string_view arg : args) {
    if (args.size() > kArgsMax && kept.size() == kArgsMax - 1) {
      kept.push_back(fmt::format("... ({} more arguments)", args.size() - kArgsMax + 1));
      break;
    }
    if (arg.size() > kArgBytesMax) {
      kept.push_back(fmt::format("{}... ({} more bytes)", arg.substr(0, kArgBytesMax),
                                 arg.size() - kArgBytesMax));
    } else {
      kept.emplace_back(arg);
    }
  }
  return kept;
}

SlowNote slow_command(const command::CommandSpec& spec, command::Args args, UnixMillis at,
                      Monotonic elapsed, std::string_view address, std::string_view client_name) {
  bool fast = (spec.flags & command::kFlagFast) != 0;
  SlowNote note{fast ? kEventFastCommand : kEventCommand, at, elapsed};
  // Such commands carry passwords, or stand for others that are noted themselves.
  if ((spec.flags & command::kFlagNoSlowlog) != 0) return note;
  note.args = shortened(args);
  note.address = address;
  note.client_name = client_name;
  return note;
}

}  // namespace kvorum::server
