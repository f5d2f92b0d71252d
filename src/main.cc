// The kvorum server: reads its configuration, runs a node, exits.

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <utility>

#include "config/load.h"
#include "server/logger.h"
#include "server/node.h"

// How jemalloc is set up, which looks for this name: memory that is free goes back to the system
// within a second, so that what a node holds stays near what it was given. Most of it lies in large
// pages: finding a key in the engine's trees is a walk through all of memory, and with small pages
// nearly every step would also have to look its address up.
extern "C" const char* malloc_conf;
const char* malloc_conf =
    "narenas:2,background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0,thp:always";

int main(int argc, char** argv) {
  kvorum::config::Startup startup = kvorum::config::start_up(argc, argv, KVORUM_VERSION);
  fmt::print("{}", startup.output);
  fmt::print(stderr, "{}", startup.errors);
  if (!startup.run) return startup.exit_code;

  if (kvorum::Status set_up = kvorum::server::set_up_logger(startup.config.log); !set_up) {
    fmt::print(stderr, "kvorum: {}\n", set_up.error().message);
    return 1;
  }
  auto node = kvorum::server::Node::open(std::move(startup.config), std::move(startup.file));
  kvorum::Status ended = node ? (*node)->run(true) : tl::unexpected(node.error());
  if (!ended) {
    kvorum::server::log_error("{}", ended.error().message);
    return 1;
  }
  return 0;
}
