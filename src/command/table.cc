#include "command/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "command/dump.h"

namespace kvorum::command {

namespace {

char fold(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

// A name folded to lower case without touching the heap: every command of every client passes here.
class FoldedName {
 public:
  // False when it can't be the name of a row.
  bool append(std::string_view text) {
    if (text.size() > bytes_.size() - size_) return false;
    std::transform(text.begin(), text.end(), bytes_.begin() + size_, fold);
    size_ += text.size();
    return true;
  }
  std::string_view view() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, CommandTable::kNameBytesMax> bytes_;
  size_t size_ = 0;
};

// Redis' error sentences print arguments as C strings, the names cut at 128 bytes.
std::string_view printed(std::string_view arg, size_t most) {
  return arg.substr(0, std::min(arg.find('\0'), most));
}

std::string unknown_command(Args args) {
  constexpr size_t kShown = 128;
  std::string shown;
  for (size_t i = 1; i < args.size() && shown.size() < kShown; ++i) {
    shown += fmt::format("'{}' ", printed(args[i], kShown - shown.size()));
  }
  return fmt::format("ERR unknown command '{}', with args beginning with: {}",
                     printed(args.empty() ? std::string_view() : args[0], kShown), shown);
}

std::string unknown_subcommand(Args args) {
  std::string container(args[0]);
  for (char& c : container) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
  return fmt::format("ERR unknown subcommand '{}'. Try {} HELP.", printed(args[1], 128), container);
}

}  // namespace

void CommandTable::add(std::span<const CommandSpec> rows) {
  for (const CommandSpec& row : rows) {
    CHECK(row.name.size() <= kNameBytesMax, "{}", row.name);
    CHECK(by_name_[row.name].spec == nullptr, "two rows named {}", row.name);
    by_name_[row.name].spec = &row;
    const size_t bar = row.name.find('|');
    if (bar != std::string_view::npos) by_name_[row.name.substr(0, bar)].has_subcommands = true;
  }
}

const CommandTable::Entry* CommandTable::lookup(std::string_view name) const {
  auto found = by_name_.find(name);
  return found == by_name_.end() || found->second.spec == nullptr ? nullptr : &found->second;
}

const CommandSpec* CommandTable::find(Args args) const {
  FoldedName name;
  if (args.empty() || !name.append(args[0]) || args[0].find('|') != std::string_view::npos) {
    return nullptr;
  }
  const Entry* entry = lookup(name.view());
  if (entry == nullptr || !entry->has_subcommands || args.size() == 1) {
    return entry == nullptr ? nullptr : entry->spec;
  }
  if (!name.append("|") || !name.append(args[1])) return nullptr;
  const Entry* subcommand = lookup(name.view());
  return subcommand == nullptr ? nullptr : subcommand->spec;
}

const CommandSpec* CommandTable::find_name(std::string_view name) const {
  FoldedName folded;
  if (!folded.append(name)) return nullptr;
  const Entry* entry = lookup(folded.view());
  return entry == nullptr ? nullptr : entry->spec;
}

std::vector<const CommandSpec*> CommandTable::rows() const {
  std::vector<const CommandSpec*> rows;
  for (const auto& [name, entry] : by_name_) {
    if (entry.spec != nullptr && name.find('|') == std::string_view::npos) {
      rows.push_back(entry.spec);
    }
  }
  std::ranges::sort(rows, {}, &CommandSpec::name);
  return rows;
}

std::vector<const CommandSpec*> CommandTable::subcommands(const CommandSpec& container) const {
  std::vector<const CommandSpec*> rows;
  const std::string prefix = fmt::format("{}|", container.name);
  for (const auto& [name, entry] : by_name_) {
    if (entry.spec != nullptr && name.starts_with(prefix)) rows.push_back(entry.spec);
  }
  std::ranges::sort(rows, {}, &CommandSpec::name);
  return rows;
}

std::string CommandTable::refusal(const CommandSpec* spec, Args args) const {
  if (spec == nullptr) {
    FoldedName name;
    const bool container = args.size() > 1 && name.append(args[0]) &&
                           args[0].find('|') == std::string_view::npos &&
                           lookup(name.view()) != nullptr;
    return container ? unknown_subcommand(args) : unknown_command(args);
  }
  const auto count = static_cast<int64_t>(args.size());
  const bool fits = spec->arity >= 0 ? count == spec->arity : count >= -spec->arity;
  // A container alone names nothing that could run.
  if (fits && !std::holds_alternative<Container>(spec->handler)) return {};
  return fmt::format("ERR wrong number of arguments for '{}' command", spec->name);
}

namespace {

std::vector<std::string_view> keys_after(std::string_view keyword, Args args) {
  const auto same = [&](std::string_view arg) {
    return std::ranges::equal(arg, keyword, {}, fold, fold);
  };
  const auto found = std::ranges::find_if(args.subspan(1), same);
  if (found == args.end()) return {};
  const Args rest(found + 1, args.end());
  const Args keys = rest.first(rest.size() / 2);
  return {keys.begin(), keys.end()};
}

}  // namespace

std::vector<std::string_view> keys_of(const CommandSpec& spec, Args args) {
  std::vector<std::string_view> keys;
  if (spec.find_keys != nullptr) {
    spec.find_keys(args, keys);
    return keys;
  }
  if (!spec.key_keyword.empty()) return keys_after(spec.key_keyword, args);
  if (spec.keys.first <= 0 || spec.keys.step <= 0) return keys;
  const auto count = static_cast<int64_t>(args.size());
  const int64_t last = spec.keys.last >= 0 ? spec.keys.last : count + spec.keys.last;
  for (int64_t i = spec.keys.first; i <= std::min(last, count - 1); i += spec.keys.step) {
    keys.push_back(args[static_cast<size_t>(i)]);
  }
  return keys;
}

bool within_limits(const CommandSpec& spec, Args args, const ArgumentLimits& limits,
                   resp::ReplyWriter& reply) {
  if ((spec.flags & kFlagWrite) == 0) return true;
  const size_t longest = std::ranges::max(args, {}, &std::string_view::size).size();
  if (longest > limits.key_bytes_max) {
    for (std::string_view key : keys_of(spec, args)) {
      if (key.size() <= limits.key_bytes_max) continue;
      reply.error(
          fmt::format("ERR key exceeds maximum allowed size ({} bytes)", limits.key_bytes_max));
      return false;
    }
  }
  // A dumped value is longer than the value by its frame.
  const uint64_t frame = spec.name == "restore" ? kDumpFrameBytes : 0;
  if (longest <= limits.value_bytes_max + frame) return true;
  reply.error(
      fmt::format("ERR value exceeds maximum allowed size ({} bytes)", limits.value_bytes_max));
  return false;
}

bool admissible(const CommandSpec& spec, Args args, const ArgumentLimits& limits,
                resp::ReplyWriter& reply) {
  return within_limits(spec, args, limits, reply) &&
         (spec.check == nullptr || spec.check(args, reply));
}

}  // namespace kvorum::command
