// LATENCY LATEST, HISTORY, RESET, GRAPH, DOCTOR, HISTOGRAM.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/client_context.h"
#include "server/client_loop.h"
#include "server/command_rows.h"
#include "server/diagnostics.h"
#include "server/loop_group.h"
#include "server/text.h"

namespace kvorum::server {

namespace {

using command::Args;
using command::CommandSpec;

void latency_latest(ClientContext& client, Args) {
  answer_from_diagnostics(client, [](Diagnostics& diagnostics, resp::ReplyWriter& reply) {
    const Latency::Events& events = diagnostics.latency().events();
    reply.array(events.size());
    for (const auto& [name, event] : events) {
      const Latency::Sample& latest = event.samples.back();
      reply.array(4);
      reply.bulk(name);
      reply.integer(static_cast<int64_t>(latest.unix_s));
      reply.integer(static_cast<int64_t>(latest.ms));
      reply.integer(static_cast<int64_t>(event.worst_ms));
    }
  });
}

void latency_history(ClientContext& client, Args args) {
  auto write = [name = std::string(args[2])](Diagnostics& diagnostics, resp::ReplyWriter& reply) {
    const Latency::Event* event = diagnostics.latency().find(name);
    if (event == nullptr) return reply.array(0);
    reply.array(event->samples.size());
    for (const Latency::Sample& sample : event->samples) {
      reply.array(2);
      reply.integer(static_cast<int64_t>(sample.unix_s));
      reply.integer(static_cast<int64_t>(sample.ms));
    }
  };
  answer_from_diagnostics(client, write);
}

void latency_reset(ClientContext& client, Args args) {
  std::vector<std::string> names(args.begin() + 2, args.end());
  auto write = [names](Diagnostics& diagnostics, resp::ReplyWriter& reply) {
    Latency& latency = diagnostics.latency();
    if (names.empty()) return reply.integer(static_cast<int64_t>(latency.reset()));
    int64_t count = 0;
    for (const std::string& name : names) count += latency.reset(name) ? 1 : 0;
    reply.integer(count);
  };
  answer_from_diagnostics(client, write);
}

void latency_graph(ClientContext& client, Args args) {
  auto write = [name = std::string(args[2]), now_s = client.node().clock.wall_ms() / 1000](
                   Diagnostics& diagnostics, resp::ReplyWriter& reply) {
    const Latency::Event* event = diagnostics.latency().find(name);
    if (event == nullptr) {
      return reply.error(fmt::format("ERR No samples available for event '{}'", name));
    }
    reply.verbatim("txt", Latency::graph(name, *event, now_s));
  };
  answer_from_diagnostics(client, write);
}

void latency_doctor(ClientContext& client, Args) {
  const uint64_t threshold_ms = client.loop().config().latency.monitor_threshold_ms;
  answer_from_diagnostics(client,
                          [threshold_ms](Diagnostics& diagnostics, resp::ReplyWriter& reply) {
                            reply.verbatim("txt", diagnostics.latency().report(threshold_ms));
                          });
}

// Numbers of calls that took at most so many microseconds, for the bounds at which they grow.
void write_histogram(const CommandStats& stats, resp::ReplyWriter& reply) {
  std::vector<std::pair<int64_t, int64_t>> grown;
  uint64_t calls = 0;
  for (size_t i = 0; i < CommandStats::kBuckets; ++i) {
    if (stats.by_duration[i] == 0) continue;
    calls += stats.by_duration[i];
    grown.emplace_back(int64_t{1} << i, static_cast<int64_t>(calls));
  }
  reply.map(2);
  reply.bulk("calls");
  reply.integer(static_cast<int64_t>(stats.calls));
  reply.bulk("histogram_usec");
  reply.map(grown.size());
  for (auto [us, count] : grown) {
    reply.integer(us);
    reply.integer(count);
  }
}

// The rows a client asked for by name: of a container all subcommands. All rows without names.
std::vector<const CommandSpec*> chosen_rows(const command::CommandTable& table, Args names) {
  std::vector<const CommandSpec*> rows;
  auto add = [&](const CommandSpec& row) {
    rows.push_back(&row);
    for (const CommandSpec* subcommand : table.subcommands(row)) rows.push_back(subcommand);
  };
  if (names.empty()) {
    for (const CommandSpec* row : table.rows()) add(*row);
  }
  for (std::string_view name : names) {
    if (const CommandSpec* row = table.find_name(lower(name))) add(*row);
  }
  return rows;
}

void latency_histogram(ClientContext& client, Args args) {
  auto rows = chosen_rows(client.node().table, args.subspan(2));
  Deferred deferred = client.defer();
  client.node().loops.gather<LoopStats>(
      client.loop(), [](ClientLoop& loop) { return loop.collect_stats(); },
      [deferred, rows = std::move(rows)](std::vector<LoopStats> loops) {
        LoopStats all;
        for (const LoopStats& stats : loops) all.add(stats);
        std::map<std::string_view, const CommandStats*> called;
        for (const CommandSpec* row : rows) {
          auto stats = all.by_command.find(row);
          if (stats == all.by_command.end() || stats->second.calls == 0) continue;
          called.emplace(row->name, &stats->second);
        }
        deferred.reply([&](resp::ReplyWriter& reply) {
          reply.map(called.size());
          for (const auto& [name, stats] : called) {
            reply.bulk(name);
            write_histogram(*stats, reply);
          }
        });
      });
}

void latency_help(ClientContext& client, Args) {
  static constexpr std::string_view kLines[] = {
      "LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "DOCTOR",
      "    Return a human readable latency analysis report.",
      "GRAPH <event>",
      "    Return an ASCII latency graph for the <event> class.",
      "HISTORY <event>",
      "    Return time-latency samples for the <event> class.",
      "LATEST",
      "    Return the latest latency samples for all events.",
      "RESET [<event> ...]",
      "    Reset latency data of one or more <event> classes.",
      "    (default: reset all data for all event classes)",
      "HISTOGRAM [COMMAND ...]",
      "    Return a cumulative distribution of latencies in the format of a histogram for the "
      "specified command names.",
      "    If no commands are specified then all histograms are replied.",
      "HELP",
      "    Print this help.",
  };
  client.reply().simple_lines(kLines);
}

constexpr std::string_view kSpecial =
    "nondeterministic_output request_policy:all_nodes response_policy:special";

constexpr LocalFamily kLatency = kServerAdmin.with(kLoadingStale);

constexpr CommandSpec kLatencyRows[] = {
    container_row({"server", "@slow"}, "latency", "2.8.13",
                  "A container for latency diagnostics commands"),
    local_row(kLatency, "latency|latest", 2, "2.8.13", "O(1)",
              "Get the latest spike of every event", "", latency_latest, kSpecial),
    local_row(kLatency, "latency|history", 3, "2.8.13", "O(1)", "Get the spikes of an event",
              "event", latency_history, kSpecial),
    local_row(kLatency, "latency|reset", -2, "2.8.13", "O(1)",
              "Forget the spikes of some or all events", "[event [event ...]]", latency_reset,
              "request_policy:all_nodes response_policy:all_succeeded"),
    local_row(kLatency, "latency|graph", 3, "2.8.13", "O(1)", "Draw the spikes of an event",
              "event", latency_graph, kSpecial),
    local_row(kLatency, "latency|doctor", 2, "2.8.13", "O(1)", "Sum up what was slow", "",
              latency_doctor, kSpecial),
    local_row(kLatency, "latency|histogram", -2, "7.0.0", "O(N) where N is the number of commands",
              "Get how the durations of commands are distributed", "[command [command ...]]",
              latency_histogram, kSpecial),
    help_row({"server", "@slow", kLoadingStale}, "latency|help", "2.8.13", latency_help),
};

}  // namespace

std::span<const CommandSpec> latency_commands() {
  return kLatencyRows;
}

}  // namespace kvorum::server
