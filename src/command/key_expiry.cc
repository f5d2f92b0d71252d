#include <fmt/format.h>

#include "command/keys.h"

namespace kvorum::command::keys_family {

using storage::KeyHeader;

namespace {

// One of the four EXPIRE commands.
struct ExpireCommand {
  std::string_view name;
  TimeUnit unit;
  TimeBase base;
};
constexpr ExpireCommand kExpire{"expire", TimeUnit::kSeconds, TimeBase::kNow};
constexpr ExpireCommand kPexpire{"pexpire", TimeUnit::kMilliseconds, TimeBase::kNow};
constexpr ExpireCommand kExpireAt{"expireat", TimeUnit::kSeconds, TimeBase::kEpoch};
constexpr ExpireCommand kPexpireAt{"pexpireat", TimeUnit::kMilliseconds, TimeBase::kEpoch};

struct ExpireOptions {
  bool if_none = false;     // NX
  bool if_some = false;     // XX
  bool if_greater = false;  // GT
  bool if_less = false;     // LT
};

std::optional<ExpireOptions> parse_expire_options(Args args, ReplyWriter& reply) {
  ExpireOptions options;
  for (std::string_view arg : args.subspan(3)) {
    if (is_word(arg, "nx")) {
      options.if_none = true;
    } else if (is_word(arg, "xx")) {
      options.if_some = true;
    } else if (is_word(arg, "gt")) {
      options.if_greater = true;
    } else if (is_word(arg, "lt")) {
      options.if_less = true;
    } else {
      // Printed as a C string, and without the line ends that would close the reply.
      const std::string_view shown = arg.substr(0, arg.find('\0'));
      const size_t size = shown.find_last_not_of("\r\n") + 1;
      reply.error(fmt::format("ERR Unsupported option {}", shown.substr(0, size)));
      return std::nullopt;
    }
  }
  if (options.if_none && (options.if_some || options.if_greater || options.if_less)) {
    reply.error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return std::nullopt;
  }
  if (options.if_greater && options.if_less) {
    reply.error("ERR GT and LT options at the same time are not compatible");
    return std::nullopt;
  }
  return options;
}

// Unlike parse_deadline, takes times of the past and negative ones.
std::optional<int64_t> parse_time(const ExpireCommand& command, std::string_view text,
                                  UnixMillis now, ReplyWriter& reply) {
  const std::optional<int64_t> time = parse_integer(text, reply);
  if (!time) return std::nullopt;
  const int64_t factor = command.unit == TimeUnit::kSeconds ? 1000 : 1;
  const int64_t start = command.base == TimeBase::kNow ? static_cast<int64_t>(now) : 0;
  int64_t when = 0;
  if (__builtin_mul_overflow(*time, factor, &when) || __builtin_add_overflow(when, start, &when)) {
    write_invalid_expire(command.name, reply);
    return std::nullopt;
  }
  return when;
}

// A key without a deadline counts as one that is due never, later than any time.
bool allows(const ExpireOptions& options, UnixMillis deadline, int64_t when) {
  const bool some = deadline != 0;
  const auto current = static_cast<int64_t>(deadline);
  if (options.if_none && some) return false;
  if (options.if_some && !some) return false;
  if (options.if_greater && (!some || when <= current)) return false;
  if (options.if_less && some && when >= current) return false;
  return true;
}

bool check(const ExpireCommand& command, Args args, ReplyWriter& reply) {
  return parse_expire_options(args, reply) && parse_time(command, args[2], 0, reply);
}

void run(const ExpireCommand& command, Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::optional<ExpireOptions> options = parse_expire_options(args, reply);
  if (!options) return;
  const std::optional<int64_t> when = parse_time(command, args[2], keys.now(), reply);
  if (!when) return;
  const std::optional<KeyHeader> header = keys.open_header(args[1]);
  if (!header || !allows(*options, header->deadline, *when)) return reply.integer(0);
  if (*when <= static_cast<int64_t>(keys.now())) {
    keys.remove(args[1], *header, events::kDel);
  } else {
    keys.set_deadline(args[1], *header, static_cast<UnixMillis>(*when), events::kExpire);
  }
  reply.integer(1);
}

// -2: no such key, -1: no deadline.
void write_deadline(Keyspace& keys, std::string_view key, TimeUnit unit, TimeBase base,
                    ReplyWriter& reply) {
  const std::optional<KeyHeader> header = keys.find_header(key);
  if (!header) return reply.integer(-2);
  if (header->deadline == 0) return reply.integer(-1);
  const UnixMillis time = base == TimeBase::kNow ? header->deadline - keys.now() : header->deadline;
  reply.integer(static_cast<int64_t>(unit == TimeUnit::kSeconds ? (time + 500) / 1000 : time));
}

}  // namespace

void expire(Keyspace& keys, Args args, ReplyWriter& reply) {
  run(kExpire, keys, args, reply);
}
bool check_expire(Args args, ReplyWriter& reply) {
  return check(kExpire, args, reply);
}

void pexpire(Keyspace& keys, Args args, ReplyWriter& reply) {
  run(kPexpire, keys, args, reply);
}
bool check_pexpire(Args args, ReplyWriter& reply) {
  return check(kPexpire, args, reply);
}

void expireat(Keyspace& keys, Args args, ReplyWriter& reply) {
  run(kExpireAt, keys, args, reply);
}
bool check_expireat(Args args, ReplyWriter& reply) {
  return check(kExpireAt, args, reply);
}

void pexpireat(Keyspace& keys, Args args, ReplyWriter& reply) {
  run(kPexpireAt, keys, args, reply);
}
bool check_pexpireat(Args args, ReplyWriter& reply) {
  return check(kPexpireAt, args, reply);
}

void ttl(Keyspace& keys, Args args, ReplyWriter& reply) {
  write_deadline(keys, args[1], TimeUnit::kSeconds, TimeBase::kNow, reply);
}

void pttl(Keyspace& keys, Args args, ReplyWriter& reply) {
  write_deadline(keys, args[1], TimeUnit::kMilliseconds, TimeBase::kNow, reply);
}

void expiretime(Keyspace& keys, Args args, ReplyWriter& reply) {
  write_deadline(keys, args[1], TimeUnit::kSeconds, TimeBase::kEpoch, reply);
}

void pexpiretime(Keyspace& keys, Args args, ReplyWriter& reply) {
  write_deadline(keys, args[1], TimeUnit::kMilliseconds, TimeBase::kEpoch, reply);
}

void persist(Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::optional<KeyHeader> header = keys.open_header(args[1]);
  if (!header || header->deadline == 0) return reply.integer(0);
  keys.set_deadline(args[1], *header, 0, events::kPersist);
  reply.integer(1);
}

}  // namespace kvorum::command::keys_family
