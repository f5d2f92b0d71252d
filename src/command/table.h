// CommandTable: all rows by name. Built once by the composition root from the families; immutable
// from then on, so every thread reads it freely.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "command/spec.h"

namespace kvorum::command {

// The families that live in this module. src/server adds its own rows for local commands.
std::span<const CommandSpec> string_commands();
std::span<const CommandSpec> key_commands();

class CommandTable {
 public:
  // The rows outlive the table. Names are unique, at most kNameBytesMax long.
  void add(std::span<const CommandSpec> rows);

  // The row to run, subcommand included; nullptr when there is none. Case does not matter.
  const CommandSpec* find(Args args) const;
  // A row by its full name ("get", "client|id").
  const CommandSpec* find_name(std::string_view name) const;
  // Top-level rows by name; subcommands() gives those of one container.
  std::vector<const CommandSpec*> rows() const;
  std::vector<const CommandSpec*> subcommands(const CommandSpec& container) const;

  // Why find() gave nothing or the arity does not fit, as Redis words it ("ERR unknown command …",
  // "ERR unknown subcommand …", "ERR wrong number of arguments for …"). Empty: the row may run.
  std::string refusal(const CommandSpec* spec, Args args) const;

  static constexpr size_t kNameBytesMax = 64;

 private:
  struct Entry {
    const CommandSpec* spec = nullptr;
    bool has_subcommands = false;
  };
  const Entry* lookup(std::string_view name) const;

  std::unordered_map<std::string_view, Entry> by_name_;  // the keys are the rows' names
};

// The keys that a call names (COMMAND GETKEYS, access rules).
std::vector<std::string_view> keys_of(const CommandSpec& spec, Args args);

// Bounds of a node's configuration on what a client may send. They are asked before a write is
// logged, never when it is applied: nodes may be configured differently.
struct ArgumentLimits {
  uint64_t key_bytes_max = 64 << 10;
  uint64_t value_bytes_max = 8 << 20;
};

// True if the arguments of a call, whose arity fits, are within the limits; otherwise the error
// reply is written.
bool within_limits(const CommandSpec& spec, Args args, const ArgumentLimits& limits,
                   resp::ReplyWriter& reply);

// True if the call may run, or be logged, now: it is within the limits and passes the row's check.
// Otherwise the error reply is written. A command queued by MULTI only has to be within limits:
// what a check finds is, as in Redis, an error among the replies of EXEC.
bool admissible(const CommandSpec& spec, Args args, const ArgumentLimits& limits,
                resp::ReplyWriter& reply);

}  // namespace kvorum::command
