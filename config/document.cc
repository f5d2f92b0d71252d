#include <fmt/format.h>

#include <algorithm>

#include "config/options.h"

namespace kvorum::config {

namespace {

constexpr size_t kColumnsMax = 100;

constexpr std::string_view kTop =
    "# Every option of kvorum, with its default as a comment. An option is also a flag, with "
    "dashes for\n"
    "# underscores: --server.io-threads 2. Flags win over the file. Options with a line CONFIG SET "
    "can\n"
    "# also change while the node runs, by the name given there; CONFIG REWRITE keeps such changes "
    "in the\n"
    "# file. Sizes take KiB, MiB, GiB (kb, mb, gb are the same).\n";

// The blanks in front of the options of a section.
std::string indent_in(std::string_view section) {
  return std::string(2 + 2 * static_cast<size_t>(std::ranges::count(section, '.')), ' ');
}

// A section inside another comes right after the other's options.
std::string header(std::string_view section) {
  const size_t dot = section.rfind('.');
  if (dot == std::string_view::npos) return fmt::format("\n{}:\n", section);
  return fmt::format("\n{}{}:\n", indent_in(section.substr(0, dot)), section.substr(dot + 1));
}

// `text` as comment lines.
std::string as_comment(std::string_view text, const std::string& indent) {
  const std::string start = indent + "#";
  std::string out;
  std::string line(start);
  while (!text.empty()) {
    size_t end = std::min(text.find(' '), text.size());
    if (line.size() > start.size() && line.size() + 1 + end > kColumnsMax) {
      out += line + "\n";
      line = start;
    }
    line += " ";
    line += text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out + line + "\n";
}

std::string documentation(const Option& option, const std::string& indent) {
  std::string text = as_comment(option.doc, indent);
  if (option.change == Change::kAtRunTime) {
    text += as_comment("CONFIG SET " + option.config_name, indent);
  }
  return text;
}

}  // namespace

std::string yaml_document(const Config& config) {
  const Config defaults;
  std::string out(kTop);
  std::string section;
  for (const Option& option : options()) {
    if (!option.in_file()) continue;
    if (option.section() != section) {
      section = option.section();
      out += header(section);
    } else {
      out += "\n";
    }
    std::string text = option.value.file_text(config);
    const bool is_default = text == option.value.file_text(defaults);
    const std::string indent = indent_in(section);
    out += documentation(option, indent);
    out += fmt::format("{}{}{}: {}\n", indent, is_default ? "#" : "", option.name(), text);
  }
  return out;
}

}  // namespace kvorum::config
