#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include "config/load.h"
#include "config/text.h"

namespace kvorum::config {

namespace {

// Far more than a file of options needs; a bound on what the YAML library is asked to hold.
constexpr size_t kFileBytesMax = 1 << 20;

std::string joined(const std::string& section, const std::string& name) {
  return section.empty() ? name : section + "." + name;
}

bool is_section(const std::string& path) {
  return std::any_of(options().begin(), options().end(),
                     [&](const Option& option) { return option.path.starts_with(path + "."); });
}

// A value as a person would recognise it in a message.
std::string shown(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Scalar: {
      constexpr size_t kShownBytesMax = 60;
      const std::string& text = node.Scalar();
      return "'" + (text.size() > kShownBytesMax ? text.substr(0, kShownBytesMax) + "…" : text) +
             "'";
    }
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a section";
    default:
      return "nothing";
  }
}

// Remembers where the last document begins, and looks at nothing else.
class DocumentStart final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override { line = mark.line + 1; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

  int line = 0;
};

// The line of a second document; nothing when there is one at most. YAML::Load reads the first and
// is silent about the rest; YAML::LoadAll makes documents without end of an input that begins with
// `,`.
std::optional<int> second_document(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentStart start;
  if (!parser.HandleNextDocument(start) || !parser.HandleNextDocument(start)) return std::nullopt;
  return start.line;
}

// Walks one document. Sections are as deep as the table's paths, so recursion is bounded.
class Walk {
 public:
  Walk(std::string_view file_name, FileConfig& result, Errors& errors)
      : file_name_(file_name), result_(result), errors_(errors) {}

  void section(const YAML::Node& node, const std::string& path) {
    if (node.IsNull()) return;
    if (!node.IsMap()) {
      error(node, "{} must hold options, one 'name: value' a line, but is {}",
            path.empty() ? "the file" : "section '" + path + "'", shown(node));
      return;
    }
    std::set<std::string> seen;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) {
        error(entry.first, "the name of an option must be one word, but is {}", shown(entry.first));
        continue;
      }
      const std::string name = joined(path, entry.first.Scalar());
      if (!seen.insert(name).second) {
        error(entry.first, "'{}' is set twice", name);
      } else if (const Option* option = find_path(name)) {
        value(*option, entry.first, entry.second);
      } else if (is_section(name)) {
        section(entry.second, name);
      } else {
        unknown(entry.first, path, name);
      }
    }
  }

 private:
  template <class... Args>
  void error(const YAML::Node& where, fmt::format_string<Args...> sentence, Args&&... args) {
    errors_.push_back(fmt::format("{}:{}: {}", file_name_, where.Mark().line + 1,
                                  fmt::format(sentence, std::forward<Args>(args)...)));
  }

  void value(const Option& option, const YAML::Node& key, const YAML::Node& node) {
    std::string text;
    if (node.IsNull()) {
      error(key, "{} has no value; leave the line out for the default ({})", option.path,
            option.value.file_text(Config()));
      return;
    }
    if (!scalar_or_list(option, node, text)) {
      error(key, "{} must be {}, but is {}", option.path, expected(option), shown(node));
      return;
    }
    if (MaybeError wrong = option.value.parse(result_.config, text)) {
      error(key, "{} must be {}, but is {}", option.path, wrong->expected, shown(node));
      return;
    }
    result_.entries.push_back({&option, key.Mark().line + 1});
  }

  static bool scalar_or_list(const Option& option, const YAML::Node& node, std::string& text) {
    if (node.IsScalar()) {
      text = node.Scalar();
      return true;
    }
    if (!option.value.is_list || !node.IsSequence()) return false;
    for (const YAML::Node& item : node) {
      if (!item.IsScalar()) return false;
      text += item.Scalar() + " ";
    }
    return true;
  }

  static std::string expected(const Option& option) {
    if (option.value.is_list) return "a list of words";
    Config scratch;
    // No option but free text takes a zero byte, and that one is any text.
    MaybeError wrong = option.value.parse(scratch, std::string_view("\0", 1));
    return wrong ? wrong->expected : "text";
  }

  void unknown(const YAML::Node& key, const std::string& path, const std::string& name) {
    std::vector<std::string> names;
    for (const Option& option : options()) {
      if (!option.in_file()) continue;
      // An option of another section that is spelt right, then those of this section.
      if (option.name() == key.Scalar() && option.section() != path) {
        error(key, "unknown option '{}'; did you mean '{}'?", name, option.path);
        return;
      }
      names.push_back(path.empty() ? option.section() : option.path);
    }
    error(key, "unknown {} '{}'{}", path.empty() ? "section" : "option", name,
          suggestion(name, names));
  }

  const std::string_view file_name_;
  FileConfig& result_;
  Errors& errors_;
};

}  // namespace

tl::expected<FileConfig, Errors> load_yaml(std::string_view text, std::string_view file_name) {
  Errors errors;
  FileConfig result;
  try {
    if (text.size() > kFileBytesMax) {
      errors.push_back(fmt::format("{}: larger than {} bytes", file_name, kFileBytesMax));
      return tl::make_unexpected(std::move(errors));
    }
    const std::string whole(text);
    if (std::optional<int> line = second_document(whole)) {
      errors.push_back(fmt::format("{}:{}: a second document begins; one file is one document",
                                   file_name, *line));
    }
    Walk(file_name, result, errors).section(YAML::Load(whole), "");
  } catch (const YAML::Exception& exception) {
    errors.push_back(fmt::format("{}:{}: {}", file_name, exception.mark.line + 1, exception.msg));
  } catch (const std::exception& exception) {
    errors.push_back(fmt::format("{}: {}", file_name, exception.what()));
  }
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));
  return result;
}

tl::expected<FileConfig, Errors> load_file(const std::string& path) {
  auto refuse = [&](const char* reason) {
    return tl::make_unexpected(Errors{fmt::format("{}: {}", path, reason)});
  };
  std::ifstream file(path, std::ios::binary);
  if (!file) return refuse(std::strerror(errno));
  std::string text;
  text.resize(kFileBytesMax + 1);
  // A folder opens, but does not read.
  errno = 0;
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (file.gcount() == 0 && errno != 0)) return refuse(std::strerror(errno));
  text.resize(static_cast<size_t>(file.gcount()));
  return load_yaml(text, path);
}

}  // namespace kvorum::config
