// What a node tells the operating system around it: its pid file, and the service manager's
// readiness protocol (sd_notify(3)).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace kvorum::server {

// Removed when it goes, if it is still ours.
class PidFile {
 public:
  // An empty path makes none.
  static Result<PidFile> write(const std::string& path);
  ~PidFile();
  PidFile(PidFile&& other) noexcept;
  PidFile& operator=(PidFile&&) = delete;

 private:
  explicit PidFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// Sends `state` ("READY=1") to the socket in NOTIFY_SOCKET; nothing when there is none.
void notify_service_manager(std::string_view state);

}  // namespace kvorum::server
