// The data of a kCommands log entry: a batch of commands.
//
//   batch       = count:varint item*
//   item        = kind:u8 body
//   kind 0      command:      argc:varint (length:varint bytes)*
//   kind 1      transaction:  watches:varint (key revision:varint change:varint)*
//                             commands:varint command*
//   kind 2      expire due:   most:varint      removes up to `most` keys due at the entry's stamp
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/event_id.h"
#include "command/spec.h"

namespace kvorum::command {

// A key watched by a transaction: it runs only if the key's last change is still `modified` (absent:
// {0,0}). A due key counts as absent.
struct Watched {
  std::string key;
  EventId modified;
};

class BatchBuilder {
 public:
  void add(Args args);
  void add_transaction(std::span<const Watched> watches,
                       std::span<const std::vector<std::string>> commands);
  void add_expire_due(uint64_t most);

  size_t items() const { return items_; }
  size_t bytes() const { return body_.size(); }
  bool empty() const { return items_ == 0; }
  // The entry's data; the builder is empty again.
  std::string take();

 private:
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
struct BatchExpireDue {
  uint64_t most = 0;
};
using BatchItem = std::variant<BatchCommand, BatchTransaction, BatchExpireDue>;

// Walks an entry's data without copying. The plain command, by far the most common item, is read
// into `args` that the caller reuses.
class BatchReader {
 public:
  explicit BatchReader(std::string_view data);
  // False at the end, or when the data is malformed (then ok() is false).
  bool next(BatchItem& item);
  bool ok() const;
};

}  // namespace kvorum::command
