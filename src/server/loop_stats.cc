#include "server/loop_stats.h"

#include <algorithm>
#include <bit>
#include <chrono>

namespace kvorum::server {

void CommandStats::note_call(Monotonic elapsed) {
  ++calls;
  auto us =
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count());
  microseconds += us;
  size_t bucket = us <= 1 ? 0 : static_cast<size_t>(std::bit_width(us - 1));
  ++by_duration[std::min(bucket, kBuckets - 1)];
}

void CommandStats::add(const CommandStats& other) {
  calls += other.calls;
  microseconds += other.microseconds;
  rejected += other.rejected;
  failed += other.failed;
  for (size_t i = 0; i < kBuckets; ++i) by_duration[i] += other.by_duration[i];
}

void LoopStats::note_error(std::string_view reply) {
  std::string_view word = reply.substr(1, reply.find_first_of(" \r") - 1);
  // Words come from this code, but a bound costs nothing.
  constexpr size_t kWordsMax = 128;
  auto found = errors.find(word);
  if (found != errors.end()) {
    ++found->second;
  } else if (errors.size() < kWordsMax) {
    errors.emplace(word, 1);
  }
}

void LoopStats::add(const LoopStats& other) {
  clients += other.clients;
  connections_accepted += other.connections_accepted;
  connections_rejected += other.connections_rejected;
  input_bytes += other.input_bytes;
  output_bytes += other.output_bytes;
  commands += other.commands;
  commands_per_second += other.commands_per_second;
  keyspace_hits += other.keyspace_hits;
  keyspace_misses += other.keyspace_misses;
  input_bytes_max = std::max(input_bytes_max, other.input_bytes_max);
  output_bytes_max = std::max(output_bytes_max, other.output_bytes_max);
  closed_for_output += other.closed_for_output;
  subscribers += other.subscribers;
  channels += other.channels;
  patterns += other.patterns;
  watchers += other.watchers;
  watchers_behind += other.watchers_behind;
  watchers_dropped += other.watchers_dropped;
  watch_catch_ups += other.watch_catch_ups;
  watches_lost += other.watches_lost;
  events_queued += other.events_queued;
  events_sent += other.events_sent;
  messages_sent += other.messages_sent;
  watching_transactions += other.watching_transactions;
  tracking_clients += other.tracking_clients;
  tracking_keys += other.tracking_keys;
  tracking_items += other.tracking_items;
  tracking_prefixes += other.tracking_prefixes;
  blocked_clients += other.blocked_clients;
  for (const auto& [spec, stats] : other.by_command) {
    by_command[spec].add(stats);
  }
  for (const auto& [word, count] : other.errors) errors[word] += count;
}

}  // namespace kvorum::server
