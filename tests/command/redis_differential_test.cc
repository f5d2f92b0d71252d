// Random commands, from a seed, to a real redis-server and to ours: the bytes of every reply must
// be the same. What can't be the same is left out: order of KEYS, cursors of SCAN, payloads of
// DUMP, the encoding of strings that were edited in place; times to live may differ by what passed
// between the two.
#include <algorithm>
#include <cstdlib>
#include <random>

#include "base/clock.h"
#include "command/command_introspection.h"
#include "command_fixture.h"
#include "memory_store.h"
#include "redis_process.h"
#include "resp/reply_parser.h"

namespace kvorum::command::testing {

namespace {

// Words of a template: $k a key, $v a value, $i an integer or something like it, $f a number, $s
// seconds from now, $a a time far away in seconds and $m in milliseconds, $p a past time, $g a
// glob, $w a word that may be an option; others stand for themselves.
constexpr std::string_view kTemplates[] = {
    "GET $k",
    "SET $k $v",
    "SET $k $v",
    "SET $k $v NX",
    "SET $k $v XX",
    "SET $k $v GET",
    "SET $k $v NX GET",
    "SET $k $v XX GET",
    "SET $k $v EX $s",
    "SET $k $v PX $s",
    "SET $k $v EX $i",
    "SET $k $v PX $i",
    "SET $k $v EXAT $a",
    "SET $k $v PXAT $m",
    "SET $k $v PXAT $p",
    "SET $k $v KEEPTTL",
    "SET $k $v $w",
    "SET $k $v $w $w",
    "SET $k $v $w $i $w",
    "SETNX $k $v",
    "SETEX $k $s $v",
    "SETEX $k $i $v",
    "PSETEX $k $i $v",
    "GETSET $k $v",
    "GETDEL $k",
    "GETEX $k",
    "GETEX $k EX $i",
    "GETEX $k EXAT $a",
    "GETEX $k PXAT $p",
    "GETEX $k PERSIST",
    "GETEX $k $w",
    "GETEX $k $w $i",
    "MGET $k $k $k",
    "MSET $k $v $k $v",
    "MSET $k $v $k",
    "MSETNX $k $v $k $v",
    "APPEND $k $v",
    "STRLEN $k",
    "GETRANGE $k $i $i",
    "SUBSTR $k $i $i",
    "SETRANGE $k $i $v",
    "SETRANGE $k 3 $v",
    "SETRANGE $k 600000000 $v",
    "INCR $k",
    "DECR $k",
    "INCRBY $k $i",
    "DECRBY $k $i",
    "INCRBYFLOAT $k $f",
    "INCRBYFLOAT $k $f",
    "LCS $k $k",
    "LCS $k $k LEN",
    "LCS $k $k IDX",
    "LCS $k $k IDX WITHMATCHLEN MINMATCHLEN $i",
    "LCS $k $k $w $w",
    "DEL $k $k",
    "UNLINK $k",
    "EXISTS $k $k $k",
    "TYPE $k",
    "TOUCH $k $k",
    "EXPIRE $k $s",
    "EXPIRE $k $i",
    "EXPIRE $k -1",
    "PEXPIRE $k 0",
    "EXPIREAT $k $a",
    "EXPIREAT $k $a NX",
    "EXPIREAT $k $a XX",
    "EXPIREAT $k $a GT",
    "EXPIREAT $k $a LT",
    "PEXPIREAT $k $m GT",
    "PEXPIREAT $k $m LT XX",
    "EXPIREAT $k $a $w $w",
    "EXPIREAT $k $p",
    "PEXPIREAT $k $i",
    "TTL $k",
    "PTTL $k",
    "EXPIRETIME $k",
    "PEXPIRETIME $k",
    "PERSIST $k",
    "KEYS $g",
    "RENAME $k $k",
    "RENAMENX $k $k",
    "COPY $k $k",
    "COPY $k $k REPLACE",
    "COPY $k $k DB $i",
    "COPY $k $k $w",
    "FLUSHALL $w",
    "FLUSHALL",
    "FLUSHDB ASYNC",
    "OBJECT FREQ $k",
    "OBJECT $w $k",
    "OBJECT",
    "MEMORY USAGE $k $w",
    "RESTORE $k 0 $v",
    "RESTORE $k $i $v REPLACE",
    "RESTORE $k 0 $v $w $i",
    "RESTORE $k 0 $v $w",
    "SCAN abc $w",
    "SCAN 0 COUNT $w",
    "SCAN 0 $w 1",
    "DUMP none",
    "NOSUCH $k $v",
    "SET e1 $v",
    "SETNX e2 $v",
    "OBJECT ENCODING e1",
    "OBJECT ENCODING e2",
    "GETSET e2 $v",
};

constexpr std::string_view kIntegers[] = {
    "0",
    "1",
    "-1",
    "2",
    "3",
    "5",
    "-3",
    "-5",
    "10",
    "100",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "9223372036854775",
    "abc",
    "1.5",
    "+1",
    "01",
    "-0",
    "",
    " 1",
    "1 ",
    "0x1",
    "1e3",
    "--1",
    "-",
};
constexpr std::string_view kReals[] = {
    "1",   "-1",  "0.1",  "-0.1", "3.0e3", "1e-5", "1e17", "-1e17",  "123456789.123456789",
    "inf", "nan", "-inf", "abc",  "",      " 1",   "0x10", "1e5000", "1e-5000",
    ".5",  "5.",  "+2",   "-0",   "1e19",  "0.3",
};
constexpr std::string_view kWords[] = {
    "NX",      "xx",      "GET",       "EX",     "px",          "EXAT",         "PXAT",
    "KEEPTTL", "PERSIST", "REPLACE",   "ABSTTL", "IDLETIME",    "FREQ",         "DB",
    "GT",      "LT",      "LEN",       "IDX",    "MINMATCHLEN", "WITHMATCHLEN", "ASYNC",
    "SYNC",    "MATCH",   "COUNT",     "TYPE",   "SAMPLES",     "foo",          "",
    "0",       "1",       "ENCODING2",
};
constexpr std::string_view kGlobs[] = {"*",  "k*", "k?", "k[0-3]", "k[^1]", "[ke]1", "k1",
                                       "e*", "",   "*1", "k\\1",   "[",     "k[",    "nope*"};

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  uint64_t below(uint64_t n) { return random_() % n; }

