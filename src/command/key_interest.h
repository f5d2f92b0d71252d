// KeyInterest: which keys' changes anybody on this node listens to, so that nobody has to be told
// of the others. A counting Bloom filter: it may say yes of a key that nobody listens to, but never
// no of one that somebody does. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace kvorum::command {

class KeyInterest {
 public:
  KeyInterest();

  void add_key(std::string_view key) { count_key(key, 1); }
  void remove_key(std::string_view key) { count_key(key, -1); }
  // Of all keys that a glob (base/glob.h) matches.
  void add_glob(std::string_view glob) { count_glob(glob, 1); }
  void remove_glob(std::string_view glob) { count_glob(glob, -1); }
  // Of every key.
  void add_all() { count_all(1); }
  void remove_all() { count_all(-1); }

  bool any() const { return listeners_.load() > 0; }
  bool has(std::string_view key) const;
  // Another one after each addition: who sees the same before and after some questions knows that
  // the answers count for everybody who listens now.
  uint64_t version() const { return version_.load(); }

 private:
  static constexpr size_t kPlaces = size_t{1} << 17;
  // Of longer literals at the beginning of a glob only so much counts.
  static constexpr size_t kPrefixMax = 63;

  using Count = std::atomic<int32_t>;

  // The two counts of a text; `seed` tells keys and prefixes of each length apart.
  std::array<Count*, 2> places_of(std::string_view text, size_t seed) const;
  bool counts(std::string_view text, size_t seed) const;
  void count(std::string_view text, size_t seed, int change);
  void count_key(std::string_view key, int change);
  void count_glob(std::string_view glob, int change);
  void count_prefix(std::string_view prefix, int change);
  void count_all(int change);
  void count_listener(int change);

  const std::unique_ptr<Count[]> places_;
  std::array<Count, kPrefixMax + 1> prefixes_{};  // by their length
  std::atomic<uint64_t> prefix_lengths_{0};       // bit n: some of length n were ever added
  Count keys_{0};
  Count all_{0};
  Count listeners_{0};
  std::atomic<uint64_t> version_{0};
};

}  // namespace kvorum::command
