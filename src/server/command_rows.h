// The rows of the local commands, one function a file, the whole table put together, and what the
// files make their rows with.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "command/table.h"

namespace kvorum::server {

std::span<const command::CommandSpec> connection_commands();
std::span<const command::CommandSpec> client_commands();
std::span<const command::CommandSpec> tracking_commands();
std::span<const command::CommandSpec> config_commands();
std::span<const command::CommandSpec> command_commands();
std::span<const command::CommandSpec> slow_log_commands();
std::span<const command::CommandSpec> latency_commands();
std::span<const command::CommandSpec> monitor_commands();
std::span<const command::CommandSpec> transaction_commands();
std::span<const command::CommandSpec> pubsub_commands();
std::span<const command::CommandSpec> stream_commands();
std::span<const command::CommandSpec> server_commands();
std::span<const command::CommandSpec> raft_commands();

void add_all_rows(command::CommandTable& table);

// What rows have in common.
struct LocalFamily {
  std::string_view group;
  std::string_view categories;
  uint32_t flags = 0;
  command::KeyRange keys = {};

  constexpr LocalFamily with(uint32_t more_flags) const {
    return {group, categories, flags | more_flags, keys};
  }
};

inline constexpr uint32_t kLoadingStale = command::kFlagLoading | command::kFlagStale;

// The families of more than one file.
inline constexpr LocalFamily kServerAdmin{"server", "@admin @slow @dangerous",
                                          command::kFlagAdmin | command::kFlagNoScript};
inline constexpr LocalFamily kConnectionPlain{"connection", "@slow @connection",
                                              command::kFlagNoScript | kLoadingStale};
inline constexpr LocalFamily kConnectionAdmin{
    "connection", "@admin @slow @dangerous @connection",
    command::kFlagAdmin | command::kFlagNoScript | kLoadingStale};

// A command that runs on its connection's own thread.
constexpr command::CommandSpec local_row(const LocalFamily& family, std::string_view name,
                                         int arity, std::string_view since,
                                         std::string_view complexity, std::string_view summary,
                                         std::string_view syntax,
                                         void (*run)(ClientContext&, command::Args),
                                         std::string_view tips = {}) {
  return {.name = name,
          .arity = arity,
          .flags = family.flags,
          .keys = family.keys,
          .group = family.group,
          .categories = family.categories,
          .since = since,
          .complexity = complexity,
          .summary = summary,
          .syntax = syntax,
          .tips = tips,
          .handler = command::Local{run}};
}

// A name with subcommands only.
constexpr command::CommandSpec container_row(const LocalFamily& family, std::string_view name,
                                             std::string_view since, std::string_view summary) {
  return {.name = name,
          .arity = -2,
          .flags = family.flags,
          .group = family.group,
          .categories = family.categories,
          .since = since,
          .complexity = "Depends on subcommand.",
          .summary = summary,
          .handler = command::Container{}};
}

// The subcommand HELP of a container.
constexpr command::CommandSpec help_row(const LocalFamily& family, std::string_view name,
                                        std::string_view since,
                                        void (*run)(ClientContext&, command::Args)) {
  return local_row(family, name, 2, since, "O(1)", "Show helpful text about the subcommands", "",
                   run);
}

}  // namespace kvorum::server
