#include "command_fixture.h"

namespace kvorum::command::testing {

class StringCommands : public CommandTest {};
KVORUM_COMMAND_TESTS(StringCommands);

constexpr std::string_view kWrongType =
    "(error) WRONGTYPE Operation against a key holding the wrong kind of value";

// Puts a value of a type that has no commands yet.
void put_hash(storage::Store& store, std::string_view key) {
  auto writer = store.new_writer();
  storage::Transaction& transaction = writer->begin();
  transaction.put(key, {.type = storage::ValueType::kHash, .modified = {1, 0}, .created = {1, 0}},
                  "x");
  ASSERT_TRUE(transaction.commit());
}

TEST_P(StringCommands, SetAndGetKeepBytes) {
  const std::string value("a\0\r\n\xff", 5);
  EXPECT_EQ(run.run({"SET", "k", value}), "OK");
  EXPECT_EQ(run.raw({"GET", "k"}), "$5\r\n" + value + "\r\n");
  EXPECT_EQ(run.run({"SET", "", ""}), "OK");
  EXPECT_EQ(run.run({"GET", ""}), "\"\"");
  EXPECT_EQ(run.raw({"GET", "absent"}), "$-1\r\n");
  run.protocol = resp::Protocol::kResp3;
  EXPECT_EQ(run.raw({"GET", "absent"}), "_\r\n");
}

TEST_P(StringCommands, SetObeysItsCondition) {
  expect_replies(run, {{"SET k a XX", "(nil)"},
                       {"GET k", "(nil)"},
                       {"SET k a NX", "OK"},
                       {"SET k b NX", "(nil)"},
                       {"set k b xx", "OK"},
                       {"GET k", "\"b\""},
                       {"SET k c NX NX", "(nil)"},
                       {"SET k c NX XX", "(error) ERR syntax error"},
                       {"SET k c XX NX", "(error) ERR syntax error"},
                       {"SET k c FOO", "(error) ERR syntax error"},
                       {"SET k c PERSIST", "(error) ERR syntax error"}});
}

TEST_P(StringCommands, SetWithGetGivesTheOldValue) {
  expect_replies(run, {{"SET k a GET", "(nil)"},
                       {"SET k b GET", "\"a\""},
                       {"SET k c NX GET", "\"b\""},
                       {"GET k", "\"b\""},
                       {"SET n c NX GET", "(nil)"},
                       {"GET n", "\"c\""},
                       {"SET none c XX GET", "(nil)"},
                       {"EXISTS none", "0"}});
}

TEST_P(StringCommands, SetIfEqualComparesWithTheOldValue) {
  expect_replies(run, {{"SET k a IFEQ a", "(nil)"},
                       {"EXISTS k", "0"},
                       {"SET k a", "OK"},
                       {"SET k b IFEQ x", "(nil)"},
                       {"SET k b IFEQ a", "OK"},
                       {"SET k c IFEQ b GET", "\"b\""},
                       {"SET k d GET IFEQ b", "\"c\""},
                       {"GET k", "\"c\""},
                       {"SET k d IFEQ c EX 10", "OK"},
                       {"TTL k", "10"},
                       {"SET k e IFEQ d KEEPTTL", "OK"},
                       {"TTL k", "10"},
                       {"SET k f IFEQ", "(error) ERR syntax error"},
                       {"SET k f IFEQ a NX", "(error) ERR syntax error"},
                       {"SET k f XX IFEQ a", "(error) ERR syntax error"},
                       {"SET k f IFEQ a IFEQ a", "(error) ERR syntax error"}});
}

TEST_P(StringCommands, SetTakesOneTimeToLive) {
  expect_replies(
      run, {{"SET k v EX 10", "OK"},
            {"TTL k", "10"},
            {"SET k v PX 1500", "OK"},
            {"PTTL k", "1500"},
            {"SET k v KEEPTTL", "OK"},
            {"PTTL k", "1500"},
            {"SET k v", "OK"},
            {"TTL k", "-1"},
            {"SET k v EXAT 1700000100", "OK"},
            {"TTL k", "100"},
            {"SET k v PXAT 1700000000500", "OK"},
            {"PTTL k", "500"},
            {"SET k v EX 1 EX 20", "OK"},
            {"TTL k", "20"},
            {"SET k v EX 0", "(error) ERR invalid expire time in 'set' command"},
            {"SET k v PX -1", "(error) ERR invalid expire time in 'set' command"},
            {"SET k v EX 9223372036854775", "(error) ERR invalid expire time in 'set' command"},
            {"SET k v EX 9223372036854776", "(error) ERR invalid expire time in 'set' command"},
            {"SET k v PX 9223372036854775807", "(error) ERR invalid expire time in 'set' command"},
            {"SET k v EXAT 0", "(error) ERR invalid expire time in 'set' command"},
            {"SET k v EX abc", "(error) ERR value is not an integer or out of range"},
            {"SET k v EX", "(error) ERR syntax error"},
            {"SET k v EX 1 PX 1", "(error) ERR syntax error"},
            {"SET k v EX 1 KEEPTTL", "(error) ERR syntax error"},
            {"SET k v KEEPTTL EX 1", "(error) ERR syntax error"},
            {"TTL k", "20"}});
}

TEST_P(StringCommands, SetWithAPastTimeMakesAKeyNobodySees) {
  expect_replies(run, {{"SET k v PXAT 1", "OK"}, {"GET k", "(nil)"}, {"DBSIZE", "1"}});
  EXPECT_EQ(run.expire_due(10), "");
  EXPECT_EQ(run("DBSIZE"), "0");
}

TEST_P(StringCommands, SetsOfOldKeepTheirNames) {
  expect_replies(
      run, {{"SETNX k a", "1"},
            {"SETNX k b", "0"},
            {"GETSET k c", "\"a\""},
            {"GETSET n c", "(nil)"},
            {"SETEX k 10 d", "OK"},
            {"TTL k", "10"},
            {"GETSET k e", "\"d\""},
            {"TTL k", "-1"},
            {"PSETEX k 1500 f", "OK"},
            {"PTTL k", "1500"},
            {"SETEX k 0 x", "(error) ERR invalid expire time in 'setex' command"},
            {"SETEX k -5 x", "(error) ERR invalid expire time in 'setex' command"},
            {"PSETEX k 0 x", "(error) ERR invalid expire time in 'psetex' command"},
            {"SETEX k x x", "(error) ERR value is not an integer or out of range"},
            {"SETEX k 9223372036854775 x", "(error) ERR invalid expire time in 'setex' command"},
            {"GET k", "\"f\""}});
}

TEST_P(StringCommands, GetDelAndDelIfEqualRemove) {
  expect_replies(run, {{"GETDEL k", "(nil)"},
                       {"SET k a", "OK"},
                       {"GETDEL k", "\"a\""},
                       {"EXISTS k", "0"},
                       {"DELIFEQ k a", "0"},
                       {"SET k a", "OK"},
                       {"DELIFEQ k b", "0"},
                       {"EXISTS k", "1"},
                       {"DELIFEQ k a", "1"},
                       {"EXISTS k", "0"}});
}

TEST_P(StringCommands, GetExChangesTheDeadlineOnly) {
  expect_replies(run, {{"GETEX k", "(nil)"},
                       // Redis looks at the time only once the key is there.
                       {"GETEX k EX abc", "(nil)"},
                       {"GETEX k EX", "(error) ERR syntax error"},
                       {"GETEX k NX", "(error) ERR syntax error"},
                       {"GETEX k KEEPTTL", "(error) ERR syntax error"},
                       {"SET k a", "OK"},
                       {"GETEX k", "\"a\""},
                       {"GETEX k EX 10", "\"a\""},
                       {"TTL k", "10"},
                       {"GETEX k PERSIST", "\"a\""},
                       {"TTL k", "-1"},
                       {"GETEX k PX 0", "(error) ERR invalid expire time in 'getex' command"},
                       {"GETEX k EX x", "(error) ERR value is not an integer or out of range"},
                       {"GETEX k PX 10 PERSIST", "(error) ERR syntax error"},
                       {"GETEX k PXAT 1700000000900", "\"a\""},
                       {"PTTL k", "900"},
                       {"GETEX k EXAT 5", "\"a\""},
                       {"EXISTS k", "0"}});
}

TEST_P(StringCommands, SeveralKeysAtOnce) {
  expect_replies(run,
                 {{"MSET a 1 b 2", "OK"},
                  {"MGET a x b a", "[\"1\", (nil), \"2\", \"1\"]"},
                  {"MSETNX c 3 a 9", "0"},
                  {"EXISTS c", "0"},
                  {"MSETNX c 3 d 4 c 5", "1"},
                  {"MGET c d", "[\"5\", \"4\"]"},
                  {"MSET a 1 b", "(error) ERR wrong number of arguments for 'mset' command"},
                  {"MSETNX a 1 b", "(error) ERR wrong number of arguments for 'msetnx' command"},
                  {"MSET a 1 a 2", "OK"},
                  {"GET a", "\"2\""}});
}

TEST_P(StringCommands, OtherTypesAreRefusedExceptWhereSetOverwrites) {
  put_hash(store_.get(), "h");
  for (std::string_view line : {"GET h", "GETSET h v", "GETDEL h", "GETEX h", "DELIFEQ h v",
                                "SET h v GET", "SET h v IFEQ x", "APPEND h v", "STRLEN h",
                                "GETRANGE h 0 1", "SETRANGE h 0 v", "INCR h", "INCRBYFLOAT h 1"}) {
    EXPECT_EQ(run(line), kWrongType) << line;
  }
  expect_replies(run, {{"TYPE h", "hash"},
                       {"MGET h", "[(nil)]"},
                       {"SETNX h v", "0"},
                       {"LCS h h", "(error) ERR The specified keys must contain string values"},
                       {"SET h v", "OK"},
                       {"TYPE h", "string"}});
}

TEST_P(StringCommands, AppendAndStrlen) {
  expect_replies(run, {{"STRLEN k", "0"},
                       {"APPEND k abc", "3"},
                       {"APPEND k de", "5"},
                       {"GET k", "\"abcde\""},
                       {"STRLEN k", "5"},
                       {"EXPIRE k 10", "1"},
                       {"APPEND k f", "6"},
                       {"TTL k", "10"}});
  EXPECT_EQ(run.run({"APPEND", "e", ""}), "0");
  EXPECT_EQ(run("EXISTS e"), "1");
}

TEST_P(StringCommands, GetRangeClampsAsRedisDoes) {
  expect_replies(
      run, {{"SET k Hello", "OK"},
            {"GETRANGE k 0 -1", "\"Hello\""},
            {"GETRANGE k 1 3", "\"ell\""},
            {"GETRANGE k -3 -2", "\"ll\""},
            {"GETRANGE k 3 1", "\"\""},
            {"GETRANGE k 0 100", "\"Hello\""},
            {"GETRANGE k -100 1", "\"He\""},
            {"GETRANGE k -100 -99", "\"H\""},
            {"GETRANGE k -1 -100", "\"\""},
            {"GETRANGE k 5 6", "\"\""},
            {"GETRANGE none 0 -1", "\"\""},
            {"SUBSTR k 0 0", "\"H\""},
            {"GETRANGE k x 1", "(error) ERR value is not an integer or out of range"},
            {"GETRANGE k -9223372036854775808 9223372036854775807", "\"Hello\""},
            {"GETRANGE k 0", "(error) ERR wrong number of arguments for 'getrange' command"}});
}

TEST_P(StringCommands, SetRangePadsWithZeros) {
  expect_replies(run, {{"SET k Hello", "OK"},
                       {"SETRANGE k 1 ipp", "5"},
                       {"GET k", "\"Hippo\""},
                       {"SETRANGE k 4 xyz", "7"},
                       {"SETRANGE n -1 x", "(error) ERR offset is out of range"},
                       {"SETRANGE n y x", "(error) ERR value is not an integer or out of range"}});
  EXPECT_EQ(run.run({"SETRANGE", "n", "5", ""}), "0");
  EXPECT_EQ(run("EXISTS n"), "0");
  EXPECT_EQ(run.run({"SETRANGE", "k", "50", ""}), "7");
  EXPECT_EQ(run("SETRANGE n 2 x"), "3");
  EXPECT_EQ(run.raw({"GET", "n"}), std::string("$3\r\n\0\0x\r\n", 9));
}

TEST_P(StringCommands, GrowingStopsAtTheLimitOfTheEntry) {
  run.limits.value_bytes_max = 10;
  constexpr std::string_view kTooLong =
      "(error) ERR string exceeds maximum allowed size (proto-max-bulk-len)";
  expect_replies(
      run, {{"SET k 0123456789", "OK"},
            {"APPEND k x", kTooLong},
            {"SETRANGE k 9 x", "10"},
            {"SETRANGE k 10 x", kTooLong},
            {"SETRANGE none 10 x", kTooLong},
            {"SET k 0123456789x", "(error) ERR value exceeds maximum allowed size (10 bytes)"},
            {"STRLEN k", "10"}});
  run.limits.value_bytes_max = 100;
  EXPECT_EQ(run("SETRANGE k 9223372036854775807 x"), kTooLong);
}

TEST_P(StringCommands, IntegersCount) {
  expect_replies(
      run, {{"INCR n", "1"},
            {"INCRBY n 10", "11"},
            {"DECR n", "10"},
            {"DECRBY n 15", "-5"},
            {"GET n", "\"-5\""},
            {"EXPIRE n 10", "1"},
            {"INCR n", "-4"},
            {"TTL n", "10"},
            {"INCRBY n x", "(error) ERR value is not an integer or out of range"},
            {"INCRBY n 9223372036854775808", "(error) ERR value is not an integer or out of range"},
            {"INCRBY n +1", "(error) ERR value is not an integer or out of range"},
            {"INCRBY n 01", "(error) ERR value is not an integer or out of range"},
            {"INCRBY n -0", "(error) ERR value is not an integer or out of range"},
            {"DECRBY n -9223372036854775808", "(error) ERR decrement would overflow"},
            {"SET n 9223372036854775807", "OK"},
            {"INCR n", "(error) ERR increment or decrement would overflow"},
            {"SET n -9223372036854775808", "OK"},
            {"DECR n", "(error) ERR increment or decrement would overflow"},
            {"INCRBY n 0", "-9223372036854775808"},
            {"SET n 1.5", "OK"},
            {"INCR n", "(error) ERR value is not an integer or out of range"}});
  run.run({"SET", "n", " 1"});
  EXPECT_EQ(run("INCR n"), "(error) ERR value is not an integer or out of range");
  run.run({"SET", "n", ""});
  EXPECT_EQ(run("INCR n"), "(error) ERR value is not an integer or out of range");
}

TEST_P(StringCommands, RealsAreWrittenAsRedisWritesThem) {
  expect_replies(run, {{"INCRBYFLOAT f 10.50", "\"10.5\""},
                       {"INCRBYFLOAT f 0.1", "\"10.6\""},
                       {"INCRBYFLOAT f -5", "\"5.6\""},
                       {"INCRBYFLOAT f 5.0e3", "\"5005.60000000000000009\""},
                       {"INCRBYFLOAT f -5005.6", "\"0\""},
                       {"INCRBYFLOAT f 1e20", "\"100000000000000000000\""},
                       {"INCRBYFLOAT f x", "(error) ERR value is not a valid float"},
                       {"INCRBYFLOAT f nan", "(error) ERR value is not a valid float"},
                       {"INCRBYFLOAT f inf", "(error) ERR increment would produce NaN or Infinity"},
                       {"SET g abc", "OK"},
                       {"INCRBYFLOAT g 1", "(error) ERR value is not a valid float"},
                       {"SET h 3.0e3", "OK"},
                       {"INCRBYFLOAT h 2.0e2", "\"3200\""}});
  EXPECT_EQ(run.run({"INCRBYFLOAT", "f", " 1"}), "(error) ERR value is not a valid float");
  EXPECT_EQ(run.run({"INCRBYFLOAT", "f", ""}), "(error) ERR value is not a valid float");
}

TEST_P(StringCommands, LongestCommonSubsequence) {
  expect_replies(
      run, {{"MSET a ohmytext b mynewtext", "OK"},
            {"LCS a b", "\"mytext\""},
            {"LCS a b LEN", "6"},
            {"LCS a b IDX", "[\"matches\", [[[4, 7], [5, 8]], [[2, 3], [0, 1]]], \"len\", 6]"},
            {"LCS a b IDX MINMATCHLEN 4", "[\"matches\", [[[4, 7], [5, 8]]], \"len\", 6]"},
            {"LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN",
             "[\"matches\", [[[4, 7], [5, 8], 4]], \"len\", 6]"},
            {"LCS a none", "\"\""},
            {"LCS none none LEN", "0"},
            {"LCS none a IDX", "[\"matches\", [], \"len\", 0]"},
            {"LCS a b LEN IDX",
             "(error) ERR If you want both the length and indexes, please just use IDX."},
            {"LCS a b FOO", "(error) ERR syntax error"},
            {"LCS a b MINMATCHLEN", "(error) ERR syntax error"},
            {"LCS a b MINMATCHLEN x", "(error) ERR value is not an integer or out of range"}});
  run.protocol = resp::Protocol::kResp3;
  EXPECT_EQ(run("LCS a b IDX MINMATCHLEN 9"), "{\"matches\": [], \"len\": 6}");
}

TEST_P(StringCommands, LongestCommonSubsequenceIsBounded) {
  run.run({"SET", "a", std::string(5000, 'a')});
  EXPECT_EQ(run("LCS a a LEN"),
            "(error) ERR Insufficient memory, transient memory for LCS exceeds "
            "proto-max-bulk-len");
}

TEST_P(StringCommands, ChangesMakeEvents) {
  const auto events_of = [&](std::string_view line) {
    run(line);
    return run.events();
  };
  using Events = std::vector<std::string>;
  EXPECT_EQ(events_of("SET k a"), Events({"set 1-0 k=a"}));
  EXPECT_EQ(events_of("SET k a EX 5"), Events({"set 2-0 k=a", "expire 2-1 k"}));
  EXPECT_EQ(run.modified("k"), (EventId{2, 1}));
  EXPECT_EQ(events_of("SET k b NX"), Events());
  EXPECT_EQ(events_of("SETEX k 5 b"), Events({"set 3-0 k=b", "expire 3-1 k"}));
  EXPECT_EQ(events_of("MSET k 1 l 2"), Events({"set 4-0 k=1", "set 4-1 l=2"}));
  EXPECT_EQ(events_of("INCR k"), Events({"incrby 5-0 k=2"}));
  EXPECT_EQ(events_of("INCRBYFLOAT k 0.5"), Events({"incrbyfloat 6-0 k=2.5"}));
  EXPECT_EQ(events_of("APPEND k 1"), Events({"append 7-0 k=2.51"}));
  EXPECT_EQ(events_of("SETRANGE k 0 3"), Events({"setrange 8-0 k=3.51"}));
  EXPECT_EQ(events_of("GETSET k v"), Events({"set 9-0 k=v"}));
  EXPECT_EQ(events_of("GETEX k EX 5"), Events({"expire 10-0 k"}));
  EXPECT_EQ(events_of("GETEX k PERSIST"), Events({"persist 11-0 k"}));
  EXPECT_EQ(events_of("GETEX k PERSIST"), Events());
  EXPECT_EQ(events_of("GETEX k EXAT 1"), Events({"del 12-0 k"}));
  EXPECT_EQ(events_of("GETDEL l"), Events({"del 13-0 l"}));
  EXPECT_EQ(events_of("SETNX k v"), Events({"set 14-0 k=v"}));
  EXPECT_EQ(events_of("DELIFEQ k v"), Events({"del 15-0 k"}));
  EXPECT_EQ(events_of("GETDEL k"), Events());
  EXPECT_EQ(run.applied().revision, 15U);
}

}  // namespace kvorum::command::testing
