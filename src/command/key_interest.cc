#include "command/key_interest.h"

#include <bit>
#include <functional>

#include "base/glob.h"

namespace kvorum::command {

namespace {

constexpr size_t kKeySeed = 0;  // prefixes have their length, and one more

}  // namespace

KeyInterest::KeyInterest() : places_(std::make_unique<Count[]>(kPlaces)) {}

std::array<KeyInterest::Count*, 2> KeyInterest::places_of(std::string_view text,
                                                          size_t seed) const {
  // Multiplied by an odd number near 2^64 / phi, so that all bits of both count (Knuth, 6.4).
  const size_t hash = (std::hash<std::string_view>()(text) + seed) * 0x9e3779b97f4a7c15;
  constexpr int kBits = std::bit_width(kPlaces - 1);
  return {&places_[hash >> (64 - kBits)], &places_[(hash >> (64 - 2 * kBits)) % kPlaces]};
}

bool KeyInterest::counts(std::string_view text, size_t seed) const {
  const auto [first, second] = places_of(text, seed);
  return first->load(std::memory_order_relaxed) > 0 && second->load(std::memory_order_relaxed) > 0;
}

void KeyInterest::count(std::string_view text, size_t seed, int change) {
  for (Count* place : places_of(text, seed)) place->fetch_add(change);
}

void KeyInterest::count_key(std::string_view key, int change) {
  count(key, kKeySeed, change);
  keys_.fetch_add(change);
  count_listener(change);
}

void KeyInterest::count_glob(std::string_view glob, int change) {
  const LiteralPrefix prefix = literal_prefix(glob);
  if (prefix.is_literal()) return count_key(prefix.text, change);
  if (prefix.text.empty()) return count_all(change);
  count_prefix(std::string_view(prefix.text).substr(0, kPrefixMax), change);
}

void KeyInterest::count_prefix(std::string_view prefix, int change) {
  count(prefix, prefix.size() + 1, change);
  prefixes_[prefix.size()].fetch_add(change);
  prefix_lengths_.fetch_or(uint64_t{1} << prefix.size());
  count_listener(change);
}

void KeyInterest::count_all(int change) {
  all_.fetch_add(change);
  count_listener(change);
}

// Last, so that who sees the old version before it asks may have got the old answer.
void KeyInterest::count_listener(int change) {
  listeners_.fetch_add(change);
  if (change > 0) version_.fetch_add(1);
}

bool KeyInterest::has(std::string_view key) const {
  if (all_.load(std::memory_order_relaxed) > 0) return true;
  if (keys_.load(std::memory_order_relaxed) > 0 && counts(key, kKeySeed)) return true;
  uint64_t lengths = prefix_lengths_.load(std::memory_order_relaxed);
  for (; lengths != 0; lengths &= lengths - 1) {
    const auto length = static_cast<size_t>(std::countr_zero(lengths));
    if (length > key.size()) return false;
    if (prefixes_[length].load(std::memory_order_relaxed) == 0) continue;
    if (counts(key.substr(0, length), length + 1)) return true;
  }
  return false;
}

}  // namespace kvorum::command
