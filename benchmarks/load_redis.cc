// The Redis protocol.
#include <fmt/format.h>

#include <iterator>
#include <optional>

#include "base/check.h"
#include "benchmarks/load_sockets.h"
#include "benchmarks/load_target.h"
#include "resp/reply_parser.h"

namespace kvorum::benchmarks {
namespace {

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

struct Connection {
  Operation operation = Operation::kPut;
  resp::ReplyParser parser;
};

class RedisTarget : public Target {
 public:
  explicit RedisTarget(const TargetOptions& options)
      : value_bytes_(options.value_bytes),
        sockets_(options.endpoints, options.connections),
        connections_(options.connections) {
    const std::string_view wanted = policy(options.reads);
    if (wanted.empty()) return;
    for (size_t i = 0; i < connections_.size(); ++i) choose(i, wanted);
  }

  void put(size_t connection, std::string_view key, std::string_view value) override {
    start(3, "SET");
    argument(key);
    argument(value);
    send(connection, Operation::kPut);
  }

  void get(size_t connection, std::string_view key) override {
    start(2, "GET");
    argument(key);
    send(connection, Operation::kGet);
  }

  void wait(std::vector<Answer>& answers) override {
    for (const size_t connection : sockets_.wait()) {
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
    send(connection, Operation::kPut);
    std::optional<resp::Value> reply;
    while (!reply) reply = receive(connection);
    if (reply->text != "OK") die("CLIENT CONSISTENCY {}: {}", wanted, resp::to_string(*reply));
  }

  void start(size_t arguments, std::string_view command) {
    output_.clear();
    fmt::format_to(std::back_inserter(output_), "*{}\r\n", arguments);
    argument(command);
  }

  void argument(std::string_view bytes) {
    fmt::format_to(std::back_inserter(output_), "${}\r\n{}\r\n", bytes.size(), bytes);
  }

  void send(size_t connection, Operation operation) {
    connections_[connection].operation = operation;
    sockets_.send(connection, output_);
  }

  std::optional<resp::Value> receive(size_t connection) {
    resp::ReplyParser& parser = connections_[connection].parser;
    parser.feed(sockets_.receive(connection));
    auto reply = parser.next();
    if (!reply) die("not the Redis protocol: {}", reply.error().message);
    return *std::move(reply);
  }

  bool good(Operation operation, const resp::Value& reply) {
    if (reply.is_error()) return bad(reply.text);
    if (operation == Operation::kPut) return reply.text == "OK" || bad(resp::to_string(reply));
    return reply.text.size() == value_bytes_ || bad("no value of the right size");
  }

  const size_t value_bytes_;
  Sockets sockets_;
  std::vector<Connection> connections_;
  std::string output_;
};

}  // namespace

std::unique_ptr<Target> connect_redis(const TargetOptions& options) {
  return std::make_unique<RedisTarget>(options);
}

}  // namespace kvorum::benchmarks
