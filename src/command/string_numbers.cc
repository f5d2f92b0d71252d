#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "command/strings.h"

namespace kvorum::command::strings {

using storage::Record;

namespace {

// The string keeps its deadline: it is changed, not set.
void put_number(Keyspace& keys, std::string_view key, const Keyspace::Old& old,
                std::string_view value, EventKind event) {
  keys.put(key, old, value, {.deadline = old ? old->deadline : 0, .event = event});
}

void add_integer(Keyspace& keys, std::string_view key, int64_t increment, ReplyWriter& reply) {
  const std::optional<Record> record = keys.open(key);
  if (!is_string(record, reply)) return;
  const std::optional<int64_t> value = record ? parse_integer(record->value, reply) : 0;
  if (!value) return;
  int64_t sum = 0;
  if (__builtin_add_overflow(*value, increment, &sum)) {
    return reply.error("ERR increment or decrement would overflow");
  }
  const Keyspace::Old old = record ? Keyspace::Old(record->header) : std::nullopt;
  const fmt::format_int text(sum);
  put_number(keys, key, old, {text.data(), text.size()}, events::kIncrBy);
  reply.integer(sum);
}

std::optional<int64_t> parse_decrement(std::string_view text, ReplyWriter& reply) {
  std::optional<int64_t> decrement = parse_integer(text, reply);
  if (decrement != std::numeric_limits<int64_t>::min()) return decrement;
  reply.error("ERR decrement would overflow");
  return std::nullopt;
}

}  // namespace

void incr(Keyspace& keys, Args args, ReplyWriter& reply) {
  add_integer(keys, args[1], 1, reply);
}

void decr(Keyspace& keys, Args args, ReplyWriter& reply) {
  add_integer(keys, args[1], -1, reply);
}

bool check_incrby(Args args, ReplyWriter& reply) {
  return parse_integer(args[2], reply).has_value();
}

void incrby(Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::optional<int64_t> increment = parse_integer(args[2], reply);
  if (increment) add_integer(keys, args[1], *increment, reply);
}

bool check_decrby(Args args, ReplyWriter& reply) {
  return parse_decrement(args[2], reply).has_value();
}

void decrby(Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::optional<int64_t> decrement = parse_decrement(args[2], reply);
  if (decrement) add_integer(keys, args[1], -*decrement, reply);
}

bool check_incrbyfloat(Args args, ReplyWriter& reply) {
  if (parse_real(args[2])) return true;
  reply.error(errors::kNotFloat);
  return false;
}

void incrbyfloat(Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::optional<Record> record = keys.open(args[1]);
  if (!is_string(record, reply)) return;
  const std::optional<long double> value = record ? parse_real(record->value) : 0.0L;
  const std::optional<long double> increment = parse_real(args[2]);
  if (!value || !increment) return reply.error(errors::kNotFloat);
  const long double sum = *value + *increment;
  if (std::isnan(sum) || std::isinf(sum)) {
    return reply.error("ERR increment would produce NaN or Infinity");
  }
  const Keyspace::Old old = record ? Keyspace::Old(record->header) : std::nullopt;
  const std::string text = format_real(sum);
  put_number(keys, args[1], old, text, events::kIncrByFloat);
  reply.bulk(text);
}

}  // namespace kvorum::command::strings
