// The options of SET and GETEX, which share a grammar.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "command/parse.h"
#include "command/spec.h"

namespace kvorum::command {

enum class SetCondition : uint8_t { kAlways, kIfAbsent, kIfPresent, kIfEqual };

struct SetOptions {
  SetCondition condition = SetCondition::kAlways;
  std::string_view compare;  // for kIfEqual
  bool get = false;
  bool keep_deadline = false;
  bool persist = false;
  bool has_time = false;
  std::string_view time;
  TimeUnit unit = TimeUnit::kSeconds;
  TimeBase base = TimeBase::kNow;
};

enum class SetDialect : uint8_t { kSet, kGetEx };

// Parses args[first…]. Nothing for a syntax error; no reply is written.
std::optional<SetOptions> parse_set_options(Args args, size_t first, SetDialect dialect);

}  // namespace kvorum::command
