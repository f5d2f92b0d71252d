#include "config/rewrite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "config/load.h"
#include "tests/base/temp_folder.h"

namespace kvorum::config {
namespace {

using ::testing::HasSubstr;
using Values = std::vector<std::pair<std::string, std::string>>;

// The text with the options set, or the sentence that refuses.
std::string edit(std::string_view text, const Values& values) {
  Config config;
  std::vector<const Option*> changed;
  for (const auto& [path, value] : values) {
    const Option* option = find_path(path);
    EXPECT_FALSE(option->value.parse(config, value));
    changed.push_back(option);
  }
  Result<std::string> edited = edit_yaml(text, "k.yaml", changed, config);
  return edited ? *edited : "refused: " + edited.error().message;
}

TEST(EditYaml, ReplacesAValueInItsLine) {
  EXPECT_EQ(edit("server:\n  max_clients: 5   # few\n", {{"server.max_clients", "6"}}),
            "server:\n  max_clients: 6   # few\n");
  EXPECT_EQ(edit("server:\n    \"max_clients\" :  5\n", {{"server.max_clients", "6"}}),
            "server:\n    \"max_clients\" :  6\n");
  EXPECT_EQ(
      edit("server:\n  requirepass: \"a # \\\" b\" # secret\n", {{"server.requirepass", "c"}}),
      "server:\n  requirepass: \"c\" # secret\n");
  EXPECT_EQ(edit("server:\n  requirepass: 'a '' # b'\n", {{"server.requirepass", "c#"}}),
            "server:\n  requirepass: \"c#\"\n");
  EXPECT_EQ(edit("server:\n  requirepass: a#b\n", {{"server.requirepass", "c"}}),
            "server:\n  requirepass: \"c\"\n");
  EXPECT_EQ(edit("server:\r\n  max_clients: 5\r\n", {{"server.max_clients", "6"}}),
            "server:\r\n  max_clients: 6\r\n");
}

TEST(EditYaml, LeavesAValueAloneThatIsAlreadySo) {
  const std::string text = "storage:\n  min_free_bytes: 67108864\nlog:\n  level: INFO";
  EXPECT_EQ(edit(text, {{"storage.min_free_bytes", "64mb"}, {"log.level", "info"}}), text + "\n");
}

TEST(EditYaml, PutsANewOptionBehindItsCommentedDefault) {
  EXPECT_EQ(edit("server:\n  # Connections.\n  #max_clients: 10000\n\n  # Port.\n  port: 1\n",
                 {{"server.max_clients", "6"}}),
            "server:\n  # Connections.\n  #max_clients: 10000\n  max_clients: 6\n\n  # Port.\n  "
            "port: 1\n");
}

TEST(EditYaml, PutsANewOptionIntoItsSection) {
  EXPECT_EQ(
      edit("server:\n    port: 1\nlog:\n", {{"server.max_clients", "6"}, {"log.level", "debug"}}),
      "server:\n    max_clients: 6\n    port: 1\nlog:\n  level: debug\n");
}

TEST(EditYaml, AddsASectionAtTheEnd) {
  EXPECT_EQ(edit("", {{"log.level", "debug"}}), "log:\n  level: debug\n");
  EXPECT_EQ(edit("server:\n  port: 1", {{"log.level", "debug"}}),
            "server:\n  port: 1\nlog:\n  level: debug\n");
}

TEST(EditYaml, EditsTheShippedFile) {
  const std::string text = yaml_document(Config());
  const Values values = {{"server.max_clients", "6"},
                         {"server.output_buffer_pubsub", "1mb 2mb 3"},
                         {"watch.notify_keyspace_events", "KEA"},
                         {"latency.monitor_threshold_ms", "5"}};
  std::string edited = edit(text, values);
  for (const char* line :
       {"\n  #max_clients: 10000\n  max_clients: 6\n", "\n  output_buffer_pubsub: 1MiB 2MiB 3\n",
        "\n  notify_keyspace_events: \"AKE\"\n", "\n  monitor_threshold_ms: 5\n"}) {
    EXPECT_THAT(edited, HasSubstr(line));
  }
  EXPECT_EQ(load_yaml(edited, "k.yaml")->entries.size(), values.size());
}

TEST(EditYaml, EditsEveryOptionThatCanChange) {
  const std::string text = yaml_document(Config());
  for (const Option& option : options()) {
    if (!option.in_file() || option.change != Change::kAtRunTime) continue;
    for (const char* value : {"1", "70mb", "no", "eventual", "debug", "KEA", "1 2 3"}) {
      Config config;
      if (option.value.parse(config, value)) continue;
      std::string once = edit(text, {{option.path, value}});
      EXPECT_EQ(edit(once, {{option.path, value}}), once) << option.path;
      EXPECT_THAT(once, AnyOf(HasSubstr("\n  " + option.name() + ": "),
                              HasSubstr("\n    " + option.name() + ": ")))
          << option.path;
    }
  }
}

TEST(EditYaml, RefusesWhatItCannotEdit) {
  const std::string refused = "refused: k.yaml";
  for (const char* text :
       {"server: {max_clients: 5}\n", "server:\n  max_clients:\n    5\n",
        "server:\n  max_clients: &a 5\n", "{}\n", "server: {}\n", "server:\n  port: 1\n...\n"}) {
    EXPECT_THAT(edit(text, {{"server.max_clients", "6"}, {"log.level", "debug"}}),
                HasSubstr(refused))
        << text;
  }
  EXPECT_THAT(edit("server:\n  requirepass: a\n    b\n", {{"server.requirepass", "c"}}),
              HasSubstr(refused));
  EXPECT_THAT(edit("server:\n  prot: 1\n", {{"log.level", "debug"}}),
              HasSubstr("unknown option 'server.prot'"));
}

TEST(EditYaml, WritesAnyPasswordSoThatItReadsBack) {
  for (const char* password :
       {"", "a\nb\t", "\xff\xfe", "#x: y", "\"'\\", "é\x7f", "-", "~", "null"}) {
    auto loaded =
        load_yaml(edit("server:\n  requirepass: x\n", {{"server.requirepass", password}}), "");
    ASSERT_TRUE(loaded) << loaded.error().front();
    EXPECT_EQ(loaded->config.server.requirepass, password);
  }
}

}  // namespace
}  // namespace kvorum::config
