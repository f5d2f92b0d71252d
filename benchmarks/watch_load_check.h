// DeliveryCheck: whether every watcher was given every change of what it watches, once and in
// order. Each value carries a Stamp. Changes of one source (a key, or a writer to the common
// prefix) are numbered without gaps in the order of their sending, and ids grow with every change
// that a watcher is given. Used by one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "benchmarks/watch_load_target.h"

namespace kvorum::benchmarks {

// What a value begins with.
struct Stamp {
  int64_t sent_ns = 0;  // on the steady clock
  uint32_t source = 0;
  uint32_t number = 0;  // of the source, from 0
  uint32_t slot = 0;    // of the write, while it is under way
  uint32_t unused = 0;

  // Of `bytes` bytes, at least as many as a stamp has. Valid until the next call with this buffer.
  std::string_view write(std::string& buffer, size_t bytes) const;
  static Stamp read(std::string_view value);
};

class DeliveryCheck {
 public:
  // `sources`: how many a watcher sees. With `numbered` their numbers have to come in order, too.
  DeliveryCheck(size_t watchers, size_t sources, bool numbered);

  // The number of the next change of this source.
  uint32_t send(uint32_t source) { return sent_[source]++; }
  // Whether the watcher was to be given this change now; `source` among those it sees.
  bool deliver(size_t watcher, size_t source, ChangeId id, uint32_t number);

  uint64_t delivered() const { return delivered_; }
  uint64_t out_of_order() const { return out_of_order_; }

 private:
  const size_t sources_;
  const bool numbered_;
  std::vector<uint32_t> sent_;  // by source
  std::vector<uint32_t> next_;  // by watcher and source
  std::vector<ChangeId> last_;  // by watcher
  uint64_t delivered_ = 0;
  uint64_t out_of_order_ = 0;
};

}  // namespace kvorum::benchmarks
