// A whole node inside the test's process, on a free port and a temporary data folder, and a client
// that blocks for it. Connecting may come before the node is ready: the first reply waits for it.
// Everything gives up, with a failed test, after kPatience.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "config/config.h"
#include "net/fd.h"
#include "resp/reply_parser.h"
#include "server/node.h"

namespace kvorum::server {

inline constexpr std::chrono::seconds kPatience{20};

class NodeHarness {
 public:
  // `change` may alter the configuration that every start of the node gets.
  explicit NodeHarness(uint32_t io_threads = 1,
                       const std::function<void(Config&)>& change = nullptr);
  // Stops the node and removes its folder.
  ~NodeHarness();
  NodeHarness(const NodeHarness&) = delete;
  NodeHarness& operator=(const NodeHarness&) = delete;

  Node& node() { return *node_; }
  uint16_t port() const { return node_->port(); }
  const std::string& folder() const { return folder_; }
  // What CONFIG REWRITE writes: a file outside the data folder, empty at first.
  std::string config_file() const { return folder_ + "/kvorum.yaml"; }
  // The configuration of the next start.
  Config& config() { return config_; }

  // An orderly end, and a new node on the same data. Clients have to connect again.
  void restart();
  void stop(ShutdownMode mode = ShutdownMode::kCheckpoint);
  void start();

 private:
  std::string folder_;
  Config config_;
  std::unique_ptr<Node> node_;
  std::thread thread_;
};

// One blocking connection to 127.0.0.1. Replies come as values, or as text for comparing: see
// resp::to_string ("OK", "\"v\"", "3", "(nil)", "[1, 2]", "(error) ERR …").
class TestClient {
 public:
  using Args = std::span<const std::string_view>;

  explicit TestClient(uint16_t port);
  explicit TestClient(const NodeHarness& harness) : TestClient(harness.port()) {}

  // Sends a command and waits for its reply.
  template <class... Words>
  resp::Value run(const Words&... words) {
    send(words...);
    return receive();
  }
  template <class... Words>
  std::string text(const Words&... words) {
    return resp::to_string(run(words...));
  }
  // For a pipeline: sends alone.
  template <class... Words>
  void send(const Words&... words) {
    send_args({std::string_view(words)...});
  }
  void send_args(std::initializer_list<std::string_view> args) {
    send_args(Args(args.begin(), args.size()));
  }
  void send_args(Args args);
  void send_bytes(std::string_view bytes);

  // The next reply or message, waited for.
  resp::Value receive();
  std::string receive_text() { return resp::to_string(receive()); }
  // True if the server closes the connection, which is waited for, and sent nothing before.
  bool closed_by_server();
  // No more from this side; replies can still be received.
  void end_output();
  void close() { fd_.reset(); }

  // Of this end: what CLIENT LIST shows as addr.
  std::string address() const;

 private:
  bool fill();

  net::Fd fd_;
  resp::ReplyParser parser_;
};

// Asks again until `done` is true. False, and a failed test, if that takes too long.
bool eventually(const std::function<bool()>& done);

}  // namespace kvorum::server
