// etcd's API over gRPC: one completion queue, which also does the polling, in the caller's thread.
#include <etcd.grpc.pb.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <optional>

#include "base/check.h"
#include "benchmarks/load_target.h"

namespace kvorum::benchmarks {
namespace {

using etcdserverpb::KV;
using etcdserverpb::PutRequest;
using etcdserverpb::PutResponse;
using etcdserverpb::RangeRequest;
using etcdserverpb::RangeResponse;

template <class Response>
using Reader = std::unique_ptr<grpc::ClientAsyncResponseReader<Response>>;

struct Connection {
  std::unique_ptr<KV::Stub> stub;
  Operation operation = Operation::kPut;
  // Of the request under way.
  std::optional<grpc::ClientContext> context;
  grpc::Status status;
  PutResponse put;
  RangeResponse range;
  Reader<PutResponse> put_reader;
  Reader<RangeResponse> range_reader;
};

class EtcdTarget : public Target {
 public:
  explicit EtcdTarget(const TargetOptions& options)
      : value_bytes_(options.value_bytes), connections_(options.connections) {
    if (options.reads == Reads::kLease || options.reads == Reads::kEventual) {
      die("etcd's reads are linearizable or serializable");
    }
    range_request_.set_serializable(options.reads == Reads::kSerializable);
    grpc::ChannelArguments arguments;
    // Else all channels to one endpoint share a connection.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    // What costs the generator time and serves no call here: retries, bandwidth probes by ping, and
    // filters that do nothing on a bare connection.
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    arguments.SetInt(GRPC_ARG_MINIMAL_STACK, 1);
    std::vector<std::shared_ptr<grpc::Channel>> channels;
    for (size_t i = 0; i < connections_.size(); ++i) {
      channels.push_back(grpc::CreateCustomChannel(options.endpoints[i % options.endpoints.size()],
                                                   grpc::InsecureChannelCredentials(), arguments));
      channels.back()->GetState(true);
      connections_[i].stub = KV::NewStub(channels.back());
    }
    for (const auto& channel : channels) {
      if (!channel->WaitForConnected(deadline())) die("can't connect to etcd");
    }
  }

  ~EtcdTarget() override {
    queue_.Shutdown();
    void* tag = nullptr;
    bool completed = false;
    while (queue_.Next(&tag, &completed)) {
    }
  }

  void put(size_t connection, std::string_view key, std::string_view value) override {
    Connection& to = renew(connection, Operation::kPut);
    put_request_.set_key(key.data(), key.size());
    put_request_.set_value(value.data(), value.size());
    to.put_reader = to.stub->AsyncPut(&*to.context, put_request_, &queue_);
    to.put_reader->Finish(&to.put, &to.status, &to);
  }

  void get(size_t connection, std::string_view key) override {
    Connection& to = renew(connection, Operation::kGet);
    range_request_.set_key(key.data(), key.size());
    to.range_reader = to.stub->AsyncRange(&*to.context, range_request_, &queue_);
    to.range_reader->Finish(&to.range, &to.status, &to);
  }

  void wait(std::vector<Answer>& answers) override {
    void* tag = nullptr;
    bool completed = false;
    switch (queue_.AsyncNext(&tag, &completed, deadline())) {
      case grpc::CompletionQueue::SHUTDOWN:
        die("gRPC has ended");
      case grpc::CompletionQueue::TIMEOUT:
        die("no answer within {} ms", kAnswerTimeoutMs);
      case grpc::CompletionQueue::GOT_EVENT:
        break;
    }
    const Connection& from = *static_cast<Connection*>(tag);
    answers.push_back({static_cast<size_t>(&from - connections_.data()), good(from)});
  }

 private:
  static std::chrono::system_clock::time_point deadline() {
    return std::chrono::system_clock::now() + std::chrono::milliseconds(kAnswerTimeoutMs);
  }

  // A context serves one call, and the readers live in its memory.
  Connection& renew(size_t connection, Operation operation) {
    Connection& renewed = connections_[connection];
    renewed.operation = operation;
    renewed.put_reader.reset();
    renewed.range_reader.reset();
    renewed.context.emplace();
    return renewed;
  }

  bool good(const Connection& from) {
    if (!from.status.ok()) return bad(from.status.error_message());
    if (from.operation == Operation::kPut) return true;
    const bool found =
        from.range.kvs_size() == 1 && from.range.kvs(0).value().size() == value_bytes_;
    return found || bad("no value of the right size");
  }

  const size_t value_bytes_;
  grpc::CompletionQueue queue_;
  std::vector<Connection> connections_;
  PutRequest put_request_;
  RangeRequest range_request_;
};

}  // namespace

bool speaks_etcd() {
  return true;
}

std::unique_ptr<Target> connect_etcd(const TargetOptions& options) {
  return std::make_unique<EtcdTarget>(options);
}

}  // namespace kvorum::benchmarks
