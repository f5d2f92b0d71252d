// Glob patterns as KEYS, SCAN MATCH, PSUBSCRIBE and CONFIG GET take them: `*` any bytes, `?` one
// byte,
// `[abc]` `[a-z]` `[^x]` one byte of (or not of) a set, `\x` the byte x. Bytes, not characters.
// Patterns come from clients: the time to match is bounded by pattern length times text length.
#pragma once

#include <string>
#include <string_view>

namespace kvorum {

// Whether all of `text` matches. `ignore_case` folds ASCII letters. Malformed patterns never fail:
// a set that is not closed ends with the pattern, a last `\` is itself. Empty text matches `*`, as
// it does for Redis' KEYS (its PSUBSCRIBE sees that differently).
bool glob_match(std::string_view pattern, std::string_view text, bool ignore_case = false);

// What a pattern starts with, so that a search can begin at the right place.
struct LiteralPrefix {
  enum class Rest {
    kNothing,  // the pattern is one literal: it matches exactly `text`
    kStar,     // only `*` follows: it matches whatever starts with `text`
    kPattern,  // something else follows: whatever matches starts with `text`
  };
  std::string text;  // escapes removed
  Rest rest = Rest::kNothing;

  bool is_literal() const { return rest == Rest::kNothing; }
  bool is_prefix() const { return rest == Rest::kStar; }
};

LiteralPrefix literal_prefix(std::string_view pattern);

}  // namespace kvorum
