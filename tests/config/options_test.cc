#include "config/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>

#include "config/load.h"

namespace kvorum::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string shipped_file() {
  std::ifstream file(KVORUM_SOURCE_DIR "/config/kvorum.yaml", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(Options, HaveNamesOfTheirOwn) {
  std::set<std::string> paths;
  std::set<std::string> names;
  std::set<std::string> flags;
  for (const Option& option : options()) {
    EXPECT_TRUE(names.insert(option.config_name).second) << option.config_name;
    if (!option.in_file()) continue;
    EXPECT_TRUE(paths.insert(option.path).second) << option.path;
    EXPECT_TRUE(flags.insert(option.long_flag()).second) << option.path;
    EXPECT_TRUE(option.flag.empty() || flags.insert(option.flag).second) << option.path;
    EXPECT_FALSE(option.doc.empty()) << option.path;
    EXPECT_EQ(option.doc.back(), '.') << option.path;
  }
}

TEST(Options, AreFoundByPathAndByConfigName) {
  ASSERT_NE(find_path("server.max_clients"), nullptr);
  EXPECT_EQ(find_path("server.max_clients"), find_config_name("MaxClients"));
  EXPECT_EQ(find_path("max_clients"), nullptr);
  EXPECT_EQ(find_path(""), nullptr);
  EXPECT_EQ(find_config_name("server.max_clients"), nullptr);
}

// Each writes what it reads, and the texts of one option do not touch another.
TEST(Options, ReadBackTheirOwnTexts) {
  const Config defaults;
  for (const Option& option : options()) {
    Config config;
    EXPECT_FALSE(option.value.parse(config, option.value.config_text(defaults)))
        << option.config_name;
    for (const Option& other : options()) {
      EXPECT_EQ(other.value.file_text(config), other.value.file_text(defaults))
          << option.config_name << " changed " << other.config_name;
    }
  }
}

TEST(Options, AllowTheirDefaults) {
  EXPECT_THAT(validate(Config()), ElementsAre());
}

TEST(ShippedFile, IsTheDocumentOfTheDefaults) {
  EXPECT_EQ(shipped_file(), yaml_document(Config()))
      << "write it anew: kvorum --print-config > config/kvorum.yaml";
}

TEST(ShippedFile, SetsNothingAsItIs) {
  auto loaded = load_yaml(shipped_file(), "kvorum.yaml");
  ASSERT_TRUE(loaded);
  EXPECT_TRUE(loaded->entries.empty());
}

TEST(ShippedFile, NamesEveryOptionWithExactlyItsDefault) {
  std::string text = "\n" + shipped_file();
  for (std::string_view indent : {"\n  #", "\n    #"}) {
    const size_t mark = indent.size() - 1;
    for (size_t at = 0; (at = text.find(indent, at)) != std::string::npos; ++at) {
      if (text[at + mark + 1] != ' ') text.erase(at + mark, 1);
    }
  }
  auto loaded = load_yaml(text, "kvorum.yaml");
  ASSERT_TRUE(loaded) << loaded.error().front();
  std::set<std::string> present;
  for (const FileEntry& entry : loaded->entries) present.insert(entry.option->path);
  const Config defaults;
  for (const Option& option : options()) {
    if (!option.in_file()) continue;
    EXPECT_TRUE(present.contains(option.path)) << option.path;
    EXPECT_EQ(option.value.file_text(loaded->config), option.value.file_text(defaults))
        << option.path;
  }
}

TEST(Document, LoadsAsTheConfigItWasMadeOf) {
  Config config;
  config.server.port = 7001;
  config.server.bind = {"10.0.0.1", "::1"};
  config.server.requirepass = "quote \" backslash \\ tab \t hash # é";
  config.storage.cache_bytes = (4 << 20) + 1;
  config.slowlog.slower_than_us = -1;
  config.watch.notify_keyspace_events = *NotifyFlags::parse("KEA");
  auto loaded = load_yaml(yaml_document(config), "printed");
  ASSERT_TRUE(loaded) << loaded.error().front();
  EXPECT_EQ(loaded->entries.size(), 6U);
  EXPECT_EQ(loaded->config.server.port, 7001);
  EXPECT_EQ(loaded->config.server.bind, config.server.bind);
  EXPECT_EQ(loaded->config.server.requirepass, config.server.requirepass);
  EXPECT_EQ(loaded->config.storage.cache_bytes, config.storage.cache_bytes);
  EXPECT_EQ(loaded->config.slowlog.slower_than_us, -1);
  EXPECT_EQ(loaded->config.watch.notify_keyspace_events.to_string(), "AKE");
}

TEST(Validate, WantsSomethingToListenOn) {
  Config config;
  config.server.port = 0;
  EXPECT_THAT(validate(config), ElementsAre(HasSubstr("nothing to listen on")));
  config.server.unix_socket = "k.sock";
  EXPECT_THAT(validate(config), ElementsAre());
  config.server.unix_socket = std::string(200, 'k');
  EXPECT_THAT(validate(config), ElementsAre(HasSubstr("server.unix_socket is 200 bytes long")));
  config = Config();
  config.server.bind.clear();
  EXPECT_THAT(validate(config), ElementsAre(HasSubstr("nothing to listen on")));
}

TEST(Validate, KeepsRaftTimesInOrder) {
  Config config;
  config.raft.heartbeat_interval_ms = 151;
  EXPECT_THAT(validate(config), ElementsAre(HasSubstr("raft.heartbeat_interval_ms (151)")));
  config = Config();
  config.raft.clock_drift_ms = 280;
  EXPECT_THAT(validate(config), ElementsAre(HasSubstr("raft.clock_drift_ms (280)")));
  config = Config();
  config.raft.tick_ms = 51;
  EXPECT_THAT(validate(config), ElementsAre(HasSubstr("raft.tick_ms (51)")));
}

TEST(Validate, KeepsSizesInOrder) {
  Config config;
  config.storage.cache_bytes = uint64_t{1} << 30;
  config.storage.max_value_bytes = (64 << 20) + 1;
  EXPECT_THAT(validate(config), ElementsAre(HasSubstr("storage.max_value_bytes")));
  config = Config();
  config.server.max_bulk_bytes = 65 << 20;
  EXPECT_THAT(validate(config), ElementsAre(HasSubstr("server.max_bulk_bytes (65MiB)")));
  config = Config();
  config.raft.max_uncommitted_bytes = 32 << 20;
  EXPECT_THAT(validate(config), ElementsAre(HasSubstr("raft.max_uncommitted_bytes (32MiB)")));
}

TEST(Validate, WantsACacheForTheLargestCommandAndValue) {
  Config config;
  config.storage.cache_bytes = 4 * config.server.max_command_bytes - 1;
  EXPECT_THAT(
      validate(config),
      ElementsAre("storage.cache_bytes (268435455) must be at least 4 times "
                  "server.max_command_bytes (64MiB), or a write may never end: set "
                  "storage.cache_bytes to 256MiB, or server.max_command_bytes to 67108863"));
  config = Config();
  config.storage.max_value_bytes = 33 << 20;
  EXPECT_THAT(validate(config),
              ElementsAre(HasSubstr("set storage.cache_bytes to 264MiB, or storage.max_value_bytes "
                                    "to 32MiB")));
  config.storage.cache_bytes = 264 << 20;
  EXPECT_THAT(validate(config), ElementsAre());

  config = Config();
  config.storage.cache_bytes = 4 << 20;
  config.server.max_command_bytes = config.server.max_bulk_bytes = 1 << 20;
  config.storage.max_value_bytes = 512 << 10;
  EXPECT_THAT(validate(config), ElementsAre()) << "the smallest there is";
}

TEST(Names, OfChoicesAreThoseOfTheFile) {
  Config config;
  for (int level = 0; level <= static_cast<int>(LogLevel::kOff); ++level) {
    config.log.level = static_cast<LogLevel>(level);
    EXPECT_EQ(find_path("log.level")->value.file_text(config), to_string(config.log.level));
  }
  for (int c = 0; c <= static_cast<int>(Consistency::kEventual); ++c) {
    config.reads.default_consistency = static_cast<Consistency>(c);
    EXPECT_EQ(find_path("reads.default_consistency")->value.file_text(config),
              to_string(config.reads.default_consistency));
  }
}

}  // namespace
}  // namespace kvorum::config
