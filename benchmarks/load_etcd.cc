// etcd's API, version 3: gRPC on the same sockets as the Redis protocol. Of its protobufs:
//   PutRequest      key = 1, value = 2
//   RangeRequest    key = 1, serializable = 7
//   RangeResponse   kvs = 2, each of them a KeyValue: value = 5
#include <deque>

#include "base/check.h"
#include "benchmarks/grpc_connection.h"
#include "benchmarks/load_sockets.h"
#include "benchmarks/load_target.h"
#include "benchmarks/protobuf.h"

namespace kvorum::benchmarks {
namespace {

constexpr std::string_view kPut = "/etcdserverpb.KV/Put";
constexpr std::string_view kRange = "/etcdserverpb.KV/Range";

class EtcdTarget : public Target, private GrpcConnection::Listener {
 public:
  explicit EtcdTarget(const TargetOptions& options)
      : value_bytes_(options.value_bytes),
        serializable_(options.reads == Reads::kSerializable),
        sockets_(options.endpoints, options.connections),
        found_(options.connections) {
    if (options.reads == Reads::kLease || options.reads == Reads::kEventual) {
      die("etcd's reads are linearizable or serializable");
    }
    for (size_t i = 0; i < options.connections; ++i) {
      connections_.emplace_back(static_cast<GrpcConnection::Listener&>(*this), i);
      flush(i);
    }
  }

  void put(size_t connection, std::string_view key, std::string_view value) override {
    request_.clear();
    add_bytes_field(request_, 1, key);
    add_bytes_field(request_, 2, value);
    send(connection, kPut, Operation::kPut);
  }

  void get(size_t connection, std::string_view key) override {
    request_.clear();
    add_bytes_field(request_, 1, key);
    if (serializable_) add_varint_field(request_, 7, 1);
    send(connection, kRange, Operation::kGet);
  }

  void wait(std::vector<Answer>& answers) override {
    answers_ = &answers;
    for (const size_t connection : sockets_.wait()) {
      const size_t before = answers.size();
      connections_[connection].receive(sockets_.receive(connection));
      // After an answer what is to be sent goes with the next request.
      if (answers.size() == before) flush(connection);
    }
  }

 private:
  void send(size_t connection, std::string_view path, Operation operation) {
    found_[connection] = false;
    connections_[connection].call(path, request_, static_cast<uint64_t>(operation),
                                  GrpcConnection::Request::kWhole);
    flush(connection);
  }

  void flush(size_t connection) {
    output_.clear();
    connections_[connection].take_output(output_);
    if (!output_.empty()) sockets_.send(connection, output_);
  }

  void on_message(size_t connection, uint64_t operation, std::string_view message) override {
    if (operation != static_cast<uint64_t>(Operation::kGet)) return;
    const auto pair = find_bytes(message, 2);
    const auto value = pair ? find_bytes(*pair, 5) : std::nullopt;
    found_[connection] = value && value->size() == value_bytes_;
  }

  void on_end(size_t connection, uint64_t operation, std::string_view error) override {
    answers_->push_back({connection, good(connection, operation, error)});
  }

  bool good(size_t connection, uint64_t operation, std::string_view error) {
    if (!error.empty()) return bad(error);
    if (operation == static_cast<uint64_t>(Operation::kPut)) return true;
    return found_[connection] || bad("no value of the right size");
  }

  const size_t value_bytes_;
  const bool serializable_;
  Sockets sockets_;
  std::deque<GrpcConnection> connections_;
  std::vector<bool> found_;  // by connection: its read's answer was what it has to be
  std::vector<Answer>* answers_ = nullptr;
  std::string request_;
  std::string output_;
};

}  // namespace

bool speaks_etcd() {
  return true;
}

std::unique_ptr<Target> connect_etcd(const TargetOptions& options) {
  return std::make_unique<EtcdTarget>(options);
}

}  // namespace kvorum::benchmarks
