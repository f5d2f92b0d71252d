#include "server/state_hash.h"

#include <fmt/format.h>

#include <string_view>

#include "base/crc32c.h"
#include "base/splitmix64.h"

namespace kvorum::server {

namespace {

// Two numbers of 32 bits for each record, chained through a mix of 64.
class Hash {
 public:
  void add(std::string_view bytes) { mix(bytes.size() << 32 | crc32c(bytes)); }
  void add(EventId id) {
    mix(id.revision);
    mix(id.change);
  }
  void mix(uint64_t number) {
    state_ ^= number;
    value_ = splitmix64(state_) + value_ * 31;
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t state_ = 0;
  uint64_t value_ = 0;
};

}  // namespace

uint64_t state_hash(storage::View& view) {
  Hash hash;
  view.for_each("", [&](std::string_view key, const storage::Record& record) {
    hash.add(key);
    hash.add(record.value);
    const storage::KeyHeader& header = record.header;
    hash.mix(static_cast<uint64_t>(header.type));
    hash.add(header.modified);
    hash.add(header.created);
    hash.mix(header.deadline);
    return true;
  });
  view.for_each_history({}, [&](EventId first, std::string_view row) {
    hash.add(first);
    hash.add(row);
    return true;
  });
  const storage::AppliedState& state = view.applied_state();
  const storage::HistoryState& history = state.history;
  for (uint64_t number : {state.applied.term.value(), state.applied.index.value(), state.stamp,
                          state.revision, state.key_count, state.expiring_count, history.max_bytes,
                          history.max_age_ms, history.bytes, history.oldest_stamp}) {
    hash.mix(number);
  }
  for (EventId id : {history.floor, history.last, history.oldest}) hash.add(id);
  hash.add(raft::encode(state.configuration));
  for (const storage::Proposer& proposer : state.proposers) {
    for (uint64_t number :
         {proposer.node.value(), proposer.session, proposer.sequence, proposer.index.value()}) {
      hash.mix(number);
    }
  }
  return hash.value();
}

}  // namespace kvorum::server
