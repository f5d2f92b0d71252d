#include "node_harness.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "server/logger.h"

namespace kvorum::server {

namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

sockaddr_in own_address(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  return address;
}

// Free a moment ago; somebody else may be faster, so the caller tries again.
uint16_t free_port() {
  net::Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  return ntohs(own_address(fd.get()).sin_port);
}

}  // namespace

NodeHarness::NodeHarness(uint32_t io_threads, const std::function<void(Config&)>& change)
    : folder_(::testing::TempDir() + "kvorum-node-XXXXXX") {
  EXPECT_NE(mkdtemp(folder_.data()), nullptr);
  std::ofstream(config_file()).flush();
  set_log_level(LogLevel::kError);
  config_.node.data_dir = folder_ + "/data";
  config_.server.bind = {"127.0.0.1"};
  config_.server.io_threads = io_threads;
  config_.storage.wal_segment_bytes = 4 << 20;
  config_.storage.min_free_bytes = 0;
  if (change) change(config_);
  start();
}

NodeHarness::~NodeHarness() {
  stop();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void NodeHarness::start() {
  constexpr int kTriesMax = 20;
  for (int tries = 1; node_ == nullptr; ++tries) {
    config_.server.port = free_port();
    Result<std::unique_ptr<Node>> opened = Node::open(config_, config_file());
    if (opened) {
      node_ = std::move(*opened);
    } else if (tries == kTriesMax) {
      ADD_FAILURE() << opened.error().message;
      std::abort();
    }
  }
  thread_ = std::thread([this] {
    Status ended = node_->run(false);
    EXPECT_TRUE(ended) << ended.error().message;
  });
}

void NodeHarness::stop(ShutdownMode mode) {
  if (node_ == nullptr) return;
  node_->stop(mode);
  thread_.join();
  node_.reset();
}

void NodeHarness::restart() {
  stop();
  start();
}

TestClient::TestClient(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = loopback(port);
  EXPECT_EQ(connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  int on = 1;
  setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void TestClient::send_args(Args args) {
  std::string request = fmt::format("*{}\r\n", args.size());
  for (std::string_view arg : args) request += fmt::format("${}\r\n{}\r\n", arg.size(), arg);
  send_bytes(request);
}

void TestClient::send_bytes(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return;  // The server closed: what is received shows it.
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

// Waits for bytes. False at the end of the connection.
bool TestClient::fill() {
  pollfd readable{fd_.get(), POLLIN, 0};
  int ready = poll(&readable, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count()));
  if (ready == 0) {
    ADD_FAILURE() << "the server sends nothing";
    return false;
  }
  std::array<char, 65536> buffer;
  ssize_t got = recv(fd_.get(), buffer.data(), buffer.size(), 0);
  if (got <= 0) return false;
  parser_.feed(std::string_view(buffer.data(), static_cast<size_t>(got)));
  return true;
}

resp::Value TestClient::receive() {
  while (true) {
    Result<std::optional<resp::Value>> reply = parser_.next();
    if (!reply) {
      ADD_FAILURE() << reply.error().message;
      return {};
    }
    if (*reply) return std::move(**reply);
    if (fill()) continue;
    resp::Value end;
    end.type = resp::Value::Type::kError;
    end.text = "connection closed";
    return end;
  }
}

bool TestClient::closed_by_server() {
  if (parser_.buffered() > 0) return false;
  pollfd readable{fd_.get(), POLLIN, 0};
  int ready = poll(&readable, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count()));
  char byte = 0;
  return ready == 1 && recv(fd_.get(), &byte, 1, 0) <= 0;
}

void TestClient::end_output() {
  ::shutdown(fd_.get(), SHUT_WR);
}

std::string TestClient::address() const {
  return fmt::format("127.0.0.1:{}", ntohs(own_address(fd_.get()).sin_port));
}

bool eventually(const std::function<bool()>& done) {
  auto until = std::chrono::steady_clock::now() + kPatience;
  while (!done()) {
    if (std::chrono::steady_clock::now() > until) {
      ADD_FAILURE() << "waited in vain";
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

}  // namespace kvorum::server
