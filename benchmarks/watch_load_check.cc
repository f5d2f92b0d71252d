#include "benchmarks/watch_load_check.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace kvorum::benchmarks {

std::string_view Stamp::write(std::string& buffer, size_t bytes) const {
  buffer.resize(bytes, 'x');
  std::memcpy(buffer.data(), this, sizeof *this);
  return buffer;
}

Stamp Stamp::read(std::string_view value) {
  Stamp stamp;
  if (value.size() < sizeof stamp) die("an event with a value that nobody wrote: {:.60}", value);
  std::memcpy(&stamp, value.data(), sizeof stamp);
  return stamp;
}

DeliveryCheck::DeliveryCheck(size_t watchers, size_t sources, bool numbered)
    : sources_(sources),
      numbered_(numbered),
      sent_(std::max(watchers, sources)),
      next_(watchers * sources),
      last_(watchers) {}

bool DeliveryCheck::deliver(size_t watcher, size_t source, ChangeId id, uint32_t number) {
  CHECK(source < sources_, "a change of a source that the watcher does not watch");
  uint32_t& next = next_[watcher * sources_ + source];
  const bool in_order = id > last_[watcher] && (!numbered_ || number == next);
  if (!in_order) ++out_of_order_;
  if (id <= last_[watcher]) return false;  // given before, or too late
  last_[watcher] = id;
  next = number + 1;
  ++delivered_;
  return true;
}

}  // namespace kvorum::benchmarks
