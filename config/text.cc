#include "config/text.h"

#include <algorithm>

namespace kvorum::config {

std::string to_lower(std::string_view text) {
  std::string lower(text);
  for (char& byte : lower) {
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte + 32);
  }
  return lower;
}

// Optimal string alignment: three rows of the usual table.
size_t edit_distance(std::string_view left, std::string_view right) {
  std::vector<size_t> before(right.size() + 1);
  std::vector<size_t> above(right.size() + 1);
  std::vector<size_t> row(right.size() + 1);
  for (size_t j = 0; j <= right.size(); ++j) above[j] = j;
  for (size_t i = 1; i <= left.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= right.size(); ++j) {
      const size_t replace = above[j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, replace});
      if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(above);
    above.swap(row);
  }
  return above[right.size()];
}

std::string nearest(std::string_view name, const std::vector<std::string>& candidates) {
  // Longer ones are no misspelling, and the table of distances is quadratic.
  constexpr size_t kNameBytesMax = 100;
  if (name.empty() || name.size() > kNameBytesMax) return {};
  const std::string wanted = to_lower(name);
  std::string best;
  size_t best_distance = wanted.size() / 3 + 2;
  for (const std::string& candidate : candidates) {
    size_t distance = edit_distance(wanted, to_lower(candidate));
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = candidate;
  }
  return best;
}

std::string suggestion(std::string_view name, const std::vector<std::string>& candidates) {
  std::string near = nearest(name, candidates);
  return near.empty() ? std::string() : "; did you mean '" + near + "'?";
}

}  // namespace kvorum::config
