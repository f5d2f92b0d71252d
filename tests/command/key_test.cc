#include <algorithm>

#include "command_fixture.h"

namespace kvorum::command::testing {

class KeyCommands : public CommandTest {};
KVORUM_COMMAND_TESTS(KeyCommands);

using Events = std::vector<std::string>;

TEST_P(KeyCommands, CountKeysAndRemoveThem) {
  expect_replies(run, {{"MSET a 1 b 2 c 3", "OK"},
                       {"EXISTS a b x a", "3"},
                       {"TOUCH a x c", "2"},
                       {"TYPE a", "string"},
                       {"TYPE x", "none"},
                       {"DBSIZE", "3"},
                       {"DEL a x a", "1"},
                       {"UNLINK b c", "2"},
                       {"DBSIZE", "0"},
                       {"DEL", "(error) ERR wrong number of arguments for 'del' command"}});
}

TEST_P(KeyCommands, DeadlinesAreSetReadAndCleared) {
  expect_replies(run, {{"TTL k", "-2"},
                       {"PTTL k", "-2"},
                       {"EXPIRETIME k", "-2"},
                       {"PEXPIRETIME k", "-2"},
                       {"EXPIRE k 10", "0"},
                       {"PERSIST k", "0"},
                       {"SET k v", "OK"},
                       {"TTL k", "-1"},
                       {"PEXPIRETIME k", "-1"},
                       {"PERSIST k", "0"},
                       {"EXPIRE k 10", "1"},
                       {"TTL k", "10"},
                       {"PTTL k", "10000"},
                       {"EXPIRETIME k", "1700000010"},
                       {"PEXPIRETIME k", "1700000010000"},
                       {"PEXPIRE k 1499", "1"},
                       {"TTL k", "1"},
                       {"PEXPIRE k 1500", "1"},
                       {"TTL k", "2"},
                       {"PERSIST k", "1"},
                       {"TTL k", "-1"},
                       {"EXPIREAT k 1700000020", "1"},
                       {"TTL k", "20"},
                       {"PEXPIREAT k 1700000000001", "1"},
                       {"PTTL k", "1"}});
}

TEST_P(KeyCommands, ExpireObeysItsCondition) {
  expect_replies(
      run,
      {{"SET k v", "OK"},
       {"EXPIRE k 10 XX", "0"},
       {"EXPIRE k 10 GT", "0"},
       {"EXPIRE k 10 NX", "1"},
       {"EXPIRE k 20 NX", "0"},
       {"EXPIRE k 10 GT", "0"},
       {"EXPIRE k 20 gt", "1"},
       {"EXPIRE k 20 LT", "0"},
       {"EXPIRE k 10 XX LT", "1"},
       {"PERSIST k", "1"},
       {"EXPIRE k 10 LT", "1"},
       {"TTL k", "10"},
       {"EXPIRE k 10 NX XX",
        "(error) ERR NX and XX, GT or LT options at the same time are not compatible"},
       {"EXPIRE k 10 NX GT",
        "(error) ERR NX and XX, GT or LT options at the same time are not compatible"},
       {"EXPIRE k 10 GT LT", "(error) ERR GT and LT options at the same time are not compatible"},
       {"EXPIRE k 10 foo", "(error) ERR Unsupported option foo"}});
}

TEST_P(KeyCommands, ExpireChecksItsTime) {
  expect_replies(
      run,
      {{"SET k v", "OK"},
       {"EXPIRE k x", "(error) ERR value is not an integer or out of range"},
       {"EXPIRE k 9223372036854775807", "(error) ERR invalid expire time in 'expire' command"},
       {"EXPIRE k -9223372036854775808", "(error) ERR invalid expire time in 'expire' command"},
       {"PEXPIRE k 9223372036854775807", "(error) ERR invalid expire time in 'pexpire' command"},
       {"EXPIREAT k 9223372036854776", "(error) ERR invalid expire time in 'expireat' command"},
       {"PEXPIREAT k 9223372036854775807", "1"},
       {"EXPIRETIME k", "9223372036854776"},
       {"EXPIRE k 1 NX foo", "(error) ERR Unsupported option foo"}});
}

TEST_P(KeyCommands, ADeadlineOfThePastRemovesAtOnce) {
  for (std::string_view line : {"EXPIRE k 0", "EXPIRE k -5", "PEXPIREAT k 0", "EXPIREAT k 1",
                                "PEXPIREAT k -9223372036854775808", "PEXPIREAT k 1700000000000"}) {
    run("SET k v");
    EXPECT_EQ(run(line), "1") << line;
    ASSERT_EQ(run.events().size(), 1U) << line;
    EXPECT_EQ(run.event_batch()[0].kind->name, "del") << line;
    EXPECT_EQ(run("DBSIZE"), "0") << line;
  }
}

TEST_P(KeyCommands, ADueKeyIsGoneForEveryone) {
  run("SET k v PX 100");
  run.now += 99;
  EXPECT_EQ(run("PTTL k"), "1");
  run.now += 1;
  expect_replies(run, {{"GET k", "(nil)"},
                       {"EXISTS k", "0"},
                       {"TYPE k", "none"},
                       {"TTL k", "-2"},
                       {"KEYS *", "[]"},
                       {"SCAN 0", "[\"0\", []]"},
                       {"RANDOMKEY", "(nil)"},
                       {"OBJECT ENCODING k", "(nil)"},
                       {"MEMORY USAGE k", "(nil)"},
                       {"DUMP k", "(nil)"},
                       {"DBSIZE", "1"},
                       {"RENAME k l", "(error) ERR no such key"},
                       {"DBSIZE", "0"}});
  EXPECT_EQ(run.applied().revision, 2U);
}

TEST_P(KeyCommands, AWriteThatMeetsADueKeyExpiresItFirst) {
  const auto events_of = [&](std::string_view line) {
    run("SET k 1 PX 1");
    run.now += 1;
    run(line);
    Events events = run.events();
    run("DEL k l");
    return events;
  };
  EXPECT_EQ(events_of("SET k v"), Events({"expired 2-0 k", "set 2-1 k=v"}));
  EXPECT_EQ(events_of("INCR k"), Events({"expired 5-0 k", "incrby 5-1 k=1"}));
  EXPECT_EQ(events_of("DEL k"), Events({"expired 8-0 k"}));
  EXPECT_EQ(events_of("SET k v XX"), Events({"expired 10-0 k"}));
  EXPECT_EQ(events_of("EXPIRE k 10"), Events({"expired 12-0 k"}));
  EXPECT_EQ(events_of("APPEND k v"), Events({"expired 14-0 k", "append 14-1 k=v"}));
  EXPECT_EQ(events_of("GETDEL k"), Events({"expired 17-0 k"}));
  run("SET l v");
  EXPECT_EQ(events_of("RENAME l k"),
            Events({"expired 20-0 k", "rename_from 20-1 l", "rename_to 20-2 k=v"}));
}

TEST_P(KeyCommands, ExpireDueRemovesTheEarliestFirst) {
  run("SET a 1 PX 30");
  run("SET b 1 PX 10");
  run("SET c 1 PX 20");
  run("SET d 1 PX 40");
  run.now += 30;
  EXPECT_EQ(run.expire_due(2), "");
  EXPECT_EQ(run.events(), Events({"expired 5-0 b", "expired 5-1 c"}));
  EXPECT_EQ(run.event_batch()[0].kind->notify, NotifyClass::kExpired);
  EXPECT_EQ(run.expire_due(2), "");
  EXPECT_EQ(run.events(), Events({"expired 6-0 a"}));
  EXPECT_EQ(run.expire_due(2), "");
  EXPECT_EQ(run.events(), Events());
  EXPECT_EQ(run.applied().revision, 6U);
  EXPECT_EQ(run("KEYS *"), "[\"d\"]");
}

TEST_P(KeyCommands, RenameMovesValueAndDeadline) {
  expect_replies(run, {{"RENAME a b", "(error) ERR no such key"},
                       {"RENAME a a", "(error) ERR no such key"},
                       {"SET a 1 EX 10", "OK"},
                       {"RENAME a a", "OK"},
                       {"RENAMENX a a", "0"},
                       {"SET b 2", "OK"},
                       {"RENAMENX a b", "0"},
                       {"RENAME a b", "OK"}});
  EXPECT_EQ(run.events(), Events({"rename_from 3-0 a", "rename_to 3-1 b=1"}));
  expect_replies(run, {{"GET b", "\"1\""},
                       {"TTL b", "10"},
                       {"EXISTS a", "0"},
                       {"RENAMENX b c", "1"},
                       {"RENAMENX b c", "(error) ERR no such key"},
                       {"TTL c", "10"}});
}

TEST_P(KeyCommands, CopyTakesValueAndDeadline) {
  expect_replies(run, {{"COPY a b", "0"},
                       {"COPY a a", "(error) ERR source and destination objects are the same"},
                       {"SET a 1 EX 10", "OK"},
                       {"COPY a b", "1"}});
  EXPECT_EQ(run.events(), Events({"copy_to 2-0 b=1"}));
  expect_replies(run, {{"TTL b", "10"},
                       {"COPY a b", "0"},
                       {"SET a 2", "OK"},
                       {"COPY a b REPLACE", "1"},
                       {"GET b", "\"2\""},
                       {"TTL b", "-1"},
                       {"COPY a c DB 0", "1"},
                       {"COPY a c DB 1", "(error) ERR DB index is out of range"},
                       {"COPY a c DB x", "(error) ERR value is not an integer or out of range"},
                       {"COPY a c DB", "(error) ERR syntax error"},
                       {"COPY a c FOO", "(error) ERR syntax error"}});
}

TEST_P(KeyCommands, FlushRemovesAll) {
  expect_replies(run, {{"MSET b 1 a 2", "OK"},
                       {"FLUSHALL FOO", "(error) ERR syntax error"},
                       {"FLUSHALL SYNC ASYNC", "(error) ERR syntax error"},
                       {"FLUSHALL", "OK"}});
  EXPECT_EQ(run.events(), Events({"del 2-0 a", "del 2-1 b"}));
  EXPECT_EQ(run.event_batch()[0].kind->notify, NotifyClass::kNone);
  expect_replies(run, {{"DBSIZE", "0"}, {"FLUSHDB async", "OK"}, {"FLUSHDB sync", "OK"}});
  EXPECT_EQ(run.applied().revision, 2U);
}

TEST_P(KeyCommands, FlushGivesTheSameIdsWhetherWatchedOrNot) {
  EventId modified[2];
  for (bool watched : {false, true}) {
    run.want_events = true;
    run("FLUSHALL");
    run("MSET a 1 b 2 c 3");
    run.want_events = watched;
    run.exec({{"FLUSHALL"}, {"SET", "x", "1"}});
    modified[watched] = run.modified("x");
  }
  EXPECT_EQ(modified[0].change, 3U);
  EXPECT_EQ(modified[1].change, 3U);
}

TEST_P(KeyCommands, KeysMatchesPatterns) {
  run("MSET one 1 two 2 three 3 thrice 4 t* 5");
  const auto keys = [&](std::string_view pattern) {
    return run.run({"KEYS", std::string(pattern)});
  };
  EXPECT_EQ(keys("*"), "[\"one\", \"t*\", \"three\", \"thrice\", \"two\"]");
  EXPECT_EQ(keys("t*"), "[\"t*\", \"three\", \"thrice\", \"two\"]");
  EXPECT_EQ(keys("thr*"), "[\"three\", \"thrice\"]");
  EXPECT_EQ(keys("thr*e"), "[\"three\", \"thrice\"]");
  EXPECT_EQ(keys("t?o"), "[\"two\"]");
  EXPECT_EQ(keys("[ot]*o"), "[\"two\"]");
  EXPECT_EQ(keys("t\\*"), "[\"t*\"]");
  EXPECT_EQ(keys("two"), "[\"two\"]");
  EXPECT_EQ(keys("x"), "[]");
  EXPECT_EQ(keys(""), "[]");
}

TEST_P(KeyCommands, RandomKeyIsAnyLiveKey) {
  EXPECT_EQ(run("RANDOMKEY"), "(nil)");
  for (int i = 0; i < 50; ++i) run.run({"SET", "due" + std::to_string(i), "v", "PX", "1"});
  run("MSET a 1 b 2");
  run.now += 1;
  bool seen[2] = {};
  for (run.random = 1; run.random < 200 && !(seen[0] && seen[1]); ++run.random) {
    const std::string key = run("RANDOMKEY");
    ASSERT_TRUE(key == "\"a\"" || key == "\"b\"") << key;
    seen[key == "\"b\""] = true;
  }
  EXPECT_TRUE(seen[0] && seen[1]);
}

TEST_P(KeyCommands, ObjectTellsWhatRedisWould) {
  run("MSET int 123 long 12345678901234567890 text abc zero 007");
  run.run({"SET", "edge", std::string(44, 'x')});
  run.run({"SET", "raw", std::string(45, 'x')});
  expect_replies(
      run,
      {{"OBJECT ENCODING int", "\"int\""},
       {"OBJECT ENCODING long", "\"embstr\""},
       {"OBJECT ENCODING text", "\"embstr\""},
       {"OBJECT ENCODING zero", "\"embstr\""},
       {"OBJECT ENCODING edge", "\"embstr\""},
       {"OBJECT ENCODING raw", "\"raw\""},
       {"OBJECT ENCODING none", "(nil)"},
       {"OBJECT REFCOUNT text", "1"},
       {"OBJECT REFCOUNT none", "(nil)"},
       {"OBJECT FREQ none", "(nil)"},
       {"OBJECT IDLETIME none", "(nil)"},
       {"OBJECT IDLETIME int", "(error) ERR Idle time is not tracked: reads do not change a key"},
       {"OBJECT", "(error) ERR wrong number of arguments for 'object' command"},
       {"OBJECT FOO x", "(error) ERR unknown subcommand 'FOO'. Try OBJECT HELP."},
       {"OBJECT ENCODING", "(error) ERR wrong number of arguments for 'object|encoding' command"}});
  EXPECT_TRUE(run("OBJECT FREQ int").starts_with("(error) ERR An LFU maxmemory policy is not"));
  EXPECT_TRUE(run("OBJECT HELP").starts_with("[OBJECT <subcommand>"));
}

TEST_P(KeyCommands, MemoryUsageGrowsWithTheValue) {
  run.run({"SET", "small", "x"});
  run.run({"SET", "large", std::string(10000, 'x')});
  const int64_t small = std::stoll(run("MEMORY USAGE small"));
  const int64_t large = std::stoll(run("MEMORY USAGE large SAMPLES 5"));
  EXPECT_GT(small, 6);
  EXPECT_EQ(large - small, 9999);
  run("EXPIRE small 100");
  EXPECT_GT(std::stoll(run("MEMORY USAGE small")), small);
  expect_replies(
      run, {{"MEMORY USAGE none", "(nil)"},
            {"MEMORY USAGE small SAMPLES -1", "(error) ERR syntax error"},
            {"MEMORY USAGE small SAMPLES", "(error) ERR syntax error"},
            {"MEMORY USAGE small SAMPLES x", "(error) ERR value is not an integer or out of range"},
            {"MEMORY USAGE", "(error) ERR wrong number of arguments for 'memory|usage' command"}});
  EXPECT_TRUE(run("MEMORY HELP").starts_with("[MEMORY <subcommand>"));
}

TEST_P(KeyCommands, KeysBeyondTheLimitAreNotWritten) {
  const std::string key(65537, 'k');
  EXPECT_EQ(run.run({"SET", key, "v"}),
            "(error) ERR key exceeds maximum allowed size (65536 bytes)");
  EXPECT_EQ(run.run({"RENAME", "a", key}),
            "(error) ERR key exceeds maximum allowed size (65536 bytes)");
  EXPECT_EQ(run.run({"GET", key}), "(nil)");
  EXPECT_EQ(run.run({"SET", key.substr(1), key}), "OK");
}

}  // namespace kvorum::command::testing
