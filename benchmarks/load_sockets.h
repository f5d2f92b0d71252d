// Sockets: the connections of the load generators, waited for with epoll. Used by one thread.
// Whatever goes wrong ends the program.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace kvorum::benchmarks {

inline constexpr int kAnswerTimeoutMs = 20'000;

class Sockets {
 public:
  // `count` connections, which take turns with the endpoints ("127.0.0.1:6379").
  Sockets(const std::vector<std::string>& endpoints, size_t count);
  ~Sockets();
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;

  // Waits until the kernel has taken all, which it does at once as long as little is under way.
  void send(size_t connection, std::string_view bytes);
  // The connections that have something to read, at least one. Valid until the next call.
  const std::vector<size_t>& wait();
  // The same, or none when nothing came for so long.
  const std::vector<size_t>& wait(std::chrono::nanoseconds longest);
  // What has come, waiting for it when nothing has. Valid until the next call.
  std::string_view receive(size_t connection);

 private:
  static constexpr size_t kInputBytes = size_t{256} << 10;

  std::vector<int> sockets_;
  int epoll_ = -1;
  std::vector<size_t> readable_;
  std::array<char, kInputBytes> input_;
};

}  // namespace kvorum::benchmarks