  Words command() {
    Words args;
    for (const std::string& word : words(any(kTemplates))) {
      args.push_back(word.starts_with('$') ? fill(word[1]) : word);
    }
    // Sometimes the wrong number of arguments.
    if (below(25) == 0) args.pop_back();
    if (below(40) == 0) args.push_back(value());
    if (args.empty()) args.push_back("GET");
    return args;
  }

 private:
  template <size_t N>
  std::string any(const std::string_view (&list)[N]) {
    return std::string(list[below(N)]);
  }

  std::string value() {
    switch (below(4)) {
      case 0:
        return any(kIntegers);
      case 1:
        return any(kReals);
      case 2: {
        std::string text(below(60), '\0');
        for (char& c : text) c = static_cast<char>('a' + below(3));
        return text;
      }
      default: {
        std::string bytes(below(8), '\0');
        for (char& c : bytes) c = static_cast<char>(below(256));
        return bytes;
      }
    }
  }

  std::string fill(char what) {
    switch (what) {
      case 'k':
        return "k" + std::to_string(below(8));
      case 'v':
        return value();
      case 'i':
        return any(kIntegers);
      case 'f':
        return any(kReals);
      case 's':
        return std::to_string(100'000 + 1000 * below(3));
      case 'a':
        return std::to_string(4'000'000'000 + below(4));
      case 'm':
        return std::to_string(4'000'000'000'000 + 500 * below(8));
      case 'p':
        return std::to_string(1 + below(1000));
      case 'g':
        return any(kGlobs);
      default:
        return any(kWords);
    }
  }

  std::mt19937_64 random_;
};

bool is_command(const Words& args, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, args[0]) != names.end();
}

// What can't be compared: a small integer's time to live may pass between two calls; SCAN's cursors
// and order; database numbers of a Redis that has more of them.
bool comparable(const Words& args) {
  if (is_command(args, {"SET", "GETEX", "SETEX", "PSETEX", "EXPIRE", "PEXPIRE", "RESTORE"})) {
    return std::ranges::none_of(args, [](const std::string& arg) {
      return arg == "1" || arg == "2" || arg == "3" || arg == "5" || arg == "10" || arg == "100";
    });
  }
  return true;
}

std::string sorted_array(const std::string& reply) {
  resp::ReplyParser parser;
  parser.feed(reply);
  resp::Value value = **parser.next();
  std::ranges::sort(value.elements, {}, &resp::Value::text);
  return resp::to_string(value);
}

// True if the replies are the same, or as near as time lets them be.
bool same(const Words& args, const std::string& ours, const std::string& theirs) {
  if (ours == theirs) return true;
  if (is_command(args, {"KEYS"})) return sorted_array(ours) == sorted_array(theirs);
  if (is_command(args, {"TTL", "EXPIRETIME", "PTTL", "PEXPIRETIME"})) {
    if (ours[0] != ':' || theirs[0] != ':') return false;
    const int64_t a = std::atoll(ours.c_str() + 1);
    const int64_t b = std::atoll(theirs.c_str() + 1);
    const int64_t slack = args[0].starts_with('P') ? 5000 : 5;
    return a > 0 && b > 0 && std::abs(a - b) <= slack;
  }
  // Where Redis says how many bytes, we say how many of ours; where it gives keys, in its own
  // order.
  // Redis also measures keys that are due.
  if (is_command(args, {"MEMORY"})) return ours[0] != '-' && theirs[0] == ':';
  if (is_command(args, {"OBJECT"}) && args.size() > 1 && args[1] == "IDLETIME") {
    return ours.starts_with("-ERR Idle time is not tracked") && theirs[0] == ':';
  }
  if (is_command(args, {"SCAN"})) return ours[0] == '*' && theirs[0] == '*';
  return false;
}

std::string shown(const Words& args) {
  std::string text;
  for (const std::string& arg : args) {
    resp::Value value;
    value.type = resp::Value::Type::kBulk;
    value.text = arg;
    text += resp::to_string(value) + " ";
  }
  return text;
}

class RedisDifferential : public ::testing::TestWithParam<resp::Protocol> {
 protected:
  void SetUp() override {
    if (!RedisProcess::available()) GTEST_SKIP() << "there is no redis-server here";
    redis_.emplace();
    run_.protocol = GetParam();
    if (GetParam() == resp::Protocol::kResp3) redis_->ask({"HELLO", "3"});
  }

