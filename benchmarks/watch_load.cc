// The load generator of benchmarks/watch: watchers and writers in one thread, on kvorum or on etcd.
// Prints `begin` and `end` around what it measures, then one line of JSON. With --idle it only
// watches: it prints `ready`, and ends when its standard input does.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <optional>
#include <string>

#include "base/check.h"
#include "benchmarks/watch_load_run.h"

namespace kvorum::benchmarks {
namespace {

constexpr rlim_t kOtherFiles = 32;

struct Options {
  WatchLoadOptions load;
  bool idle = false;
};

std::optional<int> parse(int argc, char** argv, Options& options) {
  CLI::App app("Measures watches over many connections in one thread; prints JSON.");
  const auto print_protocols = [] {
    fmt::print("redis{}\n", speaks_etcd() ? " etcd" : "");
    throw CLI::Success();
  };
  WatchLoadOptions& load = options.load;
  app.add_flag_callback("--protocols", print_protocols, "prints what it can speak");
  app.add_flag("--etcd", load.etcd, "the endpoint is etcd's; else kvorum's");
  app.add_flag("--idle", options.idle, "watches, writes nothing, until its input ends");
  app.add_option("--endpoint", load.target.endpoint, "<address>:<port>")->required();
  app.add_option("--watchers", load.target.watchers)->check(CLI::Range(1, 100'000));
  app.add_option("--writers", load.target.writers)->check(CLI::Range(1, 1'000));
  const std::map<std::string, Watched> watched = {
      {"keys", Watched::kKeys}, {"prefix", Watched::kPrefix}, {"prefixes", Watched::kPrefixes}};
  app.add_option("--watched", load.watched, "what each has of its own, or a common prefix")
      ->transform(CLI::CheckedTransformer(watched));
  app.add_option("--rate", load.rate, "writes a second; 0: as fast as they are delivered")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--pipeline", load.pipeline, "without a rate: writes under way by writer")
      ->check(CLI::Range(1, 1'000));
  app.add_option("--value-bytes", load.value_bytes)->check(CLI::Range(sizeof(Stamp), 32'768UL));
  app.add_option("--seconds", load.seconds);
  app.add_option("--warm-up", load.warm_up_seconds, "seconds that are not counted");
  app.add_option("--seed", load.seed);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  return std::nullopt;
}

void allow_files(rlim_t count) {
  rlimit limit{};
  CHECK(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  if (limit.rlim_max < count) {
    die("needs {} open files, and may have {}: see `ulimit -Hn`", count, limit.rlim_max);
  }
  limit.rlim_cur = limit.rlim_max;
  CHECK(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

int run(int argc, char** argv) {
  Options options;
  if (const auto code = parse(argc, argv, options)) return *code;
  allow_files(options.load.target.watchers + options.load.target.writers + kOtherFiles);
  CHECK(::prctl(PR_SET_TIMERSLACK, 1UL) == 0);  // a rate is kept by short waits
  WatchLoad load(options.load);
  load.subscribe();
  if (options.idle) {
    fmt::print("ready\n");
    std::fflush(stdout);
    while (std::getchar() != EOF) {
    }
    return 0;
  }
  fmt::print("{}\n", load.measure().dump());
  return 0;
}

}  // namespace
}  // namespace kvorum::benchmarks

int main(int argc, char** argv) {
  return kvorum::benchmarks::run(argc, argv);
}
