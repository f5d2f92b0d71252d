// COMMAND DOCS: the rows' documentation in the layout that redis-cli reads.
#include <algorithm>

#include "command/command_introspection.h"
#include "command/key_specs.h"
#include "command/syntax.h"

namespace kvorum::command {

using resp::ReplyWriter;

namespace {

// Writes the arguments of one command and numbers its keys on the way.
class ArgumentWriter {
 public:
  ArgumentWriter(const CommandSpec& spec, ReplyWriter& reply)
      : key_specs_(static_cast<int64_t>(key_specs_of(spec).size())), reply_(reply) {}

  void write_all(const std::vector<Argument>& arguments) {
    reply_.array(arguments.size());
    for (const Argument& argument : arguments) write(argument);
  }

 private:
  void write(const Argument& argument) {
    const bool key = argument.type == ArgumentType::kKey && key_specs_ > 0;
    const size_t flags = size_t{argument.optional} + size_t{argument.multiple};
    reply_.map(2 + size_t{key} + size_t{!argument.token.empty()} + size_t{flags > 0} +
               size_t{!argument.arguments.empty()});
    reply_.bulk("name");
    reply_.bulk(argument.name);
    reply_.bulk("type");
    reply_.bulk(argument_type_name(argument.type));
    if (key) {
      reply_.bulk("key_spec_index");
      reply_.integer(std::min(next_key_++, key_specs_ - 1));
    }
    if (!argument.token.empty()) {
      reply_.bulk("token");
      reply_.bulk(argument.token);
    }
    if (flags > 0) {
      reply_.bulk("flags");
      reply_.set(flags);
      if (argument.optional) reply_.simple("optional");
      if (argument.multiple) reply_.simple("multiple");
    }
    if (!argument.arguments.empty()) {
      reply_.bulk("arguments");
      write_all(argument.arguments);
    }
  }

  const int64_t key_specs_;
  int64_t next_key_ = 0;
  ReplyWriter& reply_;
};

void write_field(std::string_view name, std::string_view value, ReplyWriter& reply) {
  if (value.empty()) return;
  reply.bulk(name);
  reply.bulk(value);
}

void write_docs(const CommandTable& table, const CommandSpec& spec, ReplyWriter& reply) {
  const std::vector<Argument> arguments = parse_syntax(spec.syntax);
  const std::vector<const CommandSpec*> subcommands = table.subcommands(spec);
  reply.bulk(spec.name);
  reply.map(size_t{!spec.summary.empty()} + size_t{!spec.since.empty()} +
            size_t{!spec.group.empty()} + size_t{!spec.complexity.empty()} +
            size_t{!arguments.empty()} + size_t{!subcommands.empty()});
  write_field("summary", spec.summary, reply);
  write_field("since", spec.since, reply);
  write_field("group", spec.group, reply);
  write_field("complexity", spec.complexity, reply);
  if (!arguments.empty()) {
    reply.bulk("arguments");
    ArgumentWriter(spec, reply).write_all(arguments);
  }
  if (!subcommands.empty()) {
    reply.bulk("subcommands");
    reply.map(subcommands.size());
    for (const CommandSpec* subcommand : subcommands) write_docs(table, *subcommand, reply);
  }
}

}  // namespace

void command_docs(const CommandTable& table, Args args, ReplyWriter& reply) {
  std::vector<const CommandSpec*> rows;
  if (args.size() == 2) {
    rows = table.rows();
  } else {
    for (std::string_view name : args.subspan(2)) {
      const CommandSpec* row = table.find_name(name);
      if (row != nullptr) rows.push_back(row);
    }
  }
  reply.map(rows.size());
  for (const CommandSpec* row : rows) write_docs(table, *row, reply);
}

}  // namespace kvorum::command
