#include "command/command_introspection.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "base/glob.h"
#include "command/key_specs.h"
#include "command/parse.h"

namespace kvorum::command {

using resp::ReplyWriter;

namespace {

struct FlagName {
  uint32_t flag;
  std::string_view name;
};
constexpr FlagName kFlagNames[] = {
    {kFlagWrite, "write"},
    {kFlagReadOnly, "readonly"},
    {kFlagDenyOom, "denyoom"},
    {kFlagAdmin, "admin"},
    {kFlagPubSub, "pubsub"},
    {kFlagNoScript, "noscript"},
    {kFlagBlocking, "blocking"},
    {kFlagLoading, "loading"},
    {kFlagStale, "stale"},
    {kFlagSkipMonitor, "skip_monitor"},
    {kFlagNoSlowlog, "skip_slowlog"},
    {kFlagFast, "fast"},
    {kFlagNoAuth, "no_auth"},
    {kFlagNoMulti, "no_multi"},
    {kFlagMovableKeys, "movablekeys"},
};

// A set of simple strings, written space separated.
void write_words(std::string_view words, ReplyWriter& reply) {
  const std::vector<std::string_view> list = split_words(words);
  reply.set(list.size());
  for (std::string_view word : list) reply.simple(word);
}

void write_flags(uint32_t flags, ReplyWriter& reply) {
  const auto is_set = [&](const FlagName& row) { return (flags & row.flag) != 0; };
  reply.set(static_cast<size_t>(std::ranges::count_if(kFlagNames, is_set)));
  for (const FlagName& row : kFlagNames) {
    if (is_set(row)) reply.simple(row.name);
  }
}

void write_begin_search(const KeySpec& key, ReplyWriter& reply) {
  const bool by_word = !key.keyword.empty();
  reply.map(2);
  reply.bulk("type");
  reply.bulk(by_word ? "keyword" : "index");
  reply.bulk("spec");
  reply.map(by_word ? 2 : 1);
  if (by_word) {
    reply.bulk("keyword");
    reply.bulk(key.keyword);
  }
  reply.bulk(by_word ? "startfrom" : "index");
  reply.integer(key.first);
}

void write_key_specs(const CommandSpec& spec, ReplyWriter& reply) {
  const std::vector<KeySpec> specs = key_specs_of(spec);
  reply.set(specs.size());
  for (const KeySpec& key : specs) {
    reply.map(3);
    reply.bulk("flags");
    write_words(key.flags, reply);
    reply.bulk("begin_search");
    write_begin_search(key, reply);
    reply.bulk("find_keys");
    reply.map(2);
    reply.bulk("type");
    reply.bulk("range");
    reply.bulk("spec");
    reply.map(3);
    reply.bulk("lastkey");
    reply.integer(key.last);
    reply.bulk("keystep");
    reply.integer(key.step);
    reply.bulk("limit");
    reply.integer(key.limit);
  }
}

void write_info(const CommandTable& table, const CommandSpec& spec, ReplyWriter& reply) {
  reply.array(10);
  reply.bulk(spec.name);
  reply.integer(spec.arity);
  write_flags(spec.flags, reply);
  reply.integer(spec.keys.first);
  reply.integer(spec.keys.last);
  reply.integer(spec.keys.step);
  write_words(spec.categories, reply);
  const std::vector<std::string_view> tips = split_words(spec.tips);
  reply.set(tips.size());
  for (std::string_view tip : tips) reply.bulk(tip);
  write_key_specs(spec, reply);
  const std::vector<const CommandSpec*> subcommands = table.subcommands(spec);
  reply.set(subcommands.size());
  for (const CommandSpec* subcommand : subcommands) write_info(table, *subcommand, reply);
}

// The call that COMMAND GETKEYS asks about; nullptr after its error was written.
const CommandSpec* called(const CommandTable& table, Args call, ReplyWriter& reply) {
  const CommandSpec* spec = table.find(call);
  if (spec == nullptr) {
    reply.error("ERR Invalid command specified");
  } else if (key_specs_of(*spec).empty() && spec->find_keys == nullptr) {
    reply.error("ERR The command has no key arguments");
  } else if (!table.refusal(spec, call).empty()) {
    reply.error("ERR Invalid number of arguments specified for command");
  } else {
    return spec;
  }
  return nullptr;
}

bool in_category(const CommandSpec& spec, std::string_view category) {
  const std::vector<std::string_view> words = split_words(spec.categories);
  return std::ranges::any_of(words, [&](std::string_view word) {
    return word.size() > 1 && is_word(category, word.substr(1));
  });
}

}  // namespace

void command_all(const CommandTable& table, ReplyWriter& reply) {
  const std::vector<const CommandSpec*> rows = table.rows();
  reply.array(rows.size());
  for (const CommandSpec* row : rows) write_info(table, *row, reply);
}

void command_count(const CommandTable& table, ReplyWriter& reply) {
  reply.integer(static_cast<int64_t>(table.rows().size()));
}

void command_info(const CommandTable& table, Args args, ReplyWriter& reply) {
  if (args.size() == 2) return command_all(table, reply);
  reply.array(args.size() - 2);
  for (std::string_view name : args.subspan(2)) {
    const CommandSpec* row = table.find_name(name);
    row != nullptr ? write_info(table, *row, reply) : reply.null();
  }
}

void command_list(const CommandTable& table, Args args, ReplyWriter& reply) {
  const bool filtered = args.size() == 5 && is_word(args[2], "filterby");
  const bool by_module = filtered && is_word(args[3], "module");
  const bool by_category = filtered && is_word(args[3], "aclcat");
  const bool by_pattern = filtered && is_word(args[3], "pattern");
  if (args.size() != 2 && !by_module && !by_category && !by_pattern) {
    return reply.error(errors::kSyntax);
  }
  std::vector<std::string_view> names;
  const auto consider = [&](const CommandSpec& row) {
    if (by_module) return;
    if (by_category && !in_category(row, args[4])) return;
    if (by_pattern && !glob_match(args[4], row.name, true)) return;
    names.push_back(row.name);
  };
  for (const CommandSpec* row : table.rows()) {
    consider(*row);
    for (const CommandSpec* subcommand : table.subcommands(*row)) consider(*subcommand);
  }
  reply.array(names.size());
  for (std::string_view name : names) reply.bulk(name);
}

void command_getkeys(const CommandTable& table, Args args, ReplyWriter& reply) {
  const Args call = args.subspan(2);
  const CommandSpec* spec = called(table, call, reply);
  if (spec == nullptr) return;
  const std::vector<std::string_view> keys = keys_of(*spec, call);
  if (keys.empty()) return reply.error("ERR Invalid arguments specified for command");
  reply.array(keys.size());
  for (std::string_view key : keys) reply.bulk(key);
}

void command_getkeysandflags(const CommandTable& table, Args args, ReplyWriter& reply) {
  const Args call = args.subspan(2);
  const CommandSpec* spec = called(table, call, reply);
  if (spec == nullptr) return;
  const std::vector<std::string_view> keys = keys_of(*spec, call);
  if (keys.empty()) return reply.error("ERR Invalid arguments specified for command");
  reply.array(keys.size());
  const std::vector<KeySpec> specs = key_specs_of(*spec);
  for (size_t i = 0; i < keys.size(); ++i) {
    reply.array(2);
    reply.bulk(keys[i]);
    // Either one spec that covers all keys, or one for each.
    write_words(specs.empty() ? std::string_view() : specs[std::min(i, specs.size() - 1)].flags,
                reply);
  }
}

void command_help(ReplyWriter& reply) {
  static constexpr std::string_view kLines[] = {
      "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "(no subcommand)",
      "    What is known of every command.",
      "COUNT",
      "    How many commands there are.",
      "DOCS [<command-name> ...]",
      "    Summary, syntax and the like, of all commands or of those named.",
      "GETKEYS <full-command>",
      "    The keys that a call names.",
      "GETKEYSANDFLAGS <full-command>",
      "    The keys that a call names, and what it does to them.",
      "INFO [<command-name> ...]",
      "    What is known of the commands named, or of all.",
      "LIST [FILTERBY (MODULE <module-name> | ACLCAT <category> | PATTERN <pattern>)]",
      "    The names of commands.",
      "HELP",
      "    Print this help.",
  };
  reply.simple_lines(kLines);
}

}  // namespace kvorum::command
