// Small helpers on names: lower case, and the nearest name to a misspelt one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kvorum::config {

// ASCII letters only.
std::string to_lower(std::string_view text);

// How many letters to insert, remove, replace or swap with a neighbour to make one into the other.
size_t edit_distance(std::string_view left, std::string_view right);

// The candidate nearest to `name`, or empty when none is near enough to be what was meant.
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);

// "; did you mean 'x'?", or nothing.
std::string suggestion(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace kvorum::config
