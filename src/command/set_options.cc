#include "command/set_options.h"

namespace kvorum::command {

namespace {

// EX, PX, EXAT and PXAT: true if `word` is one of them.
bool parse_time_option(std::string_view word, SetOptions& options) {
  struct Row {
    std::string_view word;
    TimeUnit unit;
    TimeBase base;
  };
  static constexpr Row kRows[] = {
      {"ex", TimeUnit::kSeconds, TimeBase::kNow},
      {"px", TimeUnit::kMilliseconds, TimeBase::kNow},
      {"exat", TimeUnit::kSeconds, TimeBase::kEpoch},
      {"pxat", TimeUnit::kMilliseconds, TimeBase::kEpoch},
  };
  for (const Row& row : kRows) {
    if (!is_word(word, row.word)) continue;
    // The same option may come twice, another one may not.
    if (options.has_time && (options.unit != row.unit || options.base != row.base)) return false;
    options.has_time = true;
    options.unit = row.unit;
    options.base = row.base;
    return true;
  }
  return false;
}

bool parse_condition(std::string_view word, SetOptions& options) {
  SetCondition condition;
  if (is_word(word, "nx")) {
    condition = SetCondition::kIfAbsent;
  } else if (is_word(word, "xx")) {
    condition = SetCondition::kIfPresent;
  } else if (is_word(word, "ifeq")) {
    condition = SetCondition::kIfEqual;
  } else {
    return false;
  }
  const bool again = options.condition == condition && condition != SetCondition::kIfEqual;
  if (options.condition != SetCondition::kAlways && !again) return false;
  options.condition = condition;
  return true;
}

}  // namespace

std::optional<SetOptions> parse_set_options(Args args, size_t first, SetDialect dialect) {
  SetOptions options;
  const bool set = dialect == SetDialect::kSet;
  for (size_t i = first; i < args.size(); ++i) {
    const bool has_next = i + 1 < args.size();
    const bool time_is_free = !options.keep_deadline && !options.persist;
    if (set && parse_condition(args[i], options)) {
      if (options.condition != SetCondition::kIfEqual) continue;
      if (!has_next) return std::nullopt;
      options.compare = args[++i];
    } else if (set && is_word(args[i], "get")) {
      options.get = true;
    } else if (set && is_word(args[i], "keepttl") && !options.has_time) {
      options.keep_deadline = true;
    } else if (!set && is_word(args[i], "persist") && !options.has_time) {
      options.persist = true;
    } else if (time_is_free && has_next && parse_time_option(args[i], options)) {
      options.time = args[++i];
    } else {
      return std::nullopt;
    }
  }
  return options;
}

}  // namespace kvorum::command
