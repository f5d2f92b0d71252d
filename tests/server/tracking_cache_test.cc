// Clients that keep what they read until they are told to forget it, in every mode of CLIENT
// TRACKING, while all of them write: in the end none may hold anything that is not so.

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tracking_client.h"

namespace kvorum::server {
namespace {

constexpr int kClients = 4;
constexpr int kSteps = 600;

using Options = std::vector<std::string_view>;

class CachingClient {
 public:
  CachingClient(const NodeHarness& harness, const Options& options, uint32_t seed)
      : client_(harness), options_(options), random_(seed) {
    switch_on();
  }

  void run() {
    for (int i = 0; i < kSteps; ++i) step();
  }
  // Takes in what was sent meanwhile.
  const std::map<std::string, std::string>& cache() {
    ask({"PING"});
    return cache_;
  }

 private:
  using Words = std::vector<std::string_view>;
  bool has(std::string_view option) const {
    return std::ranges::find(options_, option) != options_.end();
  }
  std::string some_key() { return std::string(1, static_cast<char>('a' + random_() % 8)); }

  void switch_on() {
    Words words = {"CLIENT", "TRACKING", "ON"};
    words.insert(words.end(), options_.begin(), options_.end());
    EXPECT_EQ(resp::to_string(ask(words)), "OK");
  }

  void send(const Words& words) { client_.raw().send_args(words); }
  // The next reply, and before it whatever is pushed.
  resp::Value receive() {
    while (true) {
      resp::Value value = client_.raw().receive();
      if (value.type != resp::Value::Type::kPush) return value;
      const resp::Value& keys = value.elements[1];
      if (keys.is_null()) cache_.clear();
      for (const resp::Value& key : keys.elements) cache_.erase(key.text);
    }
  }
  resp::Value ask(const Words& words) {
    send(words);
    return receive();
  }

  // With OPTIN what follows is only tracked after this.
  void announce() {
    if (has("OPTIN")) ask({"CLIENT", "CACHING", "YES"});
  }
  void keep(const std::string& key, const resp::Value& value) {
    cache_[key] = resp::to_string(value);
  }
  // Nobody says it when the client itself asked not to be told.
  void wrote(const std::string& key) {
    if (has("NOLOOP")) cache_.erase(key);
  }

  void read(const std::string& key) {
    announce();
    keep(key, ask({"GET", key}));
  }
  void write(const std::string& key) {
    switch (random_() % 4) {
      case 0:
        ask({"SET", key, std::to_string(random_()), "PX", "3"});
        break;
      case 1:
        ask({"DEL", key});
        break;
      default:
        ask({"SET", key, std::to_string(random_())});
    }
    wrote(key);
  }
  void pipeline(const std::string& key) {
    send({"GET", key});
    send({"SET", key, std::to_string(random_())});
    send({"GET", key});
    receive();
    receive();
    const resp::Value last = receive();
    // Without an announcement it is not tracked.
    if (has("OPTIN")) {
      cache_.erase(key);
    } else {
      keep(key, last);
    }
  }
  void transaction(const std::string& read, const std::string& written, bool writes, bool local) {
    announce();
    ask({"MULTI"});
    ask({"GET", read});
    if (local) ask({"CLIENT", "LIST"});
    if (writes) ask({"SET", written, std::to_string(random_())});
    ask({"GET", written});
    const resp::Value reply = ask({"EXEC"});
    ASSERT_GE(reply.elements.size(), 2u);
    keep(read, reply.elements.front());
    keep(written, reply.elements.back());
    if (writes) wrote(written);
    if (writes && read == written) cache_.erase(read);
  }
  void begin_anew() {
    ask({"CLIENT", "TRACKING", "OFF"});
    cache_.clear();
    switch_on();
  }

  void step() {
    const std::string key = some_key();
    switch (random_() % 16) {
      case 0:
      case 1:
        return write(key);
      case 2:
        return pipeline(key);
      case 3:
      case 4:
      case 5:
        return transaction(key, some_key(), random_() % 2 == 0, random_() % 4 == 0);
      case 6:
        return random_() % 8 == 0 ? begin_anew() : read(key);
      default:
        return read(key);
    }
  }

  TrackingClient client_;
  const Options options_;
  std::mt19937 random_;
  std::map<std::string, std::string> cache_;
};

struct Case {
  uint32_t loops = 1;
  Options options;
  uint64_t table_max_keys = 1'000'000;
};

class TrackingCaches : public ::testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(Modes, TrackingCaches,
                         ::testing::Values(Case{1, {}}, Case{3, {}}, Case{3, {"OPTIN"}},
                                           Case{3, {"NOLOOP"}}, Case{1, {"BCAST"}},
                                           Case{3, {"BCAST"}}, Case{3, {"BCAST", "NOLOOP"}},
                                           Case{3, {}, 3}));

TEST_P(TrackingCaches, HoldNothingThatIsNotSo) {
  const Case& mode = GetParam();
  NodeHarness harness(
      mode.loops, [&](Config& config) { config.tracking.table_max_keys = mode.table_max_keys; });
  std::vector<std::unique_ptr<CachingClient>> clients;
  for (uint32_t i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<CachingClient>(harness, mode.options, i));
  }
  std::vector<std::thread> threads;
  for (auto& client : clients) threads.emplace_back([&client] { client->run(); });
  for (std::thread& thread : threads) thread.join();
  TestClient judge(harness);
  auto wrong = [&](CachingClient& client) {
    std::string found;
    for (const auto& [key, value] : client.cache()) {
      const std::string now = judge.text("GET", key);
      if (value != now) found += key + ": " + value + ", but it is " + now + "\n";
    }
    return found;
  };
  for (auto& client : clients) {
    EXPECT_TRUE(eventually([&] { return wrong(*client).empty(); })) << wrong(*client);
  }
}

}  // namespace
}  // namespace kvorum::server
