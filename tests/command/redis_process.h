// A real redis-server on a unix socket in a folder of its own, to compare with.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace kvorum::command::testing {

class RedisProcess {
 public:
  // Nothing when there is no redis-server to run.
  static bool available();
  RedisProcess();
  ~RedisProcess();
  RedisProcess(const RedisProcess&) = delete;
  RedisProcess& operator=(const RedisProcess&) = delete;

  // The bytes of the reply.
  std::string ask(const std::vector<std::string>& args);

 private:
  static std::optional<std::string> find();

  std::string folder_;
  pid_t pid_ = -1;
  int socket_ = -1;
};

}  // namespace kvorum::command::testing
