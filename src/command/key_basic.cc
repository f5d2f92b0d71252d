#include <string>

#include "command/keys.h"

namespace kvorum::command {

std::string_view type_name(storage::ValueType type) {
  switch (type) {
    case storage::ValueType::kString:
      return "string";
    case storage::ValueType::kList:
      return "list";
    case storage::ValueType::kSet:
      return "set";
    case storage::ValueType::kZset:
      return "zset";
    case storage::ValueType::kHash:
      return "hash";
    case storage::ValueType::kStream:
      return "stream";
  }
  return "none";
}

namespace keys_family {

using storage::KeyHeader;
using storage::Record;

namespace {

enum class IfTargetExists : uint8_t { kReplace, kRefuse };

// The value goes to its new name with its deadline. A target that is overwritten keeps its place in
// the order of creation, for SCAN never may miss a name that is there all the time.
void rename_to(Keyspace& keys, Args args, IfTargetExists policy, ReplyWriter& reply) {
  const std::string_view from = args[1];
  const std::string_view to = args[2];
  const bool refuse = policy == IfTargetExists::kRefuse;
  const std::optional<Record> source = keys.open(from);
  if (!source) return reply.error(errors::kNoSuchKey);
  if (from == to) return refuse ? reply.integer(0) : reply.ok();
  const KeyHeader header = source->header;
  const std::string value(source->value);
  const Keyspace::Old target = keys.open_header(to);
  if (target && refuse) return reply.integer(0);
  keys.remove(from, header, events::kRenameFrom);
  keys.put(to, target, value,
           {.type = header.type, .deadline = header.deadline, .event = events::kRenameTo});
  refuse ? reply.integer(1) : reply.ok();
}

// Nothing after an error was written.
std::optional<IfTargetExists> parse_copy(Args args, ReplyWriter& reply) {
  IfTargetExists policy = IfTargetExists::kRefuse;
  for (size_t i = 3; i < args.size(); ++i) {
    if (is_word(args[i], "replace")) {
      policy = IfTargetExists::kReplace;
    } else if (is_word(args[i], "db") && i + 1 < args.size()) {
      const std::optional<int32_t> database = parse_int(args[++i], reply);
      if (!database) return std::nullopt;
      if (*database != 0) {
        reply.error("ERR DB index is out of range");
        return std::nullopt;
      }
    } else {
      reply.error(errors::kSyntax);
      return std::nullopt;
    }
  }
  if (args[1] == args[2]) {
    reply.error(errors::kSameObject);
    return std::nullopt;
  }
  return policy;
}

}  // namespace

void del(Keyspace& keys, Args args, ReplyWriter& reply) {
  int64_t removed = 0;
  for (std::string_view key : args.subspan(1)) {
    const std::optional<KeyHeader> header = keys.open_header(key);
    if (!header) continue;
    keys.remove(key, *header, events::kDel);
    ++removed;
  }
  reply.integer(removed);
}

void exists(Keyspace& keys, Args args, ReplyWriter& reply) {
  int64_t found = 0;
  for (std::string_view key : args.subspan(1)) found += keys.find_header(key) ? 1 : 0;
  reply.integer(found);
}

void type(Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::optional<KeyHeader> header = keys.find_header(args[1]);
  reply.simple(header ? type_name(header->type) : "none");
}

// As in Redis, keys that are due count until they are removed.
void dbsize(Keyspace& keys, Args, ReplyWriter& reply) {
  reply.integer(static_cast<int64_t>(keys.view().applied_state().key_count));
}

void rename(Keyspace& keys, Args args, ReplyWriter& reply) {
  rename_to(keys, args, IfTargetExists::kReplace, reply);
}

void renamenx(Keyspace& keys, Args args, ReplyWriter& reply) {
  rename_to(keys, args, IfTargetExists::kRefuse, reply);
}

bool check_copy(Args args, ReplyWriter& reply) {
  return parse_copy(args, reply).has_value();
}

void copy(Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::optional<IfTargetExists> policy = parse_copy(args, reply);
  if (!policy) return;
  const std::optional<Record> source = keys.open(args[1]);
  if (!source) return reply.integer(0);
  const KeyHeader header = source->header;
  const std::string value(source->value);
  const Keyspace::Old target = keys.open_header(args[2]);
  if (target && *policy == IfTargetExists::kRefuse) return reply.integer(0);
  keys.put(args[2], target, value,
           {.type = header.type, .deadline = header.deadline, .event = events::kCopyTo});
  reply.integer(1);
}

bool check_flush(Args args, ReplyWriter& reply) {
  const bool known = args.size() == 1 ||
                     (args.size() == 2 && (is_word(args[1], "async") || is_word(args[1], "sync")));
  if (!known) reply.error(errors::kSyntax);
  return known;
}

void flush(Keyspace& keys, Args args, ReplyWriter& reply) {
  if (!check_flush(args, reply)) return;
  keys.clear();
  reply.ok();
}

}  // namespace keys_family

}  // namespace kvorum::command
