#include "command/syntax.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>
#include <optional>
#include <span>

namespace kvorum::command {

namespace {

constexpr std::string_view kEllipsis = "...";

struct NamedType {
  std::string_view name;
  ArgumentType type;
};

constexpr NamedType kTypeNames[] = {
    {"string", ArgumentType::kString},        {"integer", ArgumentType::kInteger},
    {"double", ArgumentType::kDouble},        {"key", ArgumentType::kKey},
    {"pattern", ArgumentType::kPattern},      {"unix-time", ArgumentType::kUnixTime},
    {"pure-token", ArgumentType::kPureToken}, {"oneof", ArgumentType::kOneOf},
    {"block", ArgumentType::kBlock},
};

constexpr std::string_view kKeyWords[] = {"key", "key1", "key2", "newkey", "source", "destination"};
constexpr std::string_view kIntegerWords[] = {
    "seconds",       "milliseconds", "count",   "offset",    "increment",
    "decrement",     "start",        "end",     "cursor",    "destination-db",
    "min-match-len", "frequency",    "index",   "client-id", "timeout",
    "ttl",           "numreplicas",  "protover"};

template <class Words>
bool contains(const Words& words, std::string_view word) {
  return std::ranges::find(words, word) != std::end(words);
}

ArgumentType type_of_word(std::string_view word) {
  if (contains(kKeyWords, word)) return ArgumentType::kKey;
  if (contains(kIntegerWords, word)) return ArgumentType::kInteger;
  if (word.starts_with("unix-time")) return ArgumentType::kUnixTime;
  if (word == "pattern") return ArgumentType::kPattern;
  return ArgumentType::kString;
}

Argument value_argument(std::string_view word) {
  Argument argument;
  const size_t colon = word.find(':');
  argument.name = word.substr(0, colon);
  argument.type = type_of_word(argument.name);
  if (colon != std::string_view::npos) {
    const auto* named = std::ranges::find(kTypeNames, word.substr(colon + 1), &NamedType::name);
    if (named != std::end(kTypeNames)) argument.type = named->type;
  }
  return argument;
}

bool is_token(std::string_view word) {
  return std::ranges::none_of(word, [](unsigned char c) { return std::islower(c) != 0; }) &&
         std::ranges::any_of(word, [](unsigned char c) { return std::isupper(c) != 0; });
}

std::string lower(std::string_view word) {
  std::string text(word);
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::vector<std::string_view> split(std::string_view syntax) {
  std::vector<std::string_view> words;
  constexpr std::string_view kBlank = " ";
  constexpr std::string_view kMarks = "[]<>|";
  while (!syntax.empty()) {
    if (kBlank.find(syntax[0]) != std::string_view::npos) {
      syntax.remove_prefix(1);
      continue;
    }
    size_t size = 1;
    if (kMarks.find(syntax[0]) == std::string_view::npos) {
      size = std::min(syntax.find_first_of(" []<>|"), syntax.size());
    }
    words.push_back(syntax.substr(0, size));
    syntax.remove_prefix(size);
  }
  return words;
}

Argument block_of(std::vector<Argument> arguments) {
  Argument block;
  block.type = ArgumentType::kBlock;
  for (const Argument& argument : arguments) {
    if (!block.name.empty()) block.name += '_';
    block.name += argument.name;
  }
  block.arguments = std::move(arguments);
  return block;
}

Argument one_argument(std::vector<Argument> sequence) {
  return sequence.size() == 1 ? std::move(sequence.front()) : block_of(std::move(sequence));
}

class SyntaxParser {
 public:
  explicit SyntaxParser(std::span<const std::string_view> words) : words_(words) {}

  std::vector<Argument> sequence() {
    std::vector<Argument> elements;
    while (!words_.empty() && !at("]") && !at(">") && !at("|")) {
      if (at("[") || at("<")) {
        bracket(elements);
      } else if (at(kEllipsis)) {
        take();
        if (!elements.empty()) elements.back().multiple = true;
      } else {
        elements.push_back(word());
      }
    }
    return elements;
  }

 private:
  bool at(std::string_view word) const { return !words_.empty() && words_.front() == word; }
  std::string_view take() {
    const std::string_view word = words_.front();
    words_ = words_.subspan(1);
    return word;
  }

  Argument word() {
    const std::string_view word = take();
    if (!is_token(word)) return value_argument(word);
    const bool has_value =
        !words_.empty() && std::isalnum(static_cast<unsigned char>(words_.front()[0])) != 0;
    Argument argument;
    if (has_value && !is_token(words_.front())) {
      argument = value_argument(take());
    } else {
      argument.name = lower(word);
      argument.type = ArgumentType::kPureToken;
    }
    argument.token = word;
    return argument;
  }

  // Either one more argument, or the "[x ...]" that lets the arguments before it repeat.
  void bracket(std::vector<Argument>& elements) {
    const bool optional = take() == "[";
    std::vector<std::vector<Argument>> choices;
    choices.push_back(sequence());
    while (at("|")) {
      take();
      choices.push_back(sequence());
    }
    if (!words_.empty()) take();
    if (optional && choices.size() == 1 && repeats(choices.front(), elements)) return;
    Argument argument;
    if (choices.size() == 1) {
      argument = one_argument(std::move(choices.front()));
    } else {
      argument.name = "option";
      argument.type = ArgumentType::kOneOf;
      for (std::vector<Argument>& choice : choices) {
        argument.arguments.push_back(one_argument(std::move(choice)));
      }
    }
    argument.optional = optional;
    elements.push_back(std::move(argument));
  }

  // The ellipsis has marked the last one of `again`.
  static bool repeats(std::vector<Argument> again, std::vector<Argument>& elements) {
    if (again.empty() || !again.back().multiple || again.size() > elements.size()) return false;
    again.back().multiple = false;
    const auto first = elements.end() - static_cast<std::ptrdiff_t>(again.size());
    if (!std::equal(first, elements.end(), again.begin())) return false;
    Argument repeated = one_argument(std::move(again));
    repeated.multiple = true;
    elements.erase(first, elements.end());
    elements.push_back(std::move(repeated));
    return true;
  }

  std::span<const std::string_view> words_;
};

}  // namespace

std::string_view argument_type_name(ArgumentType type) {
  return std::ranges::find(kTypeNames, type, &NamedType::type)->name;
}

std::vector<Argument> parse_syntax(std::string_view syntax) {
  const std::vector<std::string_view> words = split(syntax);
  return SyntaxParser(words).sequence();
}

}  // namespace kvorum::command
