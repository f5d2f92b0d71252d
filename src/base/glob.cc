#include "base/glob.h"

#include <cstdint>
#include <utility>

namespace kvorum {

namespace {

uint8_t byte_at(std::string_view text, size_t at) {
  return static_cast<uint8_t>(text[at]);
}

uint8_t fold(uint8_t byte, bool ignore_case) {
  return ignore_case && byte >= 'A' && byte <= 'Z' ? static_cast<uint8_t>(byte + 32) : byte;
}

// Matches one byte against the set that begins behind its `[` at `at`, and moves `at` behind its
// end.
bool match_set(std::string_view pattern, size_t& at, uint8_t byte, bool ignore_case) {
  const bool negated = at < pattern.size() && pattern[at] == '^';
  if (negated) ++at;
  const uint8_t folded = fold(byte, ignore_case);
  bool found = false;
  while (at < pattern.size() && pattern[at] != ']') {
    if (pattern[at] == '\\' && at + 1 < pattern.size()) {
      found |= byte_at(pattern, at + 1) == byte;
      at += 2;
    } else if (at + 2 < pattern.size() && pattern[at + 1] == '-') {
      uint8_t low = byte_at(pattern, at);
      uint8_t high = byte_at(pattern, at + 2);
      if (low > high) std::swap(low, high);
      found |= fold(low, ignore_case) <= folded && folded <= fold(high, ignore_case);
      at += 3;
    } else {
      found |= fold(byte_at(pattern, at), ignore_case) == folded;
      ++at;
    }
  }
  if (at < pattern.size()) ++at;
  return found != negated;
}

// Matches one byte against the element at `at`, which is not a `*`, and moves `at` behind it.
bool match_element(std::string_view pattern, size_t& at, uint8_t byte, bool ignore_case) {
  if (pattern[at] == '?') {
    ++at;
    return true;
  }
  if (pattern[at] == '[') return match_set(pattern, ++at, byte, ignore_case);
  if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
  return fold(byte_at(pattern, at++), ignore_case) == fold(byte, ignore_case);
}

}  // namespace

// Every element but `*` takes exactly one byte, so when a match fails it is enough to let the last
// `*` take one byte more: an earlier one could only leave less text for the same rest.
bool glob_match(std::string_view pattern, std::string_view text, bool ignore_case) {
  constexpr size_t kNone = std::string_view::npos;
  size_t in_pattern = 0;
  size_t in_text = 0;
  size_t behind_star = kNone;
  size_t star_text = 0;
  while (in_text < text.size()) {
    if (in_pattern < pattern.size() && pattern[in_pattern] == '*') {
      behind_star = ++in_pattern;
      star_text = in_text;
      if (behind_star == pattern.size()) return true;
      continue;
    }
    if (in_pattern < pattern.size() &&
        match_element(pattern, in_pattern, byte_at(text, in_text), ignore_case)) {
      ++in_text;
      continue;
    }
    if (behind_star == kNone) return false;
    in_pattern = behind_star;
    in_text = ++star_text;
  }
  while (in_pattern < pattern.size() && pattern[in_pattern] == '*') ++in_pattern;
  return in_pattern == pattern.size();
}

LiteralPrefix literal_prefix(std::string_view pattern) {
  LiteralPrefix prefix;
  size_t at = 0;
  for (; at < pattern.size(); ++at) {
    char byte = pattern[at];
    if (byte == '*' || byte == '?' || byte == '[') break;
    if (byte == '\\' && at + 1 < pattern.size()) byte = pattern[++at];
    prefix.text.push_back(byte);
  }
  std::string_view rest = pattern.substr(at);
  if (rest.empty()) {
    prefix.rest = LiteralPrefix::Rest::kNothing;
  } else if (rest.find_first_not_of('*') == std::string_view::npos) {
    prefix.rest = LiteralPrefix::Rest::kStar;
  } else {
    prefix.rest = LiteralPrefix::Rest::kPattern;
  }
  return prefix;
}

}  // namespace kvorum
