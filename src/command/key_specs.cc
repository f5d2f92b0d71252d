#include "command/key_specs.h"

#include <algorithm>
#include <charconv>

namespace kvorum::command {

namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t size = std::min(text.find(separator), text.size());
    if (size > 0) parts.push_back(text.substr(0, size));
    text.remove_prefix(std::min(size + 1, text.size()));
  }
  return parts;
}

// A row that does not say what it does to its keys may do anything that its flags allow.
std::string_view default_flags(const CommandSpec& spec) {
  return (spec.flags & kFlagWrite) != 0 ? "RW access update" : "RO access";
}

}  // namespace

std::vector<std::string_view> split_words(std::string_view text) {
  return split(text, ' ');
}

std::vector<KeySpec> key_specs_of(const CommandSpec& spec) {
  std::vector<KeySpec> specs;
  if (!spec.key_keyword.empty()) {
    specs.push_back({spec.key_flags, 1, -1, 1, spec.key_keyword, 2});
    return specs;
  }
  if (spec.keys.first == 0) return specs;
  const std::string_view flags = spec.key_flags.empty() ? default_flags(spec) : spec.key_flags;
  if (flags.find('@') == std::string_view::npos) {
    const int last = spec.keys.last < 0 ? spec.keys.last : spec.keys.last - spec.keys.first;
    specs.push_back({flags, spec.keys.first, last, spec.keys.step});
    return specs;
  }
  for (std::string_view part : split(flags, ';')) {
    const size_t at = part.find('@');
    KeySpec key{part.substr(0, at)};
    if (at != std::string_view::npos) {
      std::from_chars(part.data() + at + 1, part.data() + part.size(), key.first);
    }
    specs.push_back(key);
  }
  return specs;
}

}  // namespace kvorum::command
