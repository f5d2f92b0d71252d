#include "benchmarks/load_sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "base/check.h"

namespace kvorum::benchmarks {
namespace {

constexpr int kEventsMax = 256;

int connect_to(const std::string& endpoint) {
  const size_t colon = endpoint.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (colon == std::string::npos ||
      ::inet_pton(AF_INET, endpoint.substr(0, colon).c_str(), &address.sin_addr) != 1) {
    die("{} is not <IPv4 address>:<port>", endpoint);
  }
  address.sin_port = htons(static_cast<uint16_t>(std::atoi(endpoint.c_str() + colon + 1)));
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(socket >= 0, "{}", std::strerror(errno));
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    die("can't connect to {}: {}", endpoint, std::strerror(errno));
  }
  const int on = 1;
  CHECK(::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
  return socket;
}

}  // namespace

Sockets::Sockets(const std::vector<std::string>& endpoints, size_t count) {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  CHECK(epoll_ >= 0, "{}", std::strerror(errno));
  for (size_t i = 0; i < count; ++i) {
    sockets_.push_back(connect_to(endpoints[i % endpoints.size()]));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    CHECK(::epoll_ctl(epoll_, EPOLL_CTL_ADD, sockets_.back(), &event) == 0);
  }
}

Sockets::~Sockets() {
  for (const int socket : sockets_) ::close(socket);
  ::close(epoll_);
}

void Sockets::send(size_t connection, std::string_view bytes) {
  const ssize_t sent = ::send(sockets_[connection], bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(bytes.size())) die("send: {}", std::strerror(errno));
}

const std::vector<size_t>& Sockets::wait() {
  if (wait(std::chrono::milliseconds(kAnswerTimeoutMs)).empty()) {
    die("no answer within {} ms", kAnswerTimeoutMs);
  }
  return readable_;
}

const std::vector<size_t>& Sockets::wait(std::chrono::nanoseconds longest) {
  std::array<epoll_event, kEventsMax> events;
  timespec timeout{};
  timeout.tv_sec = longest.count() / 1'000'000'000;
  timeout.tv_nsec = longest.count() % 1'000'000'000;
  const int ready = ::epoll_pwait2(epoll_, events.data(), kEventsMax, &timeout, nullptr);
  CHECK(ready >= 0, "epoll_pwait2: {}", std::strerror(errno));
  readable_.clear();
  for (size_t i = 0; i < static_cast<size_t>(ready); ++i) readable_.push_back(events[i].data.u64);
  return readable_;
}

std::string_view Sockets::receive(size_t connection) {
  const ssize_t got = ::recv(sockets_[connection], input_.data(), input_.size(), 0);
  if (got == 0) die("the server closed a connection");
  if (got < 0) die("recv: {}", std::strerror(errno));
  return {input_.data(), static_cast<size_t>(got)};
}

}  // namespace kvorum::benchmarks
