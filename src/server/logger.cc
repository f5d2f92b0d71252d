#include "server/logger.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <memory>
#include <string>

namespace kvorum::server {

namespace {

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return spdlog::level::trace;
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kCritical:
      return spdlog::level::critical;
    case LogLevel::kOff:
      break;
  }
  return spdlog::level::off;
}

// `%*`: the message as the inside of a JSON string (RFC 8259, 7).
class JsonMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    for (char byte : message.payload) {
      if (byte == '"' || byte == '\\') {
        out.push_back('\\');
        out.push_back(byte);
      } else if (static_cast<unsigned char>(byte) < 0x20) {
        fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(byte));
      } else {
        out.push_back(byte);
      }
    }
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JsonMessage>();
  }
};

std::unique_ptr<spdlog::formatter> make_formatter(LogFormat format) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<JsonMessage>('*');
  formatter->set_pattern(format == LogFormat::kJson
                             ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":"%*"})"
                             : "%Y-%m-%d %H:%M:%S.%e %L %v");
  return formatter;
}

}  // namespace

Status set_up_logger(const Config::Log& options) {
  std::shared_ptr<spdlog::sinks::sink> sink;
  try {
    if (options.file.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      size_t bytes = options.rotate_bytes == 0 ? SIZE_MAX : options.rotate_bytes;
      sink = std::make_shared<spdlog::sinks::rotating_file_sink_mt>(options.file, bytes,
                                                                    options.rotate_files);
    }
  } catch (const spdlog::spdlog_ex& error) {
    return fail("log.file: {}", error.what());
  }
  auto logger = std::make_shared<spdlog::logger>("kvorum", std::move(sink));
  logger->set_formatter(make_formatter(options.format));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  set_log_level(options.level);
  return ok();
}

void set_log_level(LogLevel level) {
  spdlog::set_level(level_of(level));
}

}  // namespace kvorum::server
