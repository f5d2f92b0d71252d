#include "config/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "config/text.h"

namespace kvorum::config {

namespace {

constexpr std::string_view kNotAnInteger = "argument couldn't be parsed into an integer";
constexpr std::string_view kWhitespace = " \t\r\n,";

struct Unit {
  std::string_view name;
  int64_t bytes;
};
constexpr Unit kUnits[] = {
    {"", 1},          {"b", 1},        {"k", 1000},      {"kb", 1 << 10},      {"kib", 1 << 10},
    {"m", 1'000'000}, {"mb", 1 << 20}, {"mib", 1 << 20}, {"g", 1'000'000'000}, {"gb", 1 << 30},
    {"gib", 1 << 30},
};

std::string range_error(int64_t low, int64_t high) {
  return fmt::format("argument must be between {} and {} inclusive", low, high);
}

// The getters of fields go through a reference that could be written; they only read.
template <class T>
const T& read(T& (*field)(Config&), const Config& config) {
  return field(const_cast<Config&>(config));
}

std::string limit_text(const OutputBufferLimit& limit) {
  return fmt::format("{} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_s);
}

std::optional<OutputBufferLimit> parse_limit(std::string_view hard, std::string_view soft,
                                             std::string_view seconds) {
  std::optional<int64_t> hard_bytes = parse_bytes(hard);
  std::optional<int64_t> soft_bytes = parse_bytes(soft);
  std::optional<int64_t> soft_s = parse_integer(seconds);
  if (!hard_bytes || !soft_bytes || !soft_s || *soft_s < 0) return std::nullopt;
  return OutputBufferLimit{static_cast<uint64_t>(*hard_bytes), static_cast<uint64_t>(*soft_bytes),
                           static_cast<uint64_t>(*soft_s)};
}

}  // namespace

std::optional<int64_t> parse_integer(std::string_view text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<int64_t> parse_bytes(std::string_view text) {
  size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  std::optional<int64_t> count = parse_integer(text.substr(0, digits));
  if (!count) return std::nullopt;
  std::string suffix = to_lower(text.substr(digits));
  for (const Unit& unit : kUnits) {
    if (unit.name != suffix) continue;
    if (*count > std::numeric_limits<int64_t>::max() / unit.bytes) return std::nullopt;
    return *count * unit.bytes;
  }
  return std::nullopt;
}

std::string format_bytes(uint64_t bytes) {
  constexpr std::pair<uint64_t, std::string_view> kBinaryUnits[] = {
      {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}};
  for (auto [size, name] : kBinaryUnits) {
    if (bytes != 0 && bytes % size == 0) return fmt::format("{}{}", bytes / size, name);
  }
  return std::to_string(bytes);
}

std::string quote(std::string_view text) {
  std::string quoted = "\"";
  for (char byte : text) {
    if (byte == '"' || byte == '\\') {
      quoted += '\\';
      quoted += byte;
    } else if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f) {
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    } else {
      quoted += byte;
    }
  }
  return quoted + '"';
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  while (true) {
    size_t begin = text.find_first_not_of(kWhitespace);
    if (begin == std::string_view::npos) return words;
    text.remove_prefix(begin);
    size_t end = std::min(text.find_first_of(kWhitespace), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

namespace detail {

Value make_number(const Getter& get, const Setter& set, int64_t low, int64_t high) {
  auto write = [get](const Config& config) { return std::to_string(get(config)); };
  auto parse = [=](Config& config, std::string_view text) -> MaybeError {
    std::optional<int64_t> value = parse_integer(text);
    if (value && *value >= low && *value <= high) {
      set(config, *value);
      return std::nullopt;
    }
    return ValueError{fmt::format("a whole number from {} to {}", low, high),
                      value ? range_error(low, high) : std::string(kNotAnInteger)};
  };
  return {.type = "NUMBER", .parse = parse, .config_text = write, .file_text = write};
}

Value make_bytes(const Getter& get, const Setter& set, int64_t low, int64_t high) {
  auto parse = [=](Config& config, std::string_view text) -> MaybeError {
    std::optional<int64_t> value = parse_bytes(text);
    if (value && *value >= low && *value <= high) {
      set(config, *value);
      return std::nullopt;
    }
    return ValueError{
        fmt::format("a size such as 64MiB, from {} to {}", format_bytes(static_cast<uint64_t>(low)),
                    format_bytes(static_cast<uint64_t>(high))),
        value ? range_error(low, high) : std::string("argument must be a memory value")};
  };
  return {
      .type = "SIZE",
      .parse = parse,
      .config_text = [get](const Config& config) { return std::to_string(get(config)); },
      .file_text =
          [get](const Config& config) { return format_bytes(static_cast<uint64_t>(get(config))); }};
}

Value make_octal(const Getter& get, const Setter& set, int64_t high) {
  auto write = [get](const Config& config) {
    int64_t value = get(config);
    return value == 0 ? std::string("0") : fmt::format("0{:o}", value);
  };
  auto parse = [=](Config& config, std::string_view text) -> MaybeError {
    uint32_t value = 0;
    const char* end = text.data() + text.size();
    auto [rest, error] = std::from_chars(text.data(), end, value, 8);
    if (error == std::errc() && rest == end && value <= high) {
      set(config, value);
      return std::nullopt;
    }
    return ValueError{fmt::format("octal permissions from 0 to {:o}", high),
                      "argument couldn't be parsed as an octal number"};
  };
  return {.type = "OCTAL", .parse = parse, .config_text = write, .file_text = write};
}

Value make_choice(const Getter& get, const Setter& set,
                  const std::vector<std::pair<std::string, int64_t>>& names) {
  std::string all;
  std::string type;
  int64_t last = std::numeric_limits<int64_t>::min();
  for (const auto& [name, value] : names) {
    all += (all.empty() ? "" : ", ") + name;
    if (value != last) type += (type.empty() ? "" : "|") + name;
    last = value;
  }
  auto write = [get, names](const Config& config) {
    int64_t current = get(config);
    auto found = std::find_if(names.begin(), names.end(),
                              [&](const auto& entry) { return entry.second == current; });
    return found == names.end() ? std::string() : found->first;
  };
  auto parse = [=](Config& config, std::string_view text) -> MaybeError {
    std::string wanted = to_lower(text);
    for (const auto& [name, value] : names) {
      if (name != wanted) continue;
      set(config, value);
      return std::nullopt;
    }
    return ValueError{"one of " + all, "argument(s) must be one of the following: " + all};
  };
  return {.type = type, .parse = parse, .config_text = write, .file_text = write};
}

}  // namespace detail

Value yes_no(BoolField field) {
  auto parse = [=](Config& config, std::string_view text) -> MaybeError {
    std::string word = to_lower(text);
    bool yes = word == "yes" || word == "true" || word == "on";
    if (!yes && word != "no" && word != "false" && word != "off") {
      return ValueError{"true or false", "argument must be 'yes' or 'no'"};
    }
    field(config) = yes;
    return std::nullopt;
  };
  return {
      .type = "yes|no",
      .parse = parse,
      .config_text = [=](const Config& config) { return read(field, config) ? "yes" : "no"; },
      .file_text = [=](const Config& config) { return read(field, config) ? "true" : "false"; }};
}

Value text(TextField field) {
  auto parse = [=](Config& config, std::string_view text) -> MaybeError {
    if (text.find('\0') != std::string_view::npos) {
      return ValueError{"text without zero bytes", "argument must not contain zero bytes"};
    }
    field(config) = std::string(text);
    return std::nullopt;
  };
  return {.type = "TEXT",
          .parse = parse,
          .config_text = [=](const Config& config) { return read(field, config); },
          .file_text = [=](const Config& config) { return quote(read(field, config)); }};
}

Value path(TextField field) {
  Value value = text(field);
  value.type = "PATH";
  value.parse = [inner = value.parse](Config& config, std::string_view text) -> MaybeError {
    if (text.empty()) return ValueError{"a path", "argument must be a path"};
    return inner(config, text);
  };
  return value;
}

Value list(ListField field) {
  auto write = [=](const Config& config) {
    return fmt::format("{}", fmt::join(read(field, config), " "));
  };
  auto write_file = [=](const Config& config) {
    std::string items;
    for (const std::string& item : read(field, config)) {
      items += (items.empty() ? "" : ", ") + quote(item);
    }
    return "[" + items + "]";
  };
  auto parse = [=](Config& config, std::string_view text) -> MaybeError {
    field(config) = split_words(text);
    return std::nullopt;
  };
  return {.type = "LIST",
          .parse = parse,
          .config_text = write,
          .file_text = write_file,
          .is_list = true};
}

Value limit(LimitField field) {
  auto write_file = [=](const Config& config) {
    const OutputBufferLimit& limit = read(field, config);
    return fmt::format("{} {} {}", format_bytes(limit.hard_bytes), format_bytes(limit.soft_bytes),
                       limit.soft_s);
  };
  auto parse = [=](Config& config, std::string_view text) -> MaybeError {
    std::vector<std::string> words = split_words(text);
    std::optional<OutputBufferLimit> limit;
    if (words.size() == 3) limit = parse_limit(words[0], words[1], words[2]);
    if (!limit) {
      return ValueError{"a hard size, a soft size and seconds, such as 32MiB 8MiB 60",
                        "argument must be a hard limit, a soft limit and soft seconds"};
    }
    field(config) = *limit;
    return std::nullopt;
  };
  return {.type = "LIMIT",
          .parse = parse,
          .config_text = [=](const Config& config) { return limit_text(read(field, config)); },
          .file_text = write_file};
}

Value limits_by_class(const std::vector<std::pair<std::string, LimitField>>& classes) {
  auto write = [classes](const Config& config) {
    std::string all;
    for (const auto& [name, field] : classes) {
      all += (all.empty() ? "" : " ") + name + " " + limit_text(read(field, config));
    }
    return all;
  };
  auto parse = [classes](Config& config, std::string_view text) -> MaybeError {
    auto error = [](std::string_view sentence) {
      return ValueError{"a class, a hard size, a soft size and seconds", std::string(sentence)};
    };
    std::vector<std::string> words = split_words(text);
    if (words.empty() || words.size() % 4 != 0) {
      return error("Wrong number of arguments in buffer limit configuration.");
    }
    Config changed = config;
    for (size_t at = 0; at < words.size(); at += 4) {
      auto found = std::find_if(classes.begin(), classes.end(), [&](const auto& entry) {
        return entry.first == to_lower(words[at]);
      });
      if (found == classes.end()) {
        return error("Invalid client class specified in buffer limit configuration.");
      }
      std::optional<OutputBufferLimit> limit =
          parse_limit(words[at + 1], words[at + 2], words[at + 3]);
      if (!limit) {
        return error("Error in hard, soft or soft_seconds setting in buffer limit configuration.");
      }
      found->second(changed) = *limit;
    }
    config = std::move(changed);
    return std::nullopt;
  };
  return {.type = "LIMITS", .parse = parse, .config_text = write, .file_text = write};
}

Value notify_flags(NotifyField field) {
  auto parse = [=](Config& config, std::string_view text) -> MaybeError {
    std::optional<NotifyFlags> flags = NotifyFlags::parse(text);
    if (!flags) {
      return ValueError{"letters of Ag$lshzxeKEtmdn",
                        "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."};
    }
    field(config) = *flags;
    return std::nullopt;
  };
  return {
      .type = "LETTERS",
      .parse = parse,
      .config_text = [=](const Config& config) { return read(field, config).to_string(); },
      .file_text = [=](const Config& config) { return quote(read(field, config).to_string()); }};
}

Value fact(const std::string& value) {
  auto write = [value](const Config&) { return value; };
  auto parse = [value](Config&, std::string_view text) -> MaybeError {
    if (to_lower(text) == value) return std::nullopt;
    return ValueError{fmt::format("'{}', which cannot be changed", value),
                      "can't set immutable config"};
  };
  return {.type = "FACT", .parse = parse, .config_text = write, .file_text = write};
}

}  // namespace kvorum::config
