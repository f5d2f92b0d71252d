// A row's `syntax`, written as Redis' documentation writes arguments, as the tree that COMMAND DOCS
// gives. Brackets make optional, `x [x ...]` is one or more x. A word in capitals is sent as it
// stands; any other names a value, whose type follows from the name or after it: "name:type".
//
//   sequence = element*
//   element  = word | TOKEN | TOKEN word | "[" choice "]" | "<" choice ">"
//   choice   = sequence ("|" sequence)*
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvorum::command {

enum class ArgumentType : uint8_t {
  kString,
  kInteger,
  kDouble,
  kKey,
  kPattern,
  kUnixTime,
  kPureToken,
  kOneOf,
  kBlock
};

// As COMMAND DOCS calls it.
std::string_view argument_type_name(ArgumentType type);

struct Argument {
  std::string name;
  ArgumentType type = ArgumentType::kString;
  std::string token;
  bool optional = false;
  bool multiple = false;
  std::vector<Argument> arguments;  // of kOneOf and kBlock
  bool operator==(const Argument&) const = default;
};

std::vector<Argument> parse_syntax(std::string_view syntax);

}  // namespace kvorum::command
