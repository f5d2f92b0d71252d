// Target: the servers that benchmarks/load sends requests to, over connections of its own, each
// with at most one request under way. Used by one thread. A lost connection ends the program: it
// measures servers that work, and counts only what they answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kvorum::benchmarks {

enum class Operation : uint8_t { kPut, kGet };

// What a read promises. kDefault: what the server does by itself.
enum class Reads : uint8_t { kDefault, kLinearizable, kLease, kEventual, kSerializable };

struct TargetOptions {
  std::vector<std::string> endpoints;  // "127.0.0.1:6379"; connections take turns with them
  size_t connections = 1;
  Reads reads = Reads::kDefault;
  size_t value_bytes = 64;  // what a read has to find
};

struct Answer {
  size_t connection;
  bool good;  // a write that was acknowledged, or a read that found a value of the right size
};

class Target {
 public:
  virtual ~Target() = default;
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  virtual void put(size_t connection, std::string_view key, std::string_view value) = 0;
  virtual void get(size_t connection, std::string_view key) = 0;
  // Waits for at least one answer and appends all that are there.
  virtual void wait(std::vector<Answer>& answers) = 0;

  // What the first answer that was not good said.
  const std::string& first_error() const { return first_error_; }

 protected:
  Target() = default;
  bool bad(std::string_view what) {
    if (first_error_.empty()) first_error_ = what;
    return false;
  }

 private:
  std::string first_error_;
};

// Connected when they return.
std::unique_ptr<Target> connect_redis(const TargetOptions& options);
// False when the program was built without nghttp2; then the next returns null.
bool speaks_etcd();
std::unique_ptr<Target> connect_etcd(const TargetOptions& options);

}  // namespace kvorum::benchmarks
