// CommandSpec: one row of the command table. The row is all there is to know about a command: how
// it is checked, where it runs, which keys it names, and what COMMAND says of it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "resp/reply_writer.h"

namespace kvorum::server {
class ClientContext;  // what a local command may touch; defined by src/server alone
}

namespace kvorum::command {

class Keyspace;

// A command and its arguments: args[0] is the name as the client sent it.
using Args = std::span<const std::string_view>;

// Runs on a consistent view, on the client's own thread. Writes exactly one reply.
struct Read {
  void (*run)(Keyspace& keys, Args args, resp::ReplyWriter& reply);
};
// Runs when its log entry is applied, on every node alike: time and ids come from `keys`, never
// from the machine. Writes exactly one reply.
struct Write {
  void (*run)(Keyspace& keys, Args args, resp::ReplyWriter& reply);
};
// Concerns the connection or this node; never logged. Replies through the context, now or later.
struct Local {
  void (*run)(server::ClientContext& client, Args args);
};
// A name with subcommands only (CLIENT, CONFIG); these are rows named "client|id".
struct Container {};

// True if the arguments can be executed; otherwise writes the error reply. Runs before anything is
// logged, so that a malformed write never costs a log entry; `run` may rely on it.
using Check = bool (*)(Args args, resp::ReplyWriter& reply);

enum Flag : uint32_t {
  kFlagWrite = 1 << 0,
  kFlagReadOnly = 1 << 1,
  kFlagDenyOom = 1 << 2,
  kFlagAdmin = 1 << 3,
  kFlagPubSub = 1 << 4,
  kFlagNoScript = 1 << 5,
  kFlagBlocking = 1 << 6,
  kFlagLoading = 1 << 7,
  kFlagStale = 1 << 8,
  kFlagFast = 1 << 9,
  kFlagNoAuth = 1 << 10,
  kFlagNoMulti = 1 << 11,  // refused inside MULTI
  kFlagMovableKeys = 1 << 12,
  kFlagSkipMonitor = 1 << 13,
  kFlagNoSlowlog = 1 << 14,
};

// Where the keys are among the arguments, as COMMAND reports it. last < 0 counts from the end.
struct KeyRange {
  int first = 0;
  int last = 0;
  int step = 0;
};
inline constexpr KeyRange kOneKey{1, 1, 1};

struct CommandSpec {
  std::string_view name = {};  // lower case; "container|subcommand" for subcommands
  int arity = 0;  // exact when positive, at least -arity when negative; counts the name(s)
  uint32_t flags = 0;
  KeyRange keys = {};
  // Instead of `keys`: they are the first half of what follows this word.
  std::string_view key_keyword = {};
  // What is done to the keys, as COMMAND GETKEYSANDFLAGS words it. "RW access update" is said of
  // all of `keys`; "RW access delete@1;OW update@2" of the arguments with these numbers.
  std::string_view key_flags = {};
  std::string_view group = {};       // "string", "generic", "connection", …
  std::string_view categories = {};  // ACL categories, space separated: "@write @string @slow"
  std::string_view since = {};
  std::string_view complexity = {};
  std::string_view summary = {};
  // Arguments as Redis' documentation writes them: "key [EX seconds | PX milliseconds]". A word's
  // type follows from the word (syntax.h); "increment:double" names it.
  std::string_view syntax = {};
  std::string_view tips = {};  // COMMAND INFO's hints to clients, space separated
  std::variant<Read, Write, Local, Container> handler;
  Check check = nullptr;
  // Where the keys are, when kFlagMovableKeys says that `keys` can't.
  void (*find_keys)(Args args, std::vector<std::string_view>& keys) = nullptr;
};

}  // namespace kvorum::command
