// CONFIG, COMMAND, SLOWLOG, LATENCY and MONITOR, over one loop and over three.

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

#include "node_harness.h"

namespace kvorum::server {
namespace {

class Diagnosis : public ::testing::TestWithParam<uint32_t> {
 protected:
  NodeHarness harness_{GetParam()};
  TestClient client_{harness_};
};

INSTANTIATE_TEST_SUITE_P(Loops, Diagnosis, ::testing::Values(1u, 3u));

TEST_P(Diagnosis, ConfigGetsAndSetsSeveralAtOnce) {
  EXPECT_EQ(client_.text("CONFIG", "SET", "slowlog-max-len", "7", "maxclients", "500"), "OK");
  EXPECT_EQ(client_.text("CONFIG", "GET", "slowlog-max-len"), "[\"slowlog-max-len\", \"7\"]");
  EXPECT_EQ(client_.run("CONFIG", "GET", "slowlog-*", "maxclients").elements.size(), 6u);
  EXPECT_EQ(client_.text("CONFIG", "GET", "nothing"), "[]");
  EXPECT_EQ(client_.text("CONFIG", "SET", "a", "b", "c"), "(error) ERR syntax error");
  EXPECT_TRUE(client_.run("CONFIG", "SET", "maxclients", "10", "nothing", "1").is_error());
  EXPECT_EQ(client_.text("CONFIG", "GET", "maxclients"), "[\"maxclients\", \"500\"]");
  client_.run("HELLO", "3");
  EXPECT_EQ(client_.text("CONFIG", "GET", "maxclients"), "{\"maxclients\": \"500\"}");
}

TEST_P(Diagnosis, ConfigRewriteKeepsWhatWasSet) {
  EXPECT_EQ(client_.text("CONFIG", "SET", "slowlog-max-len", "7"), "OK");
  EXPECT_EQ(client_.text("CONFIG", "REWRITE"), "OK");
  std::ifstream file(harness_.config_file());
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_NE(text.find("max_entries: 7"), std::string::npos) << text;
}

TEST_P(Diagnosis, ConfigResetstatForgetsTheCountersOfAllLoops) {
  TestClient second(harness_);
  TestClient third(harness_);
  for (TestClient* client : {&client_, &second, &third}) client->run("GET", "k");
  auto misses = [&] { return client_.run("INFO", "commandstats").text; };
  EXPECT_NE(misses().find("cmdstat_get:calls=3"), std::string::npos) << misses();
  EXPECT_EQ(second.text("CONFIG", "RESETSTAT"), "OK");
  EXPECT_EQ(misses().find("cmdstat_get"), std::string::npos) << misses();
  EXPECT_NE(client_.run("INFO", "clients").text.find("connected_clients:3"), std::string::npos);
}

TEST_P(Diagnosis, CommandDescribesTheTable) {
  const int64_t count = client_.run("COMMAND", "COUNT").integer;
  EXPECT_GT(count, 50);
  EXPECT_EQ(client_.run("COMMAND").elements.size(), static_cast<size_t>(count));
  // With subcommands.
  EXPECT_GT(client_.run("COMMAND", "LIST").elements.size(), static_cast<size_t>(count) + 30);
  EXPECT_EQ(client_.run("COMMAND", "INFO", "get", "client|list").elements.size(), 2u);
  EXPECT_EQ(client_.run("COMMAND", "DOCS", "get").elements.size(), 2u);
  EXPECT_EQ(client_.run("COMMAND", "DOCS").elements.size(), static_cast<size_t>(2 * count));
  EXPECT_EQ(client_.text("COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2"), "[\"a\", \"b\"]");
  EXPECT_FALSE(client_.run("COMMAND", "GETKEYSANDFLAGS", "GET", "a").is_error());
  EXPECT_FALSE(client_.run("COMMAND", "HELP").is_error());
}

// The arguments of an entry of SLOWLOG GET, joined.
std::string words(const resp::Value& entry) {
  std::string text;
  for (const resp::Value& arg : entry.elements.at(3).elements) {
    text += (text.empty() ? "" : " ") + arg.text;
  }
  return text;
}

TEST_P(Diagnosis, SlowlogShowsReadsWritesAndTransactionsOfEveryLoop) {
  TestClient writer(harness_);
  TestClient reader(harness_);
  EXPECT_EQ(writer.text("CLIENT", "SETNAME", "writer"), "OK");
  EXPECT_EQ(client_.text("CONFIG", "SET", "slowlog-log-slower-than", "0"), "OK");
  EXPECT_EQ(client_.text("SLOWLOG", "RESET"), "OK");
  EXPECT_EQ(writer.text("SET", "k", "v"), "OK");
  EXPECT_EQ(reader.text("GET", "k"), "\"v\"");
  EXPECT_EQ(writer.text("MULTI"), "OK");
  EXPECT_EQ(writer.text("INCR", "n"), "QUEUED");
  EXPECT_EQ(writer.text("EXEC"), "[1]");
  EXPECT_TRUE(client_.run("AUTH", "secret").is_error());
  // Notes of different loops come in any order, and a moment later.
  const std::set<std::string> expected = {"INCR n", "MULTI", "GET k", "SET k v", "SLOWLOG RESET"};
  resp::Value entries;
  EXPECT_TRUE(eventually([&] {
    entries = client_.run("SLOWLOG", "GET", "-1");
    std::set<std::string> shown;
    for (const resp::Value& entry : entries.elements) shown.insert(words(entry));
    return std::ranges::includes(shown, expected);
  }));
  auto found = std::ranges::find_if(
      entries.elements, [](const resp::Value& entry) { return words(entry) == "SET k v"; });
  ASSERT_NE(found, entries.elements.end());
  const resp::Value& set = *found;
  ASSERT_EQ(set.elements.size(), 6u);
  EXPECT_EQ(set.elements[4].text, writer.address());
  EXPECT_EQ(set.elements[5].text, "writer");
  EXPECT_GT(set.elements[1].integer, 1'700'000'000);
  EXPECT_GE(set.elements[2].integer, 0);
  EXPECT_GT(entries.elements[0].elements[0].integer, entries.elements[1].elements[0].integer);
}

TEST_P(Diagnosis, SlowlogIsBoundedAndCounted) {
  EXPECT_EQ(client_.text("CONFIG", "SET", "slowlog-log-slower-than", "0", "slowlog-max-len", "3"),
            "OK");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client_.text("PING"), "PONG");
  EXPECT_EQ(client_.text("SLOWLOG", "LEN"), "3");
  EXPECT_EQ(client_.run("SLOWLOG", "GET", "2").elements.size(), 2u);
  EXPECT_EQ(client_.run("SLOWLOG", "GET").elements.size(), 3u);
  EXPECT_EQ(client_.text("SLOWLOG", "GET", "0"), "[]");
  EXPECT_EQ(client_.text("CONFIG", "SET", "slowlog-log-slower-than", "-1"), "OK");
  EXPECT_EQ(client_.text("SLOWLOG", "RESET"), "OK");
  EXPECT_EQ(client_.text("SLOWLOG", "LEN"), "0");
  EXPECT_EQ(client_.text("SLOWLOG", "GET", "-2"),
            "(error) ERR count should be greater than or equal to -1");
  EXPECT_EQ(client_.text("SLOWLOG", "GET", "1", "2"),
            "(error) ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG "
            "HELP.");
  EXPECT_FALSE(client_.run("SLOWLOG", "HELP").is_error());
}

TEST_P(Diagnosis, LatencyRemembersSpikes) {
  EXPECT_EQ(client_.text("LATENCY", "LATEST"), "[]");
  EXPECT_EQ(client_.text("LATENCY", "HISTORY", "command"), "[]");
  EXPECT_EQ(client_.text("LATENCY", "GRAPH", "command"),
            "(error) ERR No samples available for event 'command'");
  EXPECT_EQ(client_.text("CONFIG", "SET", "latency-monitor-threshold", "5"), "OK");
  EXPECT_EQ(client_.text("DEBUG", "SLEEP", "0.01"), "OK");
  const resp::Value latest = client_.run("LATENCY", "LATEST");
  const auto event = std::ranges::find_if(
      latest.elements, [](const resp::Value& one) { return one.elements.at(0).text == "command"; });
  ASSERT_NE(event, latest.elements.end());
  EXPECT_GE(event->elements[2].integer, 10);
  EXPECT_GE(event->elements[3].integer, event->elements[2].integer);
  EXPECT_GE(client_.run("LATENCY", "HISTORY", "command").elements.size(), 1u);
  EXPECT_NE(client_.run("LATENCY", "GRAPH", "command").text.find("command - high"),
            std::string::npos);
  EXPECT_NE(client_.run("LATENCY", "DOCTOR").text.find("command:"), std::string::npos);
  EXPECT_EQ(client_.text("CONFIG", "SET", "latency-monitor-threshold", "0"), "OK");
  EXPECT_EQ(client_.text("LATENCY", "RESET", "nothing", "command"), "1");
  client_.run("LATENCY", "RESET");
  EXPECT_EQ(client_.text("LATENCY", "RESET"), "0");
  EXPECT_FALSE(client_.run("LATENCY", "HELP").is_error());
}

TEST_P(Diagnosis, LatencyHistogramCountsReadsAndWrites) {
  TestClient other(harness_);
  EXPECT_EQ(client_.text("SET", "a", "1"), "OK");
  EXPECT_EQ(other.text("SET", "a", "2"), "OK");
  EXPECT_EQ(other.text("GET", "a"), "\"2\"");
  client_.run("HELLO", "3");
  client_.run("CLIENT", "ID");
  const resp::Value both = client_.run("LATENCY", "HISTOGRAM", "set", "GET", "nothing", "client");
  ASSERT_EQ(both.elements.size(), 6u) << resp::to_string(both);
  EXPECT_EQ(both.elements[0].text, "client|id");
  EXPECT_EQ(both.elements[2].text, "get");
  EXPECT_EQ(both.elements[4].text, "set");
  const resp::Value& set = both.elements[5];
  EXPECT_EQ(set.elements.at(1).integer, 2);
  EXPECT_EQ(set.elements.at(3).elements.back().integer, 2);
  EXPECT_GE(client_.run("LATENCY", "HISTOGRAM").elements.size(), 8u);
}

// What MONITOR shows of a command: without its time.
std::string shown(TestClient& monitor) {
  const std::string line = monitor.receive().text;
  return line.substr(line.find('['));
}

TEST_P(Diagnosis, MonitorShowsCommandsAsTheyRun) {
  TestClient monitor(harness_);
  EXPECT_EQ(monitor.text("MONITOR"), "OK");
  const std::string from = "[0 " + client_.address() + "] ";
  EXPECT_EQ(client_.text("SET", "k", "a\r\nb\"\x01"), "OK");
  EXPECT_EQ(shown(monitor), from + "\"SET\" \"k\" \"a\\r\\nb\\\"\\x01\"");
  EXPECT_EQ(client_.text("GET", "none"), "(nil)");
  EXPECT_EQ(shown(monitor), from + "\"GET\" \"none\"");
  EXPECT_TRUE(client_.run("AUTH", "secret").is_error());
  EXPECT_FALSE(client_.run("CONFIG", "GET", "port").is_error());
  EXPECT_FALSE(client_.run("HELLO", "3").is_error());
  EXPECT_TRUE(client_.run("NOTHING").is_error());
  EXPECT_EQ(client_.text("MULTI"), "OK");
  EXPECT_EQ(client_.text("INCR", "n"), "QUEUED");
  EXPECT_EQ(client_.text("CLIENT", "ID"), "QUEUED");
  EXPECT_EQ(client_.run("EXEC").elements.size(), 2u);
  EXPECT_EQ(client_.text("MULTI"), "OK");
  EXPECT_EQ(client_.text("INCR", "n"), "QUEUED");
  EXPECT_EQ(client_.text("DISCARD"), "OK");
  for (const char* expected : {"\"MULTI\"", "\"INCR\" \"n\"", "\"CLIENT\" \"ID\"", "\"EXEC\"",
                               "\"MULTI\"", "\"DISCARD\""}) {
    EXPECT_EQ(shown(monitor), from + expected);
  }
}

TEST_P(Diagnosis, MonitorEndsWithResetAndQuit) {
  TestClient monitor(harness_);
  const std::string id = std::to_string(monitor.run("CLIENT", "ID").integer);
  EXPECT_EQ(monitor.text("MONITOR"), "OK");
  monitor.send("MONITOR");
  EXPECT_EQ(monitor.text("GET", "k"), "(error) ERR Replica can't interact with the keyspace");
  EXPECT_NE(client_.run("CLIENT", "LIST", "ID", id).text.find(" flags=O "), std::string::npos);
  monitor.send("RESET");
  EXPECT_EQ(monitor.receive_text(), "RESET");
  EXPECT_EQ(client_.text("PING"), "PONG");
  EXPECT_EQ(monitor.text("GET", "k"), "(nil)");

  EXPECT_EQ(monitor.text("MONITOR"), "OK");
  EXPECT_EQ(monitor.text("QUIT"), "OK");
  EXPECT_EQ(client_.text("MULTI"), "OK");
  EXPECT_EQ(client_.text("MONITOR"), "QUEUED");
  EXPECT_EQ(client_.text("EXEC"), "[(error) ERR MONITOR isn't allowed for DENY BLOCKING client]");
}

}  // namespace
}  // namespace kvorum::server
