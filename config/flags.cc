#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

#include "config/load.h"
#include "config/text.h"

namespace kvorum::config {

namespace {

constexpr std::string_view kProgram = "kvorum";

constexpr std::string_view kSwitches[] = {"--check-config", "--print-config", "--version",
                                          "--help"};

// `--server.io_threads=2` becomes `--server.io-threads` and `2`: both spellings of a name are one,
// and an empty value after `=` stays a value. In the order that CLI11 wants its input: reversed.
std::vector<std::string> normalise(int argc, const char* const* argv) {
  std::vector<std::string> arguments;
  bool is_value = false;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (is_value || !argument.starts_with("--")) {
      arguments.push_back(std::move(argument));
      is_value = false;
      continue;
    }
    const size_t equals = argument.find('=');
    std::string name = argument.substr(0, equals);
    std::replace(name.begin(), name.end(), '_', '-');
    is_value =
        equals == std::string::npos && std::ranges::find(kSwitches, name) == std::end(kSwitches);
    arguments.push_back(std::move(name));
    if (equals != std::string::npos) arguments.push_back(argument.substr(equals + 1));
  }
  std::reverse(arguments.begin(), arguments.end());
  return arguments;
}

std::string first_sentence(const std::string& doc) {
  size_t end = doc.find(". ");
  return end == std::string::npos ? doc.substr(0, doc.find_last_not_of('.') + 1)
                                  : doc.substr(0, end);
}

class Flags {
 public:
  Flags() : app_("kvorum: a replicated, durable key-value server that Redis clients speak to") {
    app_.name(std::string(kProgram));
    app_.allow_extras();
    app_.set_help_flag("");
    app_.get_formatter()->column_width(40);
    app_.add_option("--config", file_, "Read options from this YAML file")->type_name("FILE");
    app_.add_flag("--check-config", check_, "Load the configuration, say what is wrong, and exit");
    app_.add_flag("--print-config", print_, "Print the configuration as a file, and exit");
    app_.add_flag("--version", version_, "Print the version, and exit");
    app_.add_flag("--help,-h", help_, "Print this, and exit");
    for (const Option& option : options()) {
      if (option.in_file()) add(option);
    }
  }

  void parse(int argc, const char* const* argv, Errors& errors) {
    try {
      app_.parse(normalise(argc, argv));
    } catch (const CLI::ArgumentMismatch& mismatch) {
      errors.push_back(fmt::format("a flag needs a value: {}", mismatch.what()));
    } catch (const CLI::Error& error) {
      errors.push_back(error.what());
    }
    refuse_extras(errors);
  }

  void apply(Config& config, Errors& errors) const {
    for (const auto& [option, flag] : flags_) {
      if (flag->count() == 0) continue;
      const CLI::results_t& given = flag->results();
      const std::string text =
          option->value.is_list ? fmt::format("{}", fmt::join(given, " ")) : given.back();
      if (MaybeError wrong = option->value.parse(config, text)) {
        errors.push_back(fmt::format("--{} must be {}, but is '{}'", option->long_flag(),
                                     wrong->expected, text));
      }
    }
  }

  const std::string& file() const { return file_; }
  bool check() const { return check_; }
  bool print() const { return print_; }
  bool version() const { return version_; }
  bool help() const { return help_; }
  std::string help_text() { return app_.help(); }

 private:
  void add(const Option& option) {
    std::string names = "--" + option.long_flag();
    if (!option.flag.empty()) names = "--" + option.flag + "," + names;
    CLI::Option* flag = app_.add_option(names);
    flag->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->type_name(option.value.type)
        ->group(option.section())
        ->description(
            fmt::format("{} [{}]", first_sentence(option.doc), option.value.file_text(Config())));
    flags_.emplace_back(&option, flag);
  }

  std::vector<std::string> all_names() const {
    std::vector<std::string> names;
    for (const CLI::Option* option : app_.get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
    return names;
  }

  // What follows an unknown flag is taken for its value and not reported on its own.
  void refuse_extras(Errors& errors) const {
    bool behind_unknown = false;
    for (const std::string& extra : app_.remaining()) {
      if (extra.starts_with("-")) {
        errors.push_back(fmt::format("unknown flag '{}'{}", extra, suggestion(extra, all_names())));
        behind_unknown = true;
      } else if (!behind_unknown) {
        errors.push_back(fmt::format(
            "unexpected argument '{}'; options are flags, and a file is given with --config",
            extra));
      } else {
        behind_unknown = false;
      }
    }
  }

  CLI::App app_;
  std::vector<std::pair<const Option*, CLI::Option*>> flags_;
  std::string file_;
  bool check_ = false;
  bool print_ = false;
  bool version_ = false;
  bool help_ = false;
};

Startup stop(int exit_code, std::string output, const Errors& errors = {}) {
  Startup startup;
  startup.exit_code = exit_code;
  startup.output = std::move(output);
  for (const std::string& error : errors)
    startup.errors += fmt::format("{}: {}\n", kProgram, error);
  return startup;
}

void append(Errors& errors, const Errors& more, const std::string& prefix = {}) {
  for (const std::string& error : more) errors.push_back(prefix + error);
}

}  // namespace

Startup start_up(int argc, const char* const* argv, std::string_view version) {
  constexpr int kUsageError = 2;
  constexpr int kConfigError = 1;
  Flags flags;
  Errors errors;
  flags.parse(argc, argv, errors);
  if (flags.help()) return stop(0, flags.help_text());
  if (flags.version()) return stop(0, fmt::format("{} {}\n", kProgram, version));
  if (!errors.empty()) {
    errors.push_back(fmt::format("'{} --help' lists the flags", kProgram));
    return stop(kUsageError, "", errors);
  }

  Startup startup;
  if (!flags.file().empty()) {
    std::error_code ignored;
    startup.file = std::filesystem::absolute(flags.file(), ignored).string();
    auto loaded = load_file(flags.file());
    if (loaded) {
      startup.config = std::move(loaded->config);
    } else {
      append(errors, loaded.error());
    }
  }
  flags.apply(startup.config, errors);
  if (errors.empty()) append(errors, validate(startup.config));
  if (!errors.empty()) return stop(kConfigError, "", errors);
  if (flags.print()) return stop(0, yaml_document(startup.config));
  if (flags.check()) return stop(0, "ok\n");
  startup.run = true;
  return startup;
}

}  // namespace kvorum::config