  void compare(const Words& args) {
    run_.now = clock_.wall_ms();
    const std::string ours = run_.raw(args);
    const std::string theirs = redis_->ask(args);
    EXPECT_TRUE(same(args, ours, theirs))
        << shown(args) << "\nours:   " << readable(ours) << "\ntheirs: " << readable(theirs);
  }

  std::optional<RedisProcess> redis_;
  MemoryStore store_;
  CommandRunner run_{store_};
  SystemClock clock_;
};

TEST_P(RedisDifferential, AnswersRandomCommandsAsRedisDoes) {
  uint64_t seed = 1;
  if (const char* chosen = std::getenv("KVORUM_SEED")) seed = std::strtoull(chosen, nullptr, 10);
  Generator generator(seed);
  constexpr int kCommands = 10'000;
  for (int i = 0; i < kCommands && !HasFailure(); ++i) {
    const Words args = generator.command();
    if (comparable(args)) compare(args);
  }
  EXPECT_FALSE(HasFailure()) << "seed " << seed;
}

TEST_P(RedisDifferential, AnswersTransactionsAsRedisDoes) {
  Generator generator(7);
  for (int i = 0; i < 400 && !HasFailure(); ++i) {
    std::vector<Words> commands;
    while (commands.size() < 1 + generator.below(5)) {
      Words args = generator.command();
      const std::vector<std::string_view> views(args.begin(), args.end());
      const CommandSpec* spec = test_table().find(views);
      const bool queued = spec != nullptr && test_table().refusal(spec, views).empty();
      const bool timed = is_command(args, {"TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "MEMORY"});
      if (queued && !timed && args[0] != "KEYS" && args[0] != "SCAN" && comparable(args)) {
        commands.push_back(std::move(args));
      }
    }
    redis_->ask({"MULTI"});
    std::string text;
    for (const Words& args : commands) {
      redis_->ask(args);
      text += shown(args) + "\n";
    }
    run_.now = clock_.wall_ms();
    const std::string ours = run_.exec(commands);
    EXPECT_EQ(ours, readable(redis_->ask({"EXEC"}))) << text;
  }
}

TEST_P(RedisDifferential, DescribesCommandsAsRedisDoes) {
  for (const CommandSpec* row : test_table().rows()) {
    // Containers differ in their subcommands; two rows carry a note; one is not Redis'.
    const bool differs = std::holds_alternative<Container>(row->handler) || row->name == "set" ||
                         row->name == "getex" || row->name == "delifeq" || row->name == "dump";
    if (differs) continue;
    std::string ours;
    resp::ReplyWriter reply(ours, GetParam());
    command_info(test_table(), std::vector<std::string_view>{"COMMAND", "INFO", row->name}, reply);
    EXPECT_EQ(ours, redis_->ask({"COMMAND", "INFO", std::string(row->name)})) << row->name;
  }
}

INSTANTIATE_TEST_SUITE_P(In, RedisDifferential,
                         ::testing::Values(resp::Protocol::kResp2, resp::Protocol::kResp3),
                         [](const auto& info) {
                           return info.param == resp::Protocol::kResp2 ? "Resp2" : "Resp3";
                         });

}  // namespace

}  // namespace kvorum::command::testing
