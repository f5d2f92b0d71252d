#include <algorithm>
#include <span>
#include <string>

#include "command/dump.h"
#include "command/keys.h"

namespace kvorum::command::keys_family {

using storage::Record;

namespace {

// The length up to which Redis keeps a string in one allocation with its object.
constexpr size_t kEmbeddedBytesMax = 44;
// What a key costs in the store besides its own bytes and its value's: header, and its entry in the
// order of creation. A deadline has an entry of its own.
constexpr size_t kKeyOverheadBytes = 64;
constexpr size_t kDeadlineOverheadBytes = 32;
constexpr std::string_view kInvalidTtl = "ERR Invalid TTL value, must be >= 0";

std::string_view encoding_of(std::string_view value) {
  if (parse_integer(value)) return "int";
  return value.size() <= kEmbeddedBytesMax ? "embstr" : "raw";
}

void write_help(std::span<const std::string_view> lines, ReplyWriter& reply) {
  reply.simple_lines(lines);
}

struct RestoreOptions {
  bool replace = false;
  bool absolute = false;
};

// IDLETIME and FREQ are checked and then of no use: nothing is ever evicted.
std::optional<RestoreOptions> parse_restore_options(Args args, ReplyWriter& reply) {
  RestoreOptions options;
  bool idle = false;
  bool frequency = false;
  for (size_t i = 4; i < args.size(); ++i) {
    const bool has_value = i + 1 < args.size();
    if (is_word(args[i], "replace")) {
      options.replace = true;
    } else if (is_word(args[i], "absttl")) {
      options.absolute = true;
    } else if (is_word(args[i], "idletime") && has_value && !frequency) {
      const std::optional<int64_t> seconds = parse_integer(args[++i], reply);
      if (!seconds) return std::nullopt;
      if (*seconds < 0) {
        reply.error("ERR Invalid IDLETIME value, must be >= 0");
        return std::nullopt;
      }
      idle = true;
    } else if (is_word(args[i], "freq") && has_value && !idle) {
      const std::optional<int64_t> count = parse_integer(args[++i], reply);
      if (!count) return std::nullopt;
      if (*count < 0 || *count > 255) {
        reply.error("ERR Invalid FREQ value, must be >= 0 and <= 255");
        return std::nullopt;
      }
      frequency = true;
    } else {
      reply.error(errors::kSyntax);
      return std::nullopt;
    }
  }
  return options;
}

}  // namespace

void object_encoding(Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::optional<Record> record = keys.find(args[2]);
  record ? reply.bulk(encoding_of(record->value)) : reply.null();
}

void object_freq(Keyspace& keys, Args args, ReplyWriter& reply) {
  if (!keys.find_header(args[2])) return reply.null();
  reply.error(
      "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note "
      "that when switching between policies at runtime LRU and LFU data will take some time to "
      "adjust.");
}

// A read leaves no trace in the replicated state, so there is nothing true to say.
void object_idletime(Keyspace& keys, Args args, ReplyWriter& reply) {
  if (!keys.find_header(args[2])) return reply.null();
  reply.error("ERR Idle time is not tracked: reads do not change a key");
}

void object_refcount(Keyspace& keys, Args args, ReplyWriter& reply) {
  keys.find_header(args[2]) ? reply.integer(1) : reply.null();
}

void object_help(Keyspace&, Args, ReplyWriter& reply) {
  static constexpr std::string_view kLines[] = {
      "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "ENCODING <key>",
      "    How Redis would keep the value at <key>: int, embstr or raw.",
      "FREQ <key>",
      "    An error: access frequency is not tracked.",
      "IDLETIME <key>",
      "    An error: access time is not tracked.",
      "REFCOUNT <key>",
      "    1 if there is such a key.",
      "HELP",
      "    Print this help.",
  };
  write_help(kLines, reply);
}

void memory_usage(Keyspace& keys, Args args, ReplyWriter& reply) {
  for (size_t i = 3; i < args.size(); i += 2) {
    if (!is_word(args[i], "samples") || i + 1 == args.size()) return reply.error(errors::kSyntax);
    const std::optional<int64_t> samples = parse_integer(args[i + 1], reply);
    if (!samples) return;
    if (*samples < 0) return reply.error(errors::kSyntax);
  }
  const std::optional<Record> record = keys.find(args[2]);
  if (!record) return reply.null();
  // The key is in the table of keys and in the order of creation.
  size_t bytes = 2 * args[2].size() + record->value.size() + kKeyOverheadBytes;
  if (record->header.deadline != 0) bytes += args[2].size() + kDeadlineOverheadBytes;
  reply.integer(static_cast<int64_t>(bytes));
}

void memory_help(Keyspace&, Args, ReplyWriter& reply) {
  static constexpr std::string_view kLines[] = {
      "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "USAGE <key> [SAMPLES <count>]",
      "    About how many bytes <key> and its value take in the store. SAMPLES has no effect.",
      "HELP",
      "    Print this help.",
  };
  write_help(kLines, reply);
}

void dump_key(Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::optional<Record> record = keys.find(args[1]);
  record ? reply.bulk(dump(record->header.type, record->value)) : reply.null();
}

// Only the grammar: whether the key is busy comes before whether the rest makes sense.
bool check_restore(Args args, ReplyWriter& reply) {
  return parse_restore_options(args, reply).has_value();
}

void restore(Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::optional<RestoreOptions> options = parse_restore_options(args, reply);
  if (!options) return;
  const Keyspace::Old old = keys.open_header(args[1]);
  if (old && !options->replace) {
    return reply.error("BUSYKEY Target key name already exists.");
  }
  const std::optional<int64_t> ttl = parse_integer(args[2], reply);
  if (!ttl) return;
  if (*ttl < 0) return reply.error(kInvalidTtl);
  const std::optional<Dumped> dumped = parse_dump(args[3]);
  if (!dumped) return reply.error("ERR DUMP payload version or checksum are wrong");
  if (dumped->value.size() > keys.value_bytes_max()) return reply.error(errors::kTooLong);
  const auto now = static_cast<int64_t>(keys.now());
  int64_t deadline = *ttl;  // 0: none
  if (*ttl != 0 && !options->absolute && __builtin_add_overflow(*ttl, now, &deadline)) {
    return reply.error(kInvalidTtl);
  }
  if (deadline != 0 && deadline <= now) {
    if (old) keys.remove(args[1], *old, events::kDel);
    return reply.ok();
  }
  keys.put(args[1], old, dumped->value,
           {.type = dumped->type,
            .deadline = static_cast<UnixMillis>(deadline),
            .event = events::kRestore});
  reply.ok();
}

}  // namespace kvorum::command::keys_family
