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

// `text` as comment lines indented by two.
std::string as_comment(std::string_view text) {
  constexpr std::string_view kStart = "  #";
  std::string out;
  std::string line(kStart);
  while (!text.empty()) {
    size_t end = std::min(text.find(' '), text.size());
    if (line.size() > kStart.size() && line.size() + 1 + end > kColumnsMax) {
      out += line + "\n";
      line = kStart;
    }
    line += " ";
    line += text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out + line + "\n";
}

std::string documentation(const Option& option) {
  std::string text = as_comment(option.doc);
  if (option.change == Change::kAtRunTime) text += as_comment("CONFIG SET " + option.config_name);
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
      out += fmt::format("\n{}:\n", section);
    } else {
      out += "\n";
    }
    std::string text = option.value.file_text(config);
    const bool is_default = text == option.value.file_text(defaults);
    out += documentation(option);
    out += fmt::format("  {}{}: {}\n", is_default ? "#" : "", option.name(), text);
  }
  return out;
}

}  // namespace kvorum::config
