#include "config/runtime_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "config/load.h"
#include "tests/base/temp_folder.h"

namespace kvorum {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Pair;
using ::testing::StartsWith;
using Pairs = std::vector<RuntimeSettings::Pair>;
using Patterns = std::vector<std::string_view>;

std::string error_of(RuntimeSettings& settings, const Pairs& pairs) {
  Status status = settings.set(pairs);
  return status ? "" : status.error().message;
}

std::string value_of(const RuntimeSettings& settings, std::string_view name) {
  auto found = settings.get(Patterns{name});
  return found.size() == 1 ? found[0].second : "(absent)";
}

TEST(ConfigGet, AnswersWithTheNameAsItWasAsked) {
  RuntimeSettings settings{Config()};
  EXPECT_THAT(settings.get(Patterns{"MaxClients"}), ElementsAre(Pair("MaxClients", "10000")));
  EXPECT_THAT(settings.get(Patterns{"nosuch"}), IsEmpty());
}

TEST(ConfigGet, TakesSeveralPatternsAndAnswersEachOptionOnce) {
  RuntimeSettings settings{Config()};
  EXPECT_THAT(settings.get(Patterns{"timeout", "max*nts", "TIMEOUT", "maxclients"}),
              ElementsAre(Pair("timeout", "0"), Pair("maxclients", "10000")));
  EXPECT_THAT(
      settings.get(Patterns{"SLOWLOG-*"}),
      ElementsAre(Pair("slowlog-log-slower-than", "10000"), Pair("slowlog-max-len", "128")));
  EXPECT_EQ(settings.get(Patterns{"*"}).size(), config::options().size());
}

TEST(ConfigGet, AnswersWhatRedisToolsAskFor) {
  RuntimeSettings settings{Config()};
  EXPECT_EQ(value_of(settings, "save"), "");
  EXPECT_EQ(value_of(settings, "appendonly"), "yes");
  EXPECT_EQ(value_of(settings, "appendfsync"), "always");
  EXPECT_EQ(value_of(settings, "databases"), "1");
  EXPECT_EQ(value_of(settings, "bind"), "127.0.0.1 -::1");
  EXPECT_EQ(value_of(settings, "protected-mode"), "yes");
  EXPECT_EQ(value_of(settings, "proto-max-bulk-len"), "67108864");
  EXPECT_EQ(value_of(settings, "unixsocketperm"), "0");
  EXPECT_EQ(value_of(settings, "client-output-buffer-limit"),
            "normal 0 0 0 pubsub 33554432 8388608 60");
  EXPECT_THAT(settings.get(Patterns{"*"}), Contains(Key("storage.cache_bytes")));
}

TEST(ConfigSet, ChangesAllPairsOrNone) {
  RuntimeSettings settings{Config()};
  EXPECT_EQ(error_of(settings, {{"timeout", "5"}, {"MAXCLIENTS", "7"}}), "");
  EXPECT_EQ(settings.snapshot()->server.idle_timeout_s, 5U);
  EXPECT_EQ(settings.snapshot()->server.max_clients, 7U);
  EXPECT_NE(error_of(settings, {{"timeout", "6"}, {"maxclients", "x"}}), "");
  EXPECT_EQ(settings.snapshot()->server.idle_timeout_s, 5U);
}

TEST(ConfigSet, RefusesInRedisWords) {
  RuntimeSettings settings{Config()};
  const std::string failed = "ERR CONFIG SET failed (possibly related to argument '";
  struct {
    Pairs pairs;
    std::string error;
  } const cases[] = {
      {{{"nosuch", "1"}}, "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'"},
      {{{"port", "1"}}, failed + "port') - can't set immutable config"},
      {{{"timeout", "1"}, {"TIMEOUT", "2"}}, failed + "TIMEOUT') - duplicate parameter"},
      {{{"maxclients", "abc"}},
       failed + "maxclients') - argument couldn't be parsed into an integer"},
      {{{"MaxClients", "0"}},
       failed + "MaxClients') - argument must be between 1 and 1000000 inclusive"},
      {{{"proto-max-bulk-len", "abc"}},
       failed + "proto-max-bulk-len') - argument must be a memory value"},
      {{{"protected-mode", "maybe"}}, failed + "protected-mode') - argument must be 'yes' or 'no'"},
      {{{"reads.default_consistency", "x"}},
       failed + "reads.default_consistency') - argument(s) must be one of the following: lease, "
                "linearizable, eventual"},
      {{{"notify-keyspace-events", "Q"}},
       failed + "notify-keyspace-events') - Invalid event class character. Use "
                "'Ag$lshzxeKEtmdn'."},
      {{{"client-output-buffer-limit", "normal 1 2"}},
       failed + "client-output-buffer-limit') - Wrong number of arguments in buffer limit "
                "configuration."},
      {{{"client-output-buffer-limit", "foo 1 2 3"}},
       failed + "client-output-buffer-limit') - Invalid client class specified in buffer limit "
                "configuration."},
      {{{"client-output-buffer-limit", "normal x 2 3"}},
       failed + "client-output-buffer-limit') - Error in hard, soft or soft_seconds setting in "
                "buffer limit configuration."},
      {{{"appendonly", "no"}}, failed + "appendonly') - can't set immutable config"},
      {{{"client-query-buffer-limit", "65mb"}},
       failed + "client-query-buffer-limit') - server.max_command_bytes (65MiB) must not be more "
                "than raft.max_uncommitted_bytes (64MiB)"},
  };
  for (const auto& c : cases) EXPECT_EQ(error_of(settings, c.pairs), c.error);
  EXPECT_EQ(settings.version(), RuntimeSettings{Config()}.version());
}

TEST(ConfigSet, AllowsNoCommandThatTheCacheHasNoRoomFor) {
  Config config;
  config.raft.max_uncommitted_bytes = 128 << 20;
  RuntimeSettings settings{config};
  EXPECT_EQ(error_of(settings, {{"client-query-buffer-limit", "65mb"}}),
            "ERR CONFIG SET failed (possibly related to argument 'client-query-buffer-limit') - "
            "storage.cache_bytes (256MiB) must be at least 4 times server.max_command_bytes "
            "(65MiB), or a write may never end: set storage.cache_bytes to 260MiB, or "
            "server.max_command_bytes to 64MiB");
}

TEST(ConfigSet, NormalisesWhatItIsGiven) {
  RuntimeSettings settings{Config()};
  ASSERT_EQ(error_of(settings, {{"notify-keyspace-events", "KEA"}}), "");
  EXPECT_EQ(value_of(settings, "notify-keyspace-events"), "AKE");
  ASSERT_EQ(error_of(settings, {{"client-query-buffer-limit", "64MB"}}), "");
  EXPECT_EQ(value_of(settings, "client-query-buffer-limit"), "67108864");
  ASSERT_EQ(error_of(settings, {{"loglevel", "verbose"}}), "");
  EXPECT_EQ(value_of(settings, "loglevel"), "debug");
  ASSERT_EQ(error_of(settings, {{"client-output-buffer-limit", "pubsub 1mb 0 0"}}), "");
  EXPECT_EQ(value_of(settings, "client-output-buffer-limit"), "normal 0 0 0 pubsub 1048576 0 0");
  EXPECT_EQ(value_of(settings, "server.output_buffer_pubsub"), "1048576 0 0");
}

TEST(ConfigSet, AcceptsAFactAsItIs) {
  RuntimeSettings settings{Config()};
  EXPECT_EQ(error_of(settings, {{"save", ""}, {"appendonly", "yes"}}), "");
}

TEST(ConfigSet, ChecksOptionsAgainstEachOther) {
  RuntimeSettings settings{Config()};
  EXPECT_THAT(error_of(settings, {{"timeout", "1"}, {"proto-max-bulk-len", "100mb"}}),
              StartsWith("ERR CONFIG SET failed (possibly related to argument "
                         "'proto-max-bulk-len') - server.max_bulk_bytes (100MiB) must not"));
  EXPECT_EQ(settings.snapshot()->server.idle_timeout_s, 0U);
}

TEST(Observers, SeeTheNewConfigOnlyWhenTheirOptionChanged) {
  RuntimeSettings settings{Config()};
  std::vector<LogLevel> levels;
  settings.on_change("log.level", [&](const Config& config) {
    levels.push_back(config.log.level);
    return ok();
  });
  ASSERT_EQ(error_of(settings, {{"timeout", "1"}}), "");
  ASSERT_EQ(error_of(settings, {{"loglevel", "info"}}), "");
  ASSERT_EQ(error_of(settings, {{"loglevel", "trace"}}), "");
  EXPECT_THAT(levels, ElementsAre(LogLevel::kTrace));
}

TEST(Observers, RefuseAChangeAndPutBackWhatWasDone) {
  RuntimeSettings settings{Config()};
  std::vector<LogLevel> levels;
  settings.on_change("log.level", [&](const Config& config) {
    levels.push_back(config.log.level);
    return ok();
  });
  settings.on_change("server.max_clients", [](const Config& config) -> Status {
    if (config.server.max_clients > 500) return fail("not enough file descriptors");
    return ok();
  });
  ASSERT_EQ(error_of(settings, {{"maxclients", "400"}}), "");
  EXPECT_EQ(error_of(settings, {{"loglevel", "trace"}, {"maxclients", "501"}}),
            "ERR CONFIG SET failed (possibly related to argument 'maxclients') - not enough file "
            "descriptors");
  EXPECT_THAT(levels, ElementsAre(LogLevel::kTrace, LogLevel::kInfo));
  EXPECT_EQ(settings.snapshot()->log.level, LogLevel::kInfo);
  EXPECT_EQ(settings.snapshot()->server.max_clients, 400U);
}

TEST(SettingsView, FollowsChanges) {
  RuntimeSettings settings{Config()};
  SettingsView view(settings);
  const Config* before = &view.get();
  EXPECT_EQ(before, &view.get());
  ASSERT_EQ(error_of(settings, {{"timeout", "9"}}), "");
  EXPECT_EQ(view.get().server.idle_timeout_s, 9U);
}

// Two options that are always set together are always seen together.
TEST(SettingsView, NeverShowsHalfOfAChange) {
  RuntimeSettings settings{Config()};
  ASSERT_EQ(error_of(settings, {{"timeout", "1"}, {"maxclients", "1"}}), "");
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  std::atomic<int> torn{0};
  for (int r = 0; r < 3; ++r) {
    readers.emplace_back([&] {
      SettingsView view(settings);
      uint64_t last = 0;
      while (!stop.load()) {
        const Config& config = view.get();
        if (config.server.idle_timeout_s != config.server.max_clients) ++torn;
        if (config.server.idle_timeout_s < last) ++torn;
        last = config.server.idle_timeout_s;
        (void)settings.get(Patterns{"timeout"});
      }
    });
  }
  for (int i = 2; i < 300; ++i) {
    const std::string number = std::to_string(i);
    EXPECT_EQ(error_of(settings, {{"timeout", number}, {"maxclients", number}}), "");
  }
  stop.store(true);
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(torn.load(), 0);
}

TEST(ConfigRewrite, NeedsAFile) {
  RuntimeSettings settings{Config()};
  EXPECT_EQ(settings.rewrite().error().message, "ERR The server is running without a config file");
}

TEST(ConfigRewrite, WritesWhatWasSetAndNothingElse) {
  TempFolder folder;
  const std::string text = "# mine\nserver:\n  max_clients: 9   # few\n  idle_timeout_s: 3\n";
  const std::string file = folder.write("k.yaml", text);
  Config config = config::load_file(file)->config;
  config.server.port = 7001;  // by a flag: not the file's business
  RuntimeSettings settings(config, file);
  ASSERT_TRUE(settings.rewrite());
  EXPECT_EQ(folder.read("k.yaml"), text);
  ASSERT_EQ(error_of(settings, {{"maxclients", "11"}, {"loglevel", "debug"}}), "");
  ASSERT_TRUE(settings.rewrite());
  EXPECT_EQ(folder.read("k.yaml"),
            "# mine\nserver:\n  max_clients: 11   # few\n  idle_timeout_s: 3\nlog:\n  level: "
            "debug\n");
  ASSERT_EQ(error_of(settings, {{"maxclients", "9"}, {"loglevel", "info"}}), "");
  ASSERT_TRUE(settings.rewrite());
  EXPECT_THAT(folder.read("k.yaml"), HasSubstr("max_clients: 9   # few"));
  EXPECT_THAT(folder.read("k.yaml"), HasSubstr("level: info"));
  EXPECT_EQ(folder.files(), 1U);
}

TEST(ConfigRewrite, SaysWhyItFailed) {
  TempFolder folder;
  RuntimeSettings settings(Config(), folder.path("gone.yaml"));
  EXPECT_THAT(settings.rewrite().error().message,
              StartsWith("ERR Rewriting config file: " + folder.path("gone.yaml")));
}

}  // namespace
}  // namespace kvorum
