#include "command/batch.h"

#include <limits>

#include "base/check.h"

namespace kvorum::command {

namespace {

constexpr uint8_t kKindCommand = 0;
constexpr uint8_t kKindTransaction = 1;
constexpr uint8_t kKindExpireDue = 2;
constexpr uint8_t kKindCheck = 3;
constexpr uint8_t kKindHistoryPolicy = 4;

constexpr size_t kIdentityBytes = size_t{3} * 8;

template <class Strings>
void write_args(ByteWriter& writer, const Strings& args) {
  writer.varint(args.size());
  for (const auto& arg : args) writer.string(arg);
}

}  // namespace

void identify(std::string& data, const BatchIdentity& identity) {
  CHECK(!data.empty() && (data[0] & 1) == 0, "a batch gets one identity");
  data[0] = static_cast<char>(data[0] | 1);
  char bytes[kIdentityBytes];
  put_u64_le(bytes, identity.node.value());
  put_u64_le(bytes + 8, identity.session);
  put_u64_le(bytes + 16, identity.sequence);
  data.append(bytes, sizeof(bytes));
}

void take_identity(std::string& data) {
  CHECK(data.size() > kIdentityBytes && (data[0] & 1) == 1);
  data[0] = static_cast<char>(data[0] & ~1);
  data.resize(data.size() - kIdentityBytes);
}

std::optional<BatchIdentity> identity_of(std::string_view data) {
  if (data.size() <= kIdentityBytes || (data[0] & 1) == 0) return std::nullopt;
  const char* bytes = data.data() + data.size() - kIdentityBytes;
  return BatchIdentity{raft::NodeId(get_u64_le(bytes)), get_u64_le(bytes + 8),
                       get_u64_le(bytes + 16)};
}

void BatchBuilder::add(Args args) {
  ByteWriter writer(body_);
  writer.u8(kKindCommand);
  write_args(writer, args);
  ++items_;
}

void BatchBuilder::add_transaction(std::span<const Watched> watches,
                                   std::span<const std::vector<std::string>> commands) {
  ByteWriter writer(body_);
  writer.u8(kKindTransaction);
  writer.varint(watches.size());
  for (const Watched& watched : watches) {
    writer.string(watched.key);
    writer.varint(watched.modified.revision);
    writer.varint(watched.modified.change);
  }
  writer.varint(commands.size());
  for (const std::vector<std::string>& args : commands) write_args(writer, args);
  ++items_;
}

void BatchBuilder::add_expire_due(uint64_t most) {
  ByteWriter writer(body_);
  writer.u8(kKindExpireDue);
  writer.varint(most);
  ++items_;
}

void BatchBuilder::add_check() {
  ByteWriter(body_).u8(kKindCheck);
  ++items_;
}

void BatchBuilder::add_history_policy(uint64_t max_bytes, uint64_t max_age_ms) {
  ByteWriter writer(body_);
  writer.u8(kKindHistoryPolicy);
  writer.varint(max_bytes);
  writer.varint(max_age_ms);
  ++items_;
}

bool is_check(std::string_view data) {
  ByteReader reader(data);
  reader.varint();
  return reader.varint() == 1 && reader.u8() == kKindCheck && reader.ok();
}

std::string BatchBuilder::take() {
  std::string data;
  data.reserve(body_.size() + 20 + kIdentityBytes);
  ByteWriter writer(data);
  writer.varint(value_bytes_max_ * 2);
  writer.varint(items_);
  writer.raw(body_);
  body_.clear();
  items_ = 0;
  return data;
}

BatchReader::BatchReader(std::string_view data) : reader_(data) {
  const uint64_t limit = reader_.varint();
  value_bytes_max_ = limit / 2;
  identified_ = (limit & 1) != 0;
  items_ = reader_.varint();
  left_ = items_;
  ok_ = reader_.ok();
}

bool BatchReader::next(BatchItem& item) {
  if (!ok_) return false;
  if (left_ == 0) {
    ok_ = reader_.ok() && reader_.rest().size() == (identified_ ? kIdentityBytes : 0);
    return false;
  }
  --left_;
  switch (reader_.u8()) {
    case kKindCommand: {
      auto* command = std::get_if<BatchCommand>(&item);
      if (command == nullptr) command = &item.emplace<BatchCommand>();
      ok_ = read_args(command->args);
      break;
    }
    case kKindTransaction:
      ok_ = read_transaction(item.emplace<BatchTransaction>());
      break;
    case kKindExpireDue:
      item.emplace<BatchExpireDue>().most = reader_.varint();
      ok_ = reader_.ok();
      break;
    case kKindCheck:
      item.emplace<BatchCheck>();
      ok_ = reader_.ok();
      break;
    case kKindHistoryPolicy: {
      auto& policy = item.emplace<BatchHistoryPolicy>();
      policy.max_bytes = reader_.varint();
      policy.max_age_ms = reader_.varint();
      ok_ = reader_.ok();
      break;
    }
    default:
      ok_ = false;
  }
  return ok_;
}

bool BatchReader::read_args(std::vector<std::string_view>& args) {
  args.clear();
  const uint64_t count = reader_.varint();
  if (count == 0 || !fits(count)) return false;
  for (uint64_t i = 0; i < count; ++i) args.push_back(reader_.string());
  return reader_.ok();
}

bool BatchReader::read_transaction(BatchTransaction& transaction) {
  const uint64_t watches = reader_.varint();
  if (!fits(watches)) return false;
  for (uint64_t i = 0; i < watches; ++i) {
    std::string_view key = reader_.string();
    EventId modified;
    modified.revision = reader_.varint();
    const uint64_t change = reader_.varint();
    if (!reader_.ok() || change > std::numeric_limits<uint32_t>::max()) return false;
    modified.change = static_cast<uint32_t>(change);
    transaction.watches.emplace_back(key, modified);
  }
  const uint64_t commands = reader_.varint();
  if (!fits(commands)) return false;
  for (uint64_t i = 0; i < commands; ++i) {
    if (!read_args(transaction.commands.emplace_back())) return false;
  }
  return reader_.ok();
}

}  // namespace kvorum::command
