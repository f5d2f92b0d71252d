// The diagnostics of a node, through spdlog's default logger: text or JSON lines, to standard error
// or to a file that rotates. The level may change at any time. Any thread.
#pragma once

#include <spdlog/spdlog.h>

#include <utility>

#include "base/result.h"
#include "config/config.h"

namespace kvorum::server {

// Sets the logger up. Fails when the file can't be opened.
Status set_up_logger(const Config::Log& options);
void set_log_level(LogLevel level);

template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  spdlog::debug(format, std::forward<Args>(args)...);
}
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  spdlog::info(format, std::forward<Args>(args)...);
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  spdlog::warn(format, std::forward<Args>(args)...);
}
template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  spdlog::error(format, std::forward<Args>(args)...);
}

}  // namespace kvorum::server
