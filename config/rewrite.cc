#include "config/rewrite.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <vector>

#include "config/load.h"

namespace kvorum::config {

namespace {

using Lines = std::vector<std::string>;

Lines split_lines(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

size_t indent_of(std::string_view line) {
  return std::min(line.find_first_not_of(' '), line.size());
}

bool is_content(std::string_view line) {
  size_t first = line.find_first_not_of(" \t\r");
  return first != std::string_view::npos && line[first] != '#';
}

// Where the value of `name` stands in a line `name: value  # comment`.
struct ValueSpan {
  size_t begin = 0;
  size_t end = 0;
};

// The place behind a quoted scalar that begins at `at`; nothing when it goes on in the next line.
std::optional<size_t> end_of_quoted(std::string_view line, size_t at) {
  const char quote_mark = line[at];
  for (++at; at < line.size(); ++at) {
    if (quote_mark == '"' && line[at] == '\\') {
      ++at;
    } else if (line[at] == quote_mark) {
      if (quote_mark == '"' || at + 1 == line.size() || line[at + 1] != '\'') return at + 1;
      ++at;
    }
  }
  return std::nullopt;
}

// The place behind the colon that follows `name`, when the line is about it.
std::optional<size_t> behind_name(std::string_view line, std::string_view name) {
  size_t at = indent_of(line);
  const bool quoted = at < line.size() && (line[at] == '"' || line[at] == '\'');
  if (quoted) ++at;
  if (line.substr(at, name.size()) != name) return std::nullopt;
  at = line.find_first_not_of(' ', at + name.size() + (quoted ? 1 : 0));
  if (at == std::string_view::npos || line[at] != ':') return std::nullopt;
  return at + 1;
}

std::optional<ValueSpan> find_value(std::string_view line, std::string_view name) {
  std::optional<size_t> colon = behind_name(line, name);
  if (!colon) return std::nullopt;
  size_t begin = line.find_first_not_of(" \t", *colon);
  // Anchors, tags, blocks and collections are values of more than these words.
  constexpr std::string_view kOtherForms = "#&*!|>[{\r";
  if (begin == std::string_view::npos || kOtherForms.find(line[begin]) != std::string_view::npos) {
    return std::nullopt;
  }
  if (line[begin] == '"' || line[begin] == '\'') {
    std::optional<size_t> end = end_of_quoted(line, begin);
    if (!end) return std::nullopt;
    return ValueSpan{begin, *end};
  }
  size_t end = std::min(line.find(" #", begin), line.size());
  end = line.find_last_not_of(" \t\r", end - 1) + 1;
  return ValueSpan{begin, end};
}

// A section of the text: its header's line and the lines below it, up to `end`.
struct Section {
  size_t begin = 0;  // first line below the header
  size_t end = 0;
  size_t indent = 0;  // of what stands in it, when it is known
  bool indent_known = false;
};

Section contents(const Lines& lines, size_t begin, size_t outer_end, size_t header_indent) {
  Section section{begin, outer_end, header_indent + 2, false};
  for (size_t i = begin; i < outer_end; ++i) {
    if (!is_content(lines[i])) continue;
    if (indent_of(lines[i]) <= header_indent) {
      section.end = i;
      break;
    }
    if (!section.indent_known) section.indent = indent_of(lines[i]);
    section.indent_known = true;
  }
  return section;
}

// Follows the names of `path` as far as the text has them; `missing` is the rest.
Section find_section(const Lines& lines, std::string_view path, std::string_view& missing) {
  Section section{0, lines.size(), 0, true};
  missing = path;
  while (!missing.empty()) {
    std::string_view name = missing.substr(0, missing.find('.'));
    size_t at = section.begin;
    while (at < section.end && (!is_content(lines[at]) || indent_of(lines[at]) != section.indent ||
                                !behind_name(lines[at], name))) {
      ++at;
    }
    if (at == section.end) return section;
    section = contents(lines, at + 1, section.end, section.indent);
    missing.remove_prefix(std::min(name.size() + 1, missing.size()));
  }
  return section;
}

void insert(Lines& lines, const Option& option, const std::string& text) {
  const std::string path = option.section();
  std::string_view missing;
  Section section = find_section(lines, path, missing);
  // A section of the top level that is missing goes to the end of the file.
  size_t at = missing.size() == path.size() ? lines.size() : section.begin;
  std::string indent(section.indent, ' ');
  if (missing.empty()) {
    const std::string commented = "#" + option.name() + ":";
    for (size_t i = section.begin; i < section.end; ++i) {
      std::string squeezed = lines[i];
      std::erase(squeezed, ' ');
      if (!squeezed.starts_with(commented)) continue;
      at = i + 1;
      if (!section.indent_known && indent_of(lines[i]) != 0) {
        indent.assign(indent_of(lines[i]), ' ');
      }
      break;
    }
  }
  Lines added;
  while (!missing.empty()) {
    std::string_view name = missing.substr(0, missing.find('.'));
    added.push_back(fmt::format("{}{}:", indent, name));
    indent += "  ";
    missing.remove_prefix(std::min(name.size() + 1, missing.size()));
  }
  added.push_back(fmt::format("{}{}: {}", indent, option.name(), text));
  lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at), added.begin(), added.end());
}

// The edited text must load, hold the new values, and nothing else must have changed.
Status verify(const std::string& text, std::string_view file_name, const FileConfig& before,
              std::span<const Option* const> changed, const Config& config) {
  auto after = load_yaml(text, file_name);
  if (!after) return fail("{} is in a form that cannot be edited", file_name);
  for (const Option& option : options()) {
    if (!option.in_file()) continue;
    const bool is_changed = std::find(changed.begin(), changed.end(), &option) != changed.end();
    const Config& wanted = is_changed ? config : before.config;
    if (option.value.file_text(after->config) != option.value.file_text(wanted)) {
      return fail("{} is in a form in which {} cannot be edited", file_name, option.path);
    }
  }
  return ok();
}

}  // namespace

Result<std::string> edit_yaml(std::string_view text, std::string_view file_name,
                              std::span<const Option* const> changed, const Config& config) {
  auto before = load_yaml(text, file_name);
  if (!before) return fail("{}", before.error().front());
  Lines lines = split_lines(text);
  std::vector<const Option*> absent;
  for (const Option* option : changed) {
    const std::string value = option->value.file_text(config);
    if (value == option->value.file_text(before->config)) continue;
    auto entry = std::find_if(before->entries.begin(), before->entries.end(),
                              [&](const FileEntry& e) { return e.option == option; });
    if (entry == before->entries.end()) {
      absent.push_back(option);
      continue;
    }
    std::string& line = lines[static_cast<size_t>(entry->line - 1)];
    std::optional<ValueSpan> span = find_value(line, option->name());
    if (!span) {
      return fail("{}:{}: {} is in a form that cannot be edited", file_name, entry->line,
                  option->path);
    }
    line.replace(span->begin, span->end - span->begin, value);
  }
  for (const Option* option : absent) insert(lines, *option, option->value.file_text(config));
  std::string edited;
  for (const std::string& line : lines) edited += line + "\n";
  if (Status status = verify(edited, file_name, *before, changed, config); !status) {
    return tl::make_unexpected(status.error());
  }
  return edited;
}

Result<std::string> read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail("{}: {}", path, std::strerror(errno));
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (file.bad()) return fail("{}: cannot be read", path);
  return text;
}

}  // namespace kvorum::config
