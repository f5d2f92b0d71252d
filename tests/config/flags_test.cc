#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "config/load.h"
#include "tests/base/temp_folder.h"

namespace kvorum::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Startup start(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "kvorum");
  return start_up(static_cast<int>(arguments.size()), arguments.data(), "1.2.3");
}

TEST(Flags, AreNotNeeded) {
  Startup startup = start({});
  EXPECT_TRUE(startup.run);
  EXPECT_EQ(startup.config.server.port, 6379);
  EXPECT_EQ(startup.file, "");
}

TEST(Flags, SetOptionsByShortAndLongName) {
  Startup startup =
      start({"--port", "7001", "--bind=127.0.0.1", "--data-dir", "d1", "--server.io-threads", "2",
             "--server.max_clients=5", "--log-level", "debug"});
  ASSERT_TRUE(startup.run) << startup.errors;
  EXPECT_EQ(startup.config.server.port, 7001);
  EXPECT_THAT(startup.config.server.bind, ElementsAre("127.0.0.1"));
  EXPECT_EQ(startup.config.node.data_dir, "d1");
  EXPECT_EQ(startup.config.server.io_threads, 2U);
  EXPECT_EQ(startup.config.server.max_clients, 5U);
  EXPECT_EQ(startup.config.log.level, LogLevel::kDebug);
}

TEST(Flags, ExistForEveryOption) {
  const Config defaults;
  for (const Option& option : options()) {
    if (!option.in_file()) continue;
    const std::string flag = "--" + option.long_flag();
    const std::string value = option.value.config_text(defaults);
    Startup startup = start({flag.c_str(), value.c_str()});
    EXPECT_TRUE(startup.run) << startup.errors;
  }
}

TEST(Flags, TakeValuesThatLookLikeSomethingElse) {
  Startup startup = start({"--bind", "-::1", "--bind", "10.0.0.1,10.0.0.2", "--requirepass",
                           "--a_b=c", "--log-file=", "--unix-socket", "{}"});
  ASSERT_TRUE(startup.run) << startup.errors;
  EXPECT_THAT(startup.config.server.bind, ElementsAre("-::1", "10.0.0.1", "10.0.0.2"));
  EXPECT_EQ(startup.config.server.requirepass, "--a_b=c");
  EXPECT_EQ(startup.config.log.file, "");
  EXPECT_EQ(startup.config.server.unix_socket, "{}");
  EXPECT_EQ(start({"--requirepass", "[a,b]"}).config.server.requirepass, "[a,b]");
  EXPECT_EQ(start({"--requirepass", ""}).config.server.requirepass, "");
  EXPECT_EQ(start({"--slowlog.slower-than-us", "-1"}).config.slowlog.slower_than_us, -1);
}

TEST(Flags, TakeTheLastOfSeveral) {
  EXPECT_EQ(start({"--port", "1", "--port", "2"}).config.server.port, 2);
}

TEST(Flags, WinOverTheFile) {
  TempFolder folder;
  const std::string file = folder.write("k.yaml", "server:\n  port: 7001\n  max_clients: 9\n");
  Startup startup = start({"--config", file.c_str(), "--port", "7002"});
  ASSERT_TRUE(startup.run) << startup.errors;
  EXPECT_EQ(startup.config.server.port, 7002);
  EXPECT_EQ(startup.config.server.max_clients, 9U);
  EXPECT_EQ(startup.file, file);
}

TEST(Flags, NameTheNearestForAnUnknownOne) {
  Startup startup = start({"--prot", "1", "--server.max-clint", "2"});
  EXPECT_FALSE(startup.run);
  EXPECT_EQ(startup.exit_code, 2);
  EXPECT_THAT(startup.errors, HasSubstr("unknown flag '--prot'; did you mean '--port'?"));
  EXPECT_THAT(startup.errors,
              HasSubstr("unknown flag '--server.max-clint'; did you mean '--server.max-clients'?"));
}

TEST(Flags, RefuseStrayArgumentsAndMissingValues) {
  Startup stray = start({"kvorum.yaml"});
  EXPECT_EQ(stray.exit_code, 2);
  EXPECT_THAT(stray.errors, HasSubstr("unexpected argument 'kvorum.yaml'"));
  Startup missing = start({"--port"});
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_THAT(missing.errors, HasSubstr("--port"));
}

TEST(Flags, ReportErrorsOfFileAndFlagsTogether) {
  TempFolder folder;
  const std::string file = folder.write("k.yaml", "server:\n  prot: 1\n");
  Startup startup = start({"--config", file.c_str(), "--port", "x", "--server.io-threads", "65"});
  EXPECT_FALSE(startup.run);
  EXPECT_EQ(startup.exit_code, 1);
  EXPECT_THAT(startup.errors, HasSubstr(file + ":2: unknown option 'server.prot'"));
  EXPECT_THAT(startup.errors,
              HasSubstr("--server.port must be a whole number from 0 to 65535, but is 'x'"));
  EXPECT_THAT(startup.errors, HasSubstr("--server.io-threads must be a whole number from 1 to 64"));
}

TEST(CheckConfig, SaysOkOrWhatIsWrong) {
  TempFolder folder;
  const std::string good = folder.write("good.yaml", "raft:\n  heartbeat_interval_ms: 50\n");
  const std::string bad = folder.write("bad.yaml", "raft:\n  heartbeat_interval_ms: 5000\n");
  Startup startup = start({"--check-config", "--config", good.c_str()});
  EXPECT_FALSE(startup.run);
  EXPECT_EQ(startup.exit_code, 0);
  EXPECT_EQ(startup.output, "ok\n");
  startup = start({"--config", bad.c_str(), "--check-config"});
  EXPECT_EQ(startup.exit_code, 1);
  EXPECT_EQ(startup.output, "");
  EXPECT_THAT(startup.errors, HasSubstr("raft.heartbeat_interval_ms (5000) must be"));
  startup = start({"--check-config", "--config", folder.path("none").c_str()});
  EXPECT_EQ(startup.exit_code, 1);
  EXPECT_THAT(startup.errors, HasSubstr("No such file or directory"));
}

TEST(PrintConfig, GivesAFileThatLoadsTheSame) {
  TempFolder folder;
  Startup printed = start({"--print-config", "--port", "7001"});
  EXPECT_EQ(printed.exit_code, 0);
  const std::string file = folder.write("k.yaml", printed.output);
  EXPECT_EQ(start({"--config", file.c_str()}).config.server.port, 7001);
}

TEST(Help, ListsEveryFlagWithItsDefault) {
  Startup startup = start({"--help"});
  EXPECT_FALSE(startup.run);
  EXPECT_EQ(startup.exit_code, 0);
  for (const Option& option : options()) {
    if (!option.in_file()) continue;
    EXPECT_THAT(startup.output, HasSubstr("--" + option.long_flag()));
  }
  EXPECT_THAT(startup.output, HasSubstr("[6379]"));
  EXPECT_THAT(startup.output, HasSubstr("--check-config"));
}

TEST(Version, IsPrinted) {
  EXPECT_EQ(start({"--version"}).output, "kvorum 1.2.3\n");
  EXPECT_EQ(start({"--version"}).exit_code, 0);
}

}  // namespace
}  // namespace kvorum::config
