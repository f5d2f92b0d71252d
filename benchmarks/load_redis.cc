// The Redis protocol on non-blocking sockets and epoll.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>

#include "base/check.h"
#include "benchmarks/load_target.h"
#include "resp/reply_parser.h"

namespace kvorum::benchmarks {
namespace {

constexpr size_t kInputBytes = size_t{64} << 10;
constexpr int kEventsMax = 256;

std::string_view policy(Reads reads) {
  switch (reads) {
    case Reads::kLinearizable:
      return "LINEARIZABLE";
    case Reads::kLease:
      return "LEASE";
    case Reads::kEventual:
      return "EVENTUAL";
    case Reads::kSerializable:
      die("serializable reads are etcd's");
    case Reads::kDefault:
      break;
  }
  return {};
}

int connect_to(const std::string& endpoint) {
  const size_t colon = endpoint.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (colon == std::string::npos ||
      ::inet_pton(AF_INET, endpoint.substr(0, colon).c_str(), &address.sin_addr) != 1) {
    die("{} is not <IPv4 address>:<port>", endpoint);
  }
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(endpoint.substr(colon + 1))));
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(socket >= 0, "{}", std::strerror(errno));
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    die("can't connect to {}: {}", endpoint, std::strerror(errno));
  }
  const int on = 1;
  CHECK(::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
  return socket;
}

struct Connection {
  int socket = -1;
  Operation operation = Operation::kPut;
  resp::ReplyParser parser;
};

class RedisTarget : public Target {
 public:
  explicit RedisTarget(const TargetOptions& options)
      : value_bytes_(options.value_bytes), connections_(options.connections) {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    CHECK(epoll_ >= 0, "{}", std::strerror(errno));
    const std::string_view wanted = policy(options.reads);
    for (size_t i = 0; i < connections_.size(); ++i) {
      connections_[i].socket = connect_to(options.endpoints[i % options.endpoints.size()]);
      if (!wanted.empty()) choose(i, wanted);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      CHECK(::epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_[i].socket, &event) == 0);
    }
  }

  ~RedisTarget() override {
    for (const Connection& connection : connections_) ::close(connection.socket);
    ::close(epoll_);
  }

  void put(size_t connection, std::string_view key, std::string_view value) override {
    connections_[connection].operation = Operation::kPut;
    start(3, "SET");
    argument(key);
    argument(value);
    flush(connection);
  }

  void get(size_t connection, std::string_view key) override {
    connections_[connection].operation = Operation::kGet;
    start(2, "GET");
    argument(key);
    flush(connection);
  }

  void wait(std::vector<Answer>& answers) override {
    std::array<epoll_event, kEventsMax> events;
    const int ready = ::epoll_wait(epoll_, events.data(), kEventsMax, kAnswerTimeoutMs);
    if (ready == 0) die("no answer within {} ms", kAnswerTimeoutMs);
    CHECK(ready > 0, "epoll_wait: {}", std::strerror(errno));
    for (int i = 0; i < ready; ++i) {
      const size_t connection = events[static_cast<size_t>(i)].data.u64;
      if (const auto reply = receive(connection)) {
        answers.push_back({connection, good(connections_[connection].operation, *reply)});
      }
    }
  }

 private:
  void choose(size_t connection, std::string_view wanted) {
    start(3, "CLIENT");
    argument("CONSISTENCY");
    argument(wanted);
    flush(connection);
    for (;;) {
      const auto reply = receive(connection);
      if (reply.has_value() && reply->text == "OK") return;
      if (reply.has_value()) die("CLIENT CONSISTENCY {}: {}", wanted, resp::to_string(*reply));
    }
  }

  void start(size_t arguments, std::string_view command) {
    output_.clear();
    fmt::format_to(std::back_inserter(output_), "*{}\r\n", arguments);
    argument(command);
  }

  void argument(std::string_view bytes) {
    fmt::format_to(std::back_inserter(output_), "${}\r\n{}\r\n", bytes.size(), bytes);
  }

  // A request is small and the socket's buffer empty: it is taken whole.
  void flush(size_t connection) {
    const ssize_t sent =
        ::send(connections_[connection].socket, output_.data(), output_.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(output_.size())) die("send: {}", std::strerror(errno));
  }

  // Called when something is there to read.
  std::optional<resp::Value> receive(size_t connection) {
    const ssize_t got = ::recv(connections_[connection].socket, input_.data(), input_.size(), 0);
    if (got == 0) die("the server closed a connection");
    if (got < 0) die("recv: {}", std::strerror(errno));
    connections_[connection].parser.feed({input_.data(), static_cast<size_t>(got)});
    auto reply = connections_[connection].parser.next();
    if (!reply) die("not the Redis protocol: {}", reply.error().message);
    return *std::move(reply);
  }

  bool good(Operation operation, const resp::Value& reply) {
    if (reply.is_error()) return bad(reply.text);
    if (operation == Operation::kPut) return reply.text == "OK" || bad(resp::to_string(reply));
    return reply.text.size() == value_bytes_ || bad("no value of the right size");
  }

  const size_t value_bytes_;
  int epoll_ = -1;
  std::vector<Connection> connections_;
  std::string output_;
  std::array<char, kInputBytes> input_;
};

}  // namespace

std::unique_ptr<Target> connect_redis(const TargetOptions& options) {
  return std::make_unique<RedisTarget>(options);
}

}  // namespace kvorum::benchmarks
