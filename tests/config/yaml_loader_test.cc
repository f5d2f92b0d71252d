#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"
#include "tests/base/temp_folder.h"

namespace kvorum::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Errors errors_of(const std::string& text) {
  auto loaded = load_yaml(text, "f.yaml");
  return loaded ? Errors{} : loaded.error();
}

TEST(YamlLoader, ReadsEveryKindOfValue) {
  auto loaded = load_yaml(R"(
server:
  bind: ["127.0.0.1", "-::1"]   # a list
  port: 7001
  unix_socket_perm: 0700
  protected_mode: no
  output_buffer_pubsub: 1mb 0 5
  requirepass: 'it''s "x"'
storage: {cache_bytes: 64mb}
log:
  level: NOTICE
slowlog:
  slower_than_us: -1
)",
                          "f.yaml");
  ASSERT_TRUE(loaded) << loaded.error().front();
  const Config& config = loaded->config;
  EXPECT_THAT(config.server.bind, ElementsAre("127.0.0.1", "-::1"));
  EXPECT_EQ(config.server.port, 7001);
  EXPECT_EQ(config.server.unix_socket_perm, 0700U);
  EXPECT_FALSE(config.server.protected_mode);
  EXPECT_EQ(config.server.output_buffer_pubsub, (OutputBufferLimit{1 << 20, 0, 5}));
  EXPECT_EQ(config.server.requirepass, "it's \"x\"");
  EXPECT_EQ(config.storage.cache_bytes, 64U << 20);
  EXPECT_EQ(config.log.level, LogLevel::kInfo);
  EXPECT_EQ(config.slowlog.slower_than_us, -1);
  EXPECT_EQ(config.server.max_clients, Config().server.max_clients);
  ASSERT_EQ(loaded->entries.size(), 9U);
  EXPECT_EQ(loaded->entries[1].option->path, "server.port");
  EXPECT_EQ(loaded->entries[1].line, 4);
}

TEST(YamlLoader, TakesAListAsOneScalar) {
  auto loaded = load_yaml("server:\n  bind: 127.0.0.1 -::1\n", "f.yaml");
  ASSERT_TRUE(loaded);
  EXPECT_THAT(loaded->config.server.bind, ElementsAre("127.0.0.1", "-::1"));
}

TEST(YamlLoader, TakesEmptyFilesAndSections) {
  EXPECT_THAT(errors_of(""), ElementsAre());
  EXPECT_THAT(errors_of("# nothing\n"), ElementsAre());
  EXPECT_THAT(errors_of("server:\nlog: {}\n"), ElementsAre());
}

TEST(YamlLoader, NamesTheNearestOptionForAnUnknownOne) {
  EXPECT_THAT(errors_of("server:\n  prot: 1\n"),
              ElementsAre("f.yaml:2: unknown option 'server.prot'; did you mean 'server.port'?"));
  EXPECT_THAT(errors_of("servr:\n  port: 1\n"),
              ElementsAre("f.yaml:1: unknown section 'servr'; did you mean 'server'?"));
  EXPECT_THAT(errors_of("server:\n  cache_bytes: 1\n"),
              ElementsAre("f.yaml:2: unknown option 'server.cache_bytes'; did you mean "
                          "'storage.cache_bytes'?"));
  EXPECT_THAT(errors_of("port: 1\n"),
              ElementsAre("f.yaml:1: unknown option 'port'; did you mean 'server.port'?"));
  EXPECT_THAT(errors_of("server:\n  zzzzzzzzzzzzz: 1\n"),
              ElementsAre("f.yaml:2: unknown option 'server.zzzzzzzzzzzzz'"));
}

TEST(YamlLoader, SaysWhatAValueMustBe) {
  EXPECT_THAT(errors_of("server:\n  port: abc\n"),
              ElementsAre("f.yaml:2: server.port must be a whole number from 0 to 65535, but is "
                          "'abc'"));
  EXPECT_THAT(errors_of("server:\n  port: 65536\n"), ElementsAre(HasSubstr("but is '65536'")));
  EXPECT_THAT(errors_of("server:\n  port: [1]\n"), ElementsAre(HasSubstr("but is a list")));
  EXPECT_THAT(errors_of("server:\n  port: {a: 1}\n"), ElementsAre(HasSubstr("but is a section")));
  EXPECT_THAT(errors_of("server:\n  bind: {a: 1}\n"),
              ElementsAre("f.yaml:2: server.bind must be a list of words, but is a section"));
  EXPECT_THAT(errors_of("server:\n  bind: [[a]]\n"), ElementsAre(HasSubstr("but is a list")));
  EXPECT_THAT(errors_of("server:\n  requirepass: [a]\n"), ElementsAre(HasSubstr("must be text")));
  EXPECT_THAT(errors_of("server:\n  port:\n"),
              ElementsAre(HasSubstr("server.port has no value; leave the line out for the default "
                                    "(6379)")));
  EXPECT_THAT(errors_of("storage:\n  cache_bytes: 1x\n"), ElementsAre(HasSubstr("such as 64MiB")));
  EXPECT_THAT(errors_of("node:\n  data_dir: \"\"\n"), ElementsAre(HasSubstr("must be a path")));
  EXPECT_THAT(errors_of("server: 5\n"),
              ElementsAre(HasSubstr("section 'server' must hold options")));
  EXPECT_THAT(errors_of("just words\n"), ElementsAre(HasSubstr("the file must hold options")));
  EXPECT_THAT(errors_of("- 1\n"), ElementsAre(HasSubstr("the file must hold options")));
}

TEST(YamlLoader, RefusesAnOptionSetTwice) {
  EXPECT_THAT(errors_of("server:\n  port: 1\n  port: 1\n"),
              ElementsAre("f.yaml:3: 'server.port' is set twice"));
  EXPECT_THAT(errors_of("log:\nserver:\nlog:\n"), ElementsAre("f.yaml:3: 'log' is set twice"));
}

TEST(YamlLoader, ReportsAllErrorsAtOnce) {
  EXPECT_THAT(errors_of("server:\n  prot: 1\n  port: x\nlog:\n  level: loud\n[a]: 1\n"),
              ElementsAre(StartsWith("f.yaml:2: "), StartsWith("f.yaml:3: "),
                          StartsWith("f.yaml:5: "), StartsWith("f.yaml:6: the name of an option")));
}

TEST(YamlLoader, SaysWhereTheYamlIsBroken) {
  EXPECT_THAT(errors_of("server:\n  bind: [\n"), ElementsAre(StartsWith("f.yaml:3: ")));
  EXPECT_THAT(errors_of("server:\n---\nlog:\n"), ElementsAre(HasSubstr("a second document")));
  EXPECT_THAT(errors_of("server:\n  port: 1\n...\n"), ElementsAre());
  EXPECT_THAT(errors_of(",server:\n"), ElementsAre(StartsWith("f.yaml:1: ")));
  EXPECT_THAT(errors_of(std::string((1 << 20) + 1, '#')), ElementsAre(HasSubstr("larger than")));
}

TEST(YamlLoader, SaysThatAFileIsMissing) {
  TempFolder folder;
  auto loaded = load_file(folder.path("none.yaml"));
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error(),
              ElementsAre(folder.path("none.yaml") + ": No such file or directory"));
  auto directory = load_file(folder.path(""));
  ASSERT_FALSE(directory);
  EXPECT_THAT(directory.error(), ElementsAre(HasSubstr("Is a directory")));
}

}  // namespace
}  // namespace kvorum::config
