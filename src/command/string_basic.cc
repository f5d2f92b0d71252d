#include <fmt/format.h>

#include "command/set_options.h"
#include "command/strings.h"

namespace kvorum::command::strings {

using storage::KeyHeader;
using storage::Record;

namespace {

void write_value(const std::optional<Record>& record, ReplyWriter& reply) {
  record ? reply.bulk(record->value) : reply.null();
}

Keyspace::Old header_of(const std::optional<Record>& record) {
  return record ? Keyspace::Old(record->header) : std::nullopt;
}

void put_string(Keyspace& keys, std::string_view key, const Keyspace::Old& old,
                std::string_view value) {
  keys.put(key, old, value, {.event = events::kSet});
}

// The key with an empty value, for those who want the header alone.
std::optional<Record> open_unread(Keyspace& keys, std::string_view key) {
  const std::optional<KeyHeader> header = keys.open_header(key);
  return header ? std::optional<Record>({*header, {}}) : std::nullopt;
}

bool allows(const SetOptions& options, const std::optional<Record>& old) {
  switch (options.condition) {
    case SetCondition::kAlways:
      return true;
    case SetCondition::kIfAbsent:
      return !old;
    case SetCondition::kIfPresent:
      return old.has_value();
    case SetCondition::kIfEqual:
      return old && old->value == options.compare;
  }
  return false;
}

// SET without options, which is nearly all there is.
void set_plain(Keyspace& keys, Args args, ReplyWriter& reply) {
  put_string(keys, args[1], keys.open_header(args[1]), args[2]);
  reply.ok();
}

void set_with_time(Keyspace& keys, Args args, TimeUnit unit, std::string_view name,
                   ReplyWriter& reply) {
  const auto deadline = parse_deadline(args[2], unit, TimeBase::kNow, keys.now(), name, reply);
  if (!deadline) return;
  keys.put(args[1], keys.open_header(args[1]), args[3],
           {.deadline = *deadline, .event = events::kSet, .announce_deadline = true});
  reply.ok();
}

bool check_pairs(Args args, std::string_view name, ReplyWriter& reply) {
  if (args.size() % 2 == 1) return true;
  reply.error(fmt::format("ERR wrong number of arguments for '{}' command", name));
  return false;
}

bool check_time(std::string_view text, TimeUnit unit, TimeBase base, std::string_view name,
                ReplyWriter& reply) {
  return parse_deadline(text, unit, base, 0, name, reply).has_value();
}

}  // namespace

void get(Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::optional<Record> record = keys.find(args[1]);
  if (is_string(record, reply)) write_value(record, reply);
}

bool check_set(Args args, ReplyWriter& reply) {
  if (args.size() == 3) return true;
  const std::optional<SetOptions> options = parse_set_options(args, 3, SetDialect::kSet);
  if (!options) {
    reply.error(errors::kSyntax);
    return false;
  }
  return !options->has_time ||
         check_time(options->time, options->unit, options->base, "set", reply);
}

void set(Keyspace& keys, Args args, ReplyWriter& reply) {
  if (args.size() == 3) return set_plain(keys, args, reply);
  const std::optional<SetOptions> options = parse_set_options(args, 3, SetDialect::kSet);
  if (!options) return reply.error(errors::kSyntax);
  UnixMillis deadline = 0;
  if (options->has_time) {
    const auto time =
        parse_deadline(options->time, options->unit, options->base, keys.now(), "set", reply);
    if (!time) return;
    deadline = *time;
  }
  // Only what looks into the old value pays for it, and minds its type.
  const bool reads_old = options->get || options->condition == SetCondition::kIfEqual;
  const std::optional<Record> old = reads_old ? keys.open(args[1]) : open_unread(keys, args[1]);
  if (reads_old && !is_string(old, reply)) return;
  const bool allowed = allows(*options, old);
  if (options->get) write_value(old, reply);
  if (allowed) {
    if (options->keep_deadline && old) deadline = old->header.deadline;
    keys.put(args[1], header_of(old), args[2],
             {.deadline = deadline, .event = events::kSet, .announce_deadline = options->has_time});
  }
  if (!options->get) allowed ? reply.ok() : reply.null();
}

void setnx(Keyspace& keys, Args args, ReplyWriter& reply) {
  if (keys.open_header(args[1])) return reply.integer(0);
  put_string(keys, args[1], std::nullopt, args[2]);
  reply.integer(1);
}

void setex(Keyspace& keys, Args args, ReplyWriter& reply) {
  set_with_time(keys, args, TimeUnit::kSeconds, "setex", reply);
}

bool check_setex(Args args, ReplyWriter& reply) {
  return check_time(args[2], TimeUnit::kSeconds, TimeBase::kNow, "setex", reply);
}

void psetex(Keyspace& keys, Args args, ReplyWriter& reply) {
  set_with_time(keys, args, TimeUnit::kMilliseconds, "psetex", reply);
}

bool check_psetex(Args args, ReplyWriter& reply) {
  return check_time(args[2], TimeUnit::kMilliseconds, TimeBase::kNow, "psetex", reply);
}

void getset(Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::optional<Record> old = keys.open(args[1]);
  if (!is_string(old, reply)) return;
  write_value(old, reply);
  put_string(keys, args[1], header_of(old), args[2]);
}

void getdel(Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::optional<Record> old = keys.open(args[1]);
  if (!is_string(old, reply)) return;
  write_value(old, reply);
  if (old) keys.remove(args[1], old->header, events::kDel);
}

// Only the grammar: of a key that does not exist, Redis does not mind the time.
bool check_getex(Args args, ReplyWriter& reply) {
  if (parse_set_options(args, 2, SetDialect::kGetEx)) return true;
  reply.error(errors::kSyntax);
  return false;
}

void getex(Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::optional<SetOptions> options = parse_set_options(args, 2, SetDialect::kGetEx);
  if (!options) return reply.error(errors::kSyntax);
  const std::optional<Record> record = keys.open(args[1]);
  if (!is_string(record, reply)) return;
  if (!record) return reply.null();
  UnixMillis deadline = 0;
  if (options->has_time) {
    const auto time =
        parse_deadline(options->time, options->unit, options->base, keys.now(), "getex", reply);
    if (!time) return;
    deadline = *time;
  }
  const KeyHeader old = record->header;
  reply.bulk(record->value);
  if (options->has_time && deadline <= keys.now()) {
    keys.remove(args[1], old, events::kDel);
  } else if (options->has_time) {
    keys.set_deadline(args[1], old, deadline, events::kExpire);
  } else if (options->persist && old.deadline != 0) {
    keys.set_deadline(args[1], old, 0, events::kPersist);
  }
}

void delifeq(Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::optional<Record> old = keys.open(args[1]);
  if (!is_string(old, reply)) return;
  if (!old || old->value != args[2]) return reply.integer(0);
  keys.remove(args[1], old->header, events::kDel);
  reply.integer(1);
}

void mget(Keyspace& keys, Args args, ReplyWriter& reply) {
  reply.array(args.size() - 1);
  for (std::string_view key : args.subspan(1)) {
    const std::optional<Record> record = keys.find(key);
    const bool string = record && record->header.type == storage::ValueType::kString;
    string ? reply.bulk(record->value) : reply.null();
  }
}

bool check_mset(Args args, ReplyWriter& reply) {
  return check_pairs(args, "mset", reply);
}

void mset(Keyspace& keys, Args args, ReplyWriter& reply) {
  if (!check_mset(args, reply)) return;
  for (size_t i = 1; i < args.size(); i += 2) {
    put_string(keys, args[i], keys.open_header(args[i]), args[i + 1]);
  }
  reply.ok();
}

bool check_msetnx(Args args, ReplyWriter& reply) {
  return check_pairs(args, "msetnx", reply);
}

void msetnx(Keyspace& keys, Args args, ReplyWriter& reply) {
  if (!check_msetnx(args, reply)) return;
  for (size_t i = 1; i < args.size(); i += 2) {
    if (keys.open_header(args[i])) return reply.integer(0);
  }
  for (size_t i = 1; i < args.size(); i += 2) {
    // A key may be named twice: the second time it is there.
    put_string(keys, args[i], keys.open_header(args[i]), args[i + 1]);
  }
  reply.integer(1);
}

}  // namespace kvorum::command::strings
