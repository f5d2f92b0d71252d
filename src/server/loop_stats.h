// LoopStats: what a client loop counts. Plain numbers, touched by the loop's thread alone; INFO
// asks every loop for a copy and adds them up.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "command/spec.h"

namespace kvorum::server {

struct CommandStats {
  uint64_t calls = 0;
  uint64_t microseconds = 0;
  uint64_t rejected = 0;
  uint64_t failed = 0;
  // Calls by duration: bucket i holds those of at most 2^i microseconds that bucket i - 1 does not;
  // the last one those beyond as well.
  static constexpr size_t kBuckets = 31;
  std::array<uint64_t, kBuckets> by_duration{};

  void note_call(Monotonic elapsed);
  void add(const CommandStats& other);
};

struct LoopStats {
  uint64_t clients = 0;
  uint64_t connections_accepted = 0;
  uint64_t connections_rejected = 0;
  uint64_t input_bytes = 0;
  uint64_t output_bytes = 0;
  uint64_t commands = 0;
  uint64_t commands_per_second = 0;  // over the last second or so
  uint64_t keyspace_hits = 0;
  uint64_t keyspace_misses = 0;
  uint64_t input_bytes_max = 0;    // the largest input a connection held
  uint64_t output_bytes_max = 0;   // the most a connection had unsent
  uint64_t closed_for_output = 0;  // over an output buffer limit
  uint64_t subscribers = 0;
  uint64_t channels = 0;
  uint64_t patterns = 0;
  uint64_t watchers = 0;
  uint64_t watchers_behind = 0;
  uint64_t watchers_dropped = 0;
  uint64_t watch_catch_ups = 0;  // of watchers that had been too slow
  uint64_t watches_lost = 0;     // `lost` marks sent
  uint64_t events_queued = 0;
  uint64_t events_sent = 0;
  uint64_t messages_sent = 0;
  uint64_t watching_transactions = 0;
  uint64_t tracking_clients = 0;
  uint64_t tracking_keys = 0;
  uint64_t tracking_items = 0;
  uint64_t tracking_prefixes = 0;
  uint64_t blocked_clients = 0;
  std::unordered_map<const command::CommandSpec*, CommandStats> by_command;
  std::map<std::string, uint64_t, std::less<>> errors;  // by error word

  void note_error(std::string_view reply);
  void add(const LoopStats& other);
};

}  // namespace kvorum::server
