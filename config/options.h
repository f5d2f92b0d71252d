// The table of options: one row is all there is to know about one. The file, the flags, --help, the
// documented kvorum.yaml and CONFIG GET/SET/REWRITE are driven by it. A new option is a member of
// Config and a row here.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/value.h"

namespace kvorum::config {

enum class Change : uint8_t {
  kAtStart,    // read once
  kAtRunTime,  // CONFIG SET
};

struct Option {
  // Place in the file, sections and name joined by dots: "server.io_threads"; as a flag,
  // "--server.io-threads". Empty for what only CONFIG knows.
  std::string path;
  std::string config_name;  // Redis' own name where Redis has the option, else the path
  std::string flag;         // a short flag beside the long one, without dashes; may be empty
  Change change = Change::kAtStart;
  Value value;
  std::string doc;  // sentences; the first stands alone in --help

  bool in_file() const { return !path.empty(); }
  // "server.io-threads"
  std::string long_flag() const;
  // "server" and "io_threads"
  std::string section() const;
  std::string name() const;
};

// In the order of the file.
std::span<const Option> options();

// By place in the file, or by CONFIG name (any case); nullptr when there is none.
const Option* find_path(std::string_view path);
const Option* find_config_name(std::string_view name);

// What is wrong between options that are each right: one sentence each, empty when all is well.
std::vector<std::string> validate(const Config& config);

// Every option with its documentation, as a file: those at their default as comments, the others
// set. Of a default Config it is config/kvorum.yaml.
std::string yaml_document(const Config& config);

}  // namespace kvorum::config
