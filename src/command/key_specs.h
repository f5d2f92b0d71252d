// Which arguments of a command are keys and what it does to them, in the words of COMMAND INFO.
#pragma once

#include <string_view>
#include <vector>

#include "command/spec.h"

namespace kvorum::command {

// "a b c" as its words.
std::vector<std::string_view> split_words(std::string_view text);

struct KeySpec {
  std::string_view flags;  // "RW access update"
  int first = 0;
  int last = 0;  // counted from `first`; below zero from the end
  int step = 1;
  // Not empty: `first` is where this word is looked for, and the keys follow it.
  std::string_view keyword = {};
  int limit = 0;  // of what is left after it, one part in so many are keys; 0: all are
};

// In the order of arguments; from CommandSpec::keys and ::key_flags.
std::vector<KeySpec> key_specs_of(const CommandSpec& spec);

}  // namespace kvorum::command
