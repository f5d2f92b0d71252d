// Loading: defaults, then the file, then the flags; all errors at once, each one a sentence that
// says where. Used by main() before there is any thread.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "config/config.h"
#include "config/options.h"

namespace kvorum::config {

using Errors = std::vector<std::string>;

// An option that a file sets.
struct FileEntry {
  const Option* option = nullptr;
  int line = 0;  // of its name, from 1
};

struct FileConfig {
  Config config;                   // defaults where the file is silent
  std::vector<FileEntry> entries;  // in the order of the file
};

// `file_name` is for messages: "kvorum.yaml:3: unknown option 'server.prot'; did you mean …".
// Options are judged one by one: validate() is the caller's, when flags are in.
tl::expected<FileConfig, Errors> load_yaml(std::string_view text, std::string_view file_name);
tl::expected<FileConfig, Errors> load_file(const std::string& path);

// What main() does next.
struct Startup {
  bool run = false;  // start a node with `config`; otherwise exit with `exit_code`
  int exit_code = 0;
  std::string output;  // for standard output
  std::string errors;  // for standard error
  Config config;
  std::string file;  // --config, absolute; empty without one
};
// argv[0] is the program's name. `version` is what --version prints.
Startup start_up(int argc, const char* const* argv, std::string_view version);

}  // namespace kvorum::config
