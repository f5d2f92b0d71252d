#include "server/event_text.h"

#include <fmt/format.h>

#include <iterator>

#include "base/check.h"
#include "server/watch_channel.h"

namespace kvorum::server {

void EventText::set(const command::HistoryEvent& event) {
  if (id_ == event.id) return;
  id_ = event.id;
  channel_.assign(kWatchPrefix).append(event.key);
  payload_.clear();
  fmt::format_to(std::back_inserter(payload_), "{} {}", event.kind->name, event.id);
  if (event.value) payload_.append(" ").append(*event.value);
}

NotifyFlags::Bit notify_bit(command::NotifyClass notify) {
  switch (notify) {
    case command::NotifyClass::kGeneric:
      return NotifyFlags::kGeneric;
    case command::NotifyClass::kString:
      return NotifyFlags::kString;
    case command::NotifyClass::kList:
      return NotifyFlags::kList;
    case command::NotifyClass::kSet:
      return NotifyFlags::kSet;
    case command::NotifyClass::kHash:
      return NotifyFlags::kHash;
    case command::NotifyClass::kZset:
      return NotifyFlags::kZset;
    case command::NotifyClass::kExpired:
      return NotifyFlags::kExpired;
    case command::NotifyClass::kStream:
      return NotifyFlags::kStream;
    case command::NotifyClass::kNone:
      break;
  }
  CHECK(false, "an event of no class has no letter");
  return NotifyFlags::kGeneric;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char byte : text) {
    switch (byte) {
      case '\\':
      case '"':
        out.append({'\\', byte});
        break;
      case '\n':
        out.append("\\n");
        break;
      case '\r':
        out.append("\\r");
        break;
      case '\t':
        out.append("\\t");
        break;
      case '\a':
        out.append("\\a");
        break;
      case '\b':
        out.append("\\b");
        break;
      default:
        if (byte >= ' ' && byte <= '~') {
          out.push_back(byte);
        } else {
          fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<uint8_t>(byte));
        }
    }
  }
  out.push_back('"');
  return out;
}

std::string monitor_line(uint64_t wall_us, std::string_view address, command::Args args) {
  std::string line =
      fmt::format("+{}.{:06} [0 {}]", wall_us / 1'000'000, wall_us % 1'000'000, address);
  for (std::string_view arg : args) line.append(" ").append(quoted(arg));
  line.append("\r\n");
  return line;
}

}  // namespace kvorum::server
