#include "command/dump.h"

#include "command_fixture.h"

namespace kvorum::command::testing {

class DumpAndRestore : public CommandTest {
 protected:
  // What DUMP gives, as bytes.
  std::string dump_of(const std::string& key) {
    const std::string reply = run.raw({"DUMP", key});
    const size_t begin = reply.find('\n') + 1;
    return reply.substr(begin, reply.size() - begin - 2);
  }
};
KVORUM_COMMAND_TESTS(DumpAndRestore);

constexpr std::string_view kDamaged = "(error) ERR DUMP payload version or checksum are wrong";

TEST_P(DumpAndRestore, RoundTripsEveryByte) {
  std::string all;
  for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
  for (const std::string& value :
       {std::string(), std::string("1"), all, std::string(100000, 'x')}) {
    run.run({"SET", "k", value});
    EXPECT_EQ(run.run({"RESTORE", "copy", "0", dump_of("k"), "REPLACE"}), "OK");
    EXPECT_EQ(run.raw({"GET", "copy"}), run.raw({"GET", "k"}));
  }
  EXPECT_EQ(run("DUMP none"), "(nil)");
}

TEST_P(DumpAndRestore, RefusesEveryDamagedByte) {
  run("SET k value");
  const std::string payload = dump_of("k");
  for (size_t i = 0; i < payload.size(); ++i) {
    std::string damaged = payload;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_EQ(run.run({"RESTORE", "r", "0", damaged}), kDamaged) << i;
    EXPECT_EQ(run.run({"RESTORE", "r", "0", payload.substr(0, i)}), kDamaged) << i;
  }
  EXPECT_EQ(run.run({"RESTORE", "r", "0", payload + "x"}), kDamaged);
  EXPECT_EQ(run("EXISTS r"), "0");
}

TEST_P(DumpAndRestore, ObeysItsOptions) {
  run("SET k v");
  const std::string payload = dump_of("k");
  const auto restore = [&](std::string_view ttl, std::string_view options) {
    Words args = {"RESTORE", "r", std::string(ttl), payload};
    for (std::string& word : words(options)) args.push_back(std::move(word));
    return run.run(args);
  };
  EXPECT_EQ(restore("1500", ""), "OK");
  EXPECT_EQ(run.events(), std::vector<std::string>({"restore 2-0 r=v"}));
  EXPECT_EQ(run("PTTL r"), "1500");
  EXPECT_EQ(restore("0", ""), "(error) BUSYKEY Target key name already exists.");
  EXPECT_EQ(restore("x", ""), "(error) BUSYKEY Target key name already exists.");
  EXPECT_EQ(restore("0", "REPLACE"), "OK");
  EXPECT_EQ(run("PTTL r"), "-1");
  EXPECT_EQ(restore("1700000000900", "replace absttl"), "OK");
  EXPECT_EQ(run("PTTL r"), "900");
  EXPECT_EQ(restore("-1", "REPLACE"), "(error) ERR Invalid TTL value, must be >= 0");
  EXPECT_EQ(restore("9223372036854775807", "REPLACE"),
            "(error) ERR Invalid TTL value, must be >= 0");
  EXPECT_EQ(restore("x", "REPLACE"), "(error) ERR value is not an integer or out of range");
  EXPECT_EQ(restore("0", "REPLACE IDLETIME 5"), "OK");
  EXPECT_EQ(restore("0", "REPLACE FREQ 255"), "OK");
  EXPECT_EQ(restore("0", "REPLACE IDLETIME -1"),
            "(error) ERR Invalid IDLETIME value, must be >= 0");
  EXPECT_EQ(restore("0", "REPLACE FREQ 256"),
            "(error) ERR Invalid FREQ value, must be >= 0 and <= 255");
  EXPECT_EQ(restore("0", "REPLACE FREQ 1 IDLETIME 1"), "(error) ERR syntax error");
  EXPECT_EQ(restore("0", "REPLACE IDLETIME"), "(error) ERR syntax error");
  EXPECT_EQ(restore("0", "FOO"), "(error) ERR syntax error");
  EXPECT_EQ(restore("1", "REPLACE ABSTTL"), "OK");
  ASSERT_EQ(run.event_batch().size(), 1U);
  EXPECT_EQ(run.event_batch()[0].kind->name, "del");
  EXPECT_EQ(run("EXISTS r"), "0");
  EXPECT_EQ(restore("1", "ABSTTL"), "OK");
  EXPECT_EQ(run.event_batch().size(), 0U);
}

TEST_P(DumpAndRestore, TheLongestValueRoundTrips) {
  run.limits.value_bytes_max = 1000;
  run.run({"SET", "k", std::string(1000, 'x')});
  const std::string payload = dump_of("k");
  EXPECT_EQ(run.run({"RESTORE", "r", "0", payload}), "OK");
  run.limits.value_bytes_max = 999;
  EXPECT_EQ(run.run({"RESTORE", "r", "0", payload, "REPLACE"}),
            "(error) ERR value exceeds maximum allowed size (999 bytes)");
}

TEST_P(DumpAndRestore, ForeignTypesAreRefused) {
  EXPECT_EQ(run.run({"RESTORE", "r", "0", dump(storage::ValueType::kHash, "x")}), kDamaged);
}

}  // namespace kvorum::command::testing
