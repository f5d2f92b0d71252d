// Any bytes as a configuration file: an error names the file, and what loads can be printed, loaded
// again and edited without changing its meaning.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "config/load.h"
#include "config/options.h"
#include "config/rewrite.h"

namespace {

using kvorum::Config;
using kvorum::config::find_path;
using kvorum::config::load_yaml;
using kvorum::config::Option;
using kvorum::config::options;

void check_same(const Config& left, const Config& right) {
  for (const Option& option : options()) {
    CHECK(option.value.config_text(left) == option.value.config_text(right), "{}",
          option.config_name);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto loaded = load_yaml(text, "fuzz.yaml");
  if (!loaded) {
    CHECK(!loaded.error().empty());
    for (const std::string& error : loaded.error()) CHECK(error.starts_with("fuzz.yaml:"));
    return 0;
  }
  (void)kvorum::config::validate(loaded->config);

  auto printed = load_yaml(kvorum::config::yaml_document(loaded->config), "printed.yaml");
  CHECK(printed.has_value(), "{}", printed.error().front());
  check_same(loaded->config, printed->config);

  Config wanted = loaded->config;
  wanted.server.max_clients = 4321;
  wanted.server.requirepass = "a \"secret\" # word";
  const Option* const changed[] = {find_path("server.max_clients"),
                                   find_path("server.requirepass")};
  auto edited = kvorum::config::edit_yaml(text, "fuzz.yaml", changed, wanted);
  if (!edited) return 0;
  auto again = load_yaml(*edited, "edited.yaml");
  CHECK(again.has_value(), "{}", again.error().front());
  check_same(wanted, again->config);
  return 0;
}
