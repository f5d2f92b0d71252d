#include <algorithm>
#include <string>

#include "command/strings.h"

namespace kvorum::command::strings {

using storage::Record;

namespace {

std::optional<int64_t> parse_offset(std::string_view text, ReplyWriter& reply) {
  std::optional<int64_t> offset = parse_integer(text, reply);
  if (!offset || *offset >= 0) return offset;
  reply.error("ERR offset is out of range");
  return std::nullopt;
}

// Copies the value, which lives in the store only until the next call, and lets it grow.
std::string copy_of(const std::optional<Record>& record, size_t size) {
  std::string value;
  value.reserve(size);
  if (record) value.assign(record->value);
  return value;
}

void put_back(Keyspace& keys, std::string_view key, const std::optional<Record>& record,
              std::string_view value, EventKind event) {
  const Keyspace::Old old = record ? Keyspace::Old(record->header) : std::nullopt;
  keys.put(key, old, value, {.deadline = old ? old->deadline : 0, .event = event});
}

}  // namespace

void append(Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::optional<Record> record = keys.open(args[1]);
  if (!is_string(record, reply)) return;
  const size_t size = (record ? record->value.size() : 0) + args[2].size();
  if (size > keys.value_bytes_max()) return reply.error(errors::kTooLong);
  std::string value = copy_of(record, size);
  value.append(args[2]);
  put_back(keys, args[1], record, value, events::kAppend);
  reply.integer(static_cast<int64_t>(size));
}

void strlen(Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::optional<Record> record = keys.find(args[1]);
  if (!is_string(record, reply)) return;
  reply.integer(record ? static_cast<int64_t>(record->value.size()) : 0);
}

void getrange(Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::optional<int64_t> from = parse_integer(args[2], reply);
  if (!from) return;
  const std::optional<int64_t> to = parse_integer(args[3], reply);
  if (!to) return;
  const std::optional<Record> record = keys.find(args[1]);
  if (!is_string(record, reply)) return;
  const auto size = record ? static_cast<int64_t>(record->value.size()) : 0;
  // Both from the end and crossed: empty, though clamping would give the first byte.
  if (size == 0 || (*from < 0 && *to < 0 && *from > *to)) return reply.bulk({});
  const int64_t first = std::max<int64_t>(*from < 0 ? size + *from : *from, 0);
  const int64_t last = std::min(std::max<int64_t>(*to < 0 ? size + *to : *to, 0), size - 1);
  if (first > last) return reply.bulk({});
  reply.bulk(
      record->value.substr(static_cast<size_t>(first), static_cast<size_t>(last - first + 1)));
}

bool check_setrange(Args args, ReplyWriter& reply) {
  return parse_offset(args[2], reply).has_value();
}

void setrange(Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::optional<int64_t> parsed = parse_offset(args[2], reply);
  if (!parsed) return;
  const auto offset = static_cast<uint64_t>(*parsed);
  const std::string_view part = args[3];
  const std::optional<Record> record = keys.open(args[1]);
  if (!is_string(record, reply)) return;
  const size_t old_size = record ? record->value.size() : 0;
  if (part.empty()) return reply.integer(static_cast<int64_t>(old_size));
  // Below 2^64: the offset is below 2^63 and an argument is far shorter.
  const uint64_t end = offset + part.size();
  if (end > keys.value_bytes_max()) return reply.error(errors::kTooLong);
  const size_t size = std::max<size_t>(old_size, end);
  std::string value = copy_of(record, size);
  value.resize(size, '\0');
  value.replace(offset, part.size(), part);
  put_back(keys, args[1], record, value, events::kSetRange);
  reply.integer(static_cast<int64_t>(size));
}

}  // namespace kvorum::command::strings
