// The data of a kCommands log entry: a batch of commands. Built by those who propose, read by the
// executor. Its format is a grammar below; a reader never trusts a count it has not the bytes for.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/event_id.h"
#include "command/spec.h"
#include "raft/types.h"

namespace kvorum::command {

//   batch       = limit:varint count:varint item* identity?
//   limit       = value_bytes_max * 2, plus 1 when an identity follows the items
//   identity    = node:u64 session:u64 sequence:u64, little-endian
//   item        = kind:u8 body
//   kind 0      command:      argc:varint (length:varint bytes)*
//   kind 1      transaction:  watches:varint (key revision:varint change:varint)*
//                             commands:varint command*
//   kind 2      expire due:   most:varint      removes up to `most` keys due at the entry's stamp,
//                                              and as many rows of the history
//   kind 3      check:        nothing          changes nothing: all nodes compare their state here
//   kind 4      history policy: max_bytes:varint max_age_ms:varint    from here on
//
// value_bytes_max is how long a value may become by growing (APPEND, SETRANGE). It travels with the
// entry because a node's own configuration must not decide what a command does.

inline constexpr uint64_t kValueBytesMaxDefault = 8 << 20;

// A key watched by a transaction: it runs only if the key's last change is still `modified`
// (absent: {0,0}). A due key counts as absent.
struct Watched {
  std::string key;
  EventId modified;
};

// Who proposed a batch, and which of its proposals it is. The state machine executes a proposer's
// batches in the order of their sequence, each once, however often they come into the log: in a
// session the first has sequence 1, each further one the next; one of an older session than the
// newest seen is never executed. So a batch whose fate is unknown may be proposed again.
struct BatchIdentity {
  raft::NodeId node;
  uint64_t session = 0;  // grows with every session of the node
  uint64_t sequence = 0;
  bool operator==(const BatchIdentity&) const = default;
};

// Gives a batch that has none its identity.
void identify(std::string& data, const BatchIdentity& identity);
// Takes it away again.
void take_identity(std::string& data);
// Nothing when the batch has none (or is no batch).
std::optional<BatchIdentity> identity_of(std::string_view data);

class BatchBuilder {
 public:
  explicit BatchBuilder(uint64_t value_bytes_max = kValueBytesMaxDefault)
      : value_bytes_max_(value_bytes_max) {}

  void set_value_bytes_max(uint64_t value_bytes_max) { value_bytes_max_ = value_bytes_max; }
  void add(Args args);
  void add_transaction(std::span<const Watched> watches,
                       std::span<const std::vector<std::string>> commands);
  void add_expire_due(uint64_t most);
  // The only item of its batch.
  void add_check();
  // See storage::HistoryState.
  void add_history_policy(uint64_t max_bytes, uint64_t max_age_ms);

  size_t items() const { return items_; }
  size_t bytes() const { return body_.size(); }
  bool empty() const { return items_ == 0; }
  // The entry's data; the builder is empty again.
  std::string take();

 private:
  uint64_t value_bytes_max_;
  std::string body_;
  size_t items_ = 0;
};

struct BatchCommand {
  std::vector<std::string_view> args;
};
struct BatchTransaction {
  std::vector<std::pair<std::string_view, EventId>> watches;
  std::vector<std::vector<std::string_view>> commands;
};
struct BatchCheck {};
struct BatchExpireDue {
  uint64_t most = 0;
};
struct BatchHistoryPolicy {
  uint64_t max_bytes = 0;
  uint64_t max_age_ms = 0;
};
using BatchItem =
    std::variant<BatchCommand, BatchTransaction, BatchExpireDue, BatchCheck, BatchHistoryPolicy>;

// Whether a batch is a check.
bool is_check(std::string_view data);

// Walks an entry's data without copying: what it gives points into `data`. The plain command, by
// far the most common item, is read into the vector that `item` already has.
class BatchReader {
 public:
  explicit BatchReader(std::string_view data);
  uint64_t value_bytes_max() const { return value_bytes_max_; }
  uint64_t items() const { return items_; }
  // False at the end, or when the data is malformed (then ok() is false).
  bool next(BatchItem& item);
  bool ok() const { return ok_; }

 private:
  bool read_args(std::vector<std::string_view>& args);
  bool read_transaction(BatchTransaction& transaction);
  bool fits(uint64_t count) const { return count <= reader_.rest().size(); }

  ByteReader reader_;
  uint64_t value_bytes_max_ = 0;
  bool identified_ = false;
  uint64_t items_ = 0;
  uint64_t left_ = 0;
  bool ok_ = true;
};

}  // namespace kvorum::command
