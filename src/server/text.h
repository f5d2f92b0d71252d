// Small things that local commands do with their arguments.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace kvorum::server {

inline std::string lower(std::string_view text) {
  std::string folded(text);
  std::ranges::transform(folded, folded.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return folded;
}

// ASCII letters of either case are the same.
inline bool same_word(std::string_view a, std::string_view b) {
  return a.size() == b.size() && lower(a) == lower(b);
}

}  // namespace kvorum::server
