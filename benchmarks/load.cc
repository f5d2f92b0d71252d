// A load generator for benchmarks/run: connections that each send a request, wait for its answer
// and send the next, all in one thread, to a server that speaks the Redis protocol or to etcd.
// Prints one line of JSON. The loop is the same for both; what differs is Target.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/splitmix64.h"
#include "benchmarks/cpu_time.h"
#include "benchmarks/load_target.h"

namespace kvorum::benchmarks {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kValueSourceBytes = size_t{64} << 10;

struct Options {
  bool etcd = false;
  bool fill = false;
  Operation operation = Operation::kPut;
  TargetOptions target;
  uint64_t keys = 100'000;
  double seconds = 1;
  double warm_up_seconds = 0.2;
  uint64_t seed = 1;
};

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// In milliseconds; the smallest that `part` of all do not exceed.
double percentile(std::vector<double>& latencies, double part) {
  if (latencies.empty()) return 0;
  const auto rank = static_cast<std::ptrdiff_t>(part * static_cast<double>(latencies.size() - 1));
  std::nth_element(latencies.begin(), latencies.begin() + rank, latencies.end());
  return latencies[static_cast<size_t>(rank)] * 1000;
}

class Load {
 public:
  Load(const Options& options, Target& target)
      : options_(options), target_(target), seed_(options.seed), sent_(options.target.connections) {
    for (size_t i = 0; i < kValueSourceBytes; ++i) {
      values_.push_back(static_cast<char>('a' + splitmix64(seed_) % 26));
    }
  }

  // Writes every key once. The seconds it took.
  double fill() {
    const auto begin = Clock::now();
    uint64_t next = 0;
    uint64_t answered = 0;
    for (size_t i = 0; i < sent_.size() && next < options_.keys; ++i) put(i, next++);
    while (answered < options_.keys) {
      for (const Answer& answer : answers()) {
        if (!answer.good) die("a write was refused: {}", target_.first_error());
        ++answered;
        if (next < options_.keys) put(answer.connection, next++);
      }
    }
    return since(begin);
  }

  nlohmann::json measure() {
    for (size_t i = 0; i < sent_.size(); ++i) send(i);
    run(options_.warm_up_seconds);
    latencies_.clear();
    errors_ = 0;
    const auto begin = Clock::now();
    const double cpu_before = cpu_seconds();
    run(options_.seconds);
    const double took = since(begin);
    const double cpu = cpu_seconds() - cpu_before;
    const uint64_t count = latencies_.size();
    finish();
    return {
        {"requests", count},
        {"seconds", took},
        {"rps", static_cast<double>(count) / took},
        {"p50_ms", percentile(latencies_, 0.5)},
        {"p99_ms", percentile(latencies_, 0.99)},
        {"errors", errors_},
        {"first_error", target_.first_error()},
        {"generator_us", count == 0 ? 0 : cpu * 1e6 / static_cast<double>(count)},
    };
  }

 private:
  const std::vector<Answer>& answers() {
    answers_.clear();
    target_.wait(answers_);
    return answers_;
  }

  void run(double seconds) {
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(seconds));
    while (Clock::now() < end) {
      for (const Answer& answer : answers()) {
        if (answer.good) {
          latencies_.push_back(since(sent_[answer.connection]));
        } else {
          ++errors_;
        }
        send(answer.connection);
      }
    }
  }

  // Takes the answers that are still owed, and counts them neither as requests nor as time.
  void finish() {
    for (size_t left = sent_.size(); left > 0;) left -= answers().size();
  }

  void send(size_t connection) {
    const uint64_t key = splitmix64(seed_) % options_.keys;
    if (options_.operation == Operation::kPut) return put(connection, key);
    sent_[connection] = Clock::now();
    target_.get(connection, name(key));
  }

  void put(size_t connection, uint64_t key) {
    const size_t bytes = options_.target.value_bytes;
    const size_t from = splitmix64(seed_) % (values_.size() - bytes);
    sent_[connection] = Clock::now();
    target_.put(connection, name(key), std::string_view(values_).substr(from, bytes));
  }

  std::string_view name(uint64_t key) {
    key_.clear();
    fmt::format_to(std::back_inserter(key_), "key:{:012}", key);
    return key_;
  }

  const Options& options_;
  Target& target_;
  uint64_t seed_;
  std::string values_;
  std::string key_;
  std::vector<Clock::time_point> sent_;  // by connection
  std::vector<Answer> answers_;
  std::vector<double> latencies_;  // seconds
  uint64_t errors_ = 0;
};

std::optional<int> parse(int argc, char** argv, Options& options) {
  CLI::App app("Sends requests over many connections in one thread; prints JSON.");
  const auto print_protocols = [] {
    fmt::print("redis{}\n", speaks_etcd() ? " etcd" : "");
    throw CLI::Success();
  };
  app.add_flag_callback("--protocols", print_protocols, "prints what it can speak");
  app.add_flag("--etcd", options.etcd, "the endpoints are etcd's; else Redis protocol");
  app.add_option("--endpoints", options.target.endpoints, "<address>:<port>,…")
      ->delimiter(',')
      ->required();
  app.add_option("--connections", options.target.connections)->check(CLI::Range(1, 10'000));
  std::string operation = "put";
  app.add_option("--operation", operation, "fill writes every key once and prints the seconds")
      ->check(CLI::IsMember({"put", "get", "fill"}));
  const std::map<std::string, Reads> reads = {{"default", Reads::kDefault},
                                              {"linearizable", Reads::kLinearizable},
                                              {"lease", Reads::kLease},
                                              {"eventual", Reads::kEventual},
                                              {"serializable", Reads::kSerializable}};
  app.add_option("--reads", options.target.reads, "what a get promises")
      ->transform(CLI::CheckedTransformer(reads));
  app.add_option("--keys", options.keys)->check(CLI::PositiveNumber);
  app.add_option("--value-bytes", options.target.value_bytes)->check(CLI::Range(1, 32'768));
  app.add_option("--seconds", options.seconds);
  app.add_option("--warm-up", options.warm_up_seconds, "seconds that are not counted");
  app.add_option("--seed", options.seed);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  options.fill = operation == "fill";
  options.operation = operation == "get" ? Operation::kGet : Operation::kPut;
  return std::nullopt;
}

int run(int argc, char** argv) {
  Options options;
  if (const auto code = parse(argc, argv, options)) return *code;
  const auto target = options.etcd ? connect_etcd(options.target) : connect_redis(options.target);
  if (target == nullptr) die("built without nghttp2, which etcd needs");
  Load load(options, *target);
  const nlohmann::json result =
      options.fill ? nlohmann::json{{"seconds", load.fill()}} : load.measure();
  fmt::print("{}\n", result.dump());
  return 0;
}

}  // namespace
}  // namespace kvorum::benchmarks

int main(int argc, char** argv) {
  return kvorum::benchmarks::run(argc, argv);
}
