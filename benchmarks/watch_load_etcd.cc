// etcd's watches: each watcher has a connection with one Watch call of its own. Of the protobufs:
//   WatchRequest         create_request = 1
//   WatchCreateRequest   key = 1, range_end = 2
//   WatchResponse        created = 3, canceled = 4, cancel_reason = 6, events = 11
//   Event                type = 1 (0: put), kv = 2
//   KeyValue             mod_revision = 3, value = 5
//   PutRequest           key = 1, value = 2
#include <deque>
#include <vector>

#include "base/check.h"
#include "benchmarks/grpc_connection.h"
#include "benchmarks/load_sockets.h"
#include "benchmarks/protobuf.h"
#include "benchmarks/watch_load_target.h"

namespace kvorum::benchmarks {
namespace {

constexpr std::string_view kPut = "/etcdserverpb.KV/Put";
constexpr std::string_view kWatch = "/etcdserverpb.Watch/Watch";

class EtcdWatchTarget : public WatchTarget, private GrpcConnection::Listener {
 public:
  EtcdWatchTarget(const WatchTargetOptions& options, WatchListener& listener)
      : listener_(listener),
        watchers_(options.watchers),
        sockets_({options.endpoint}, options.watchers + options.writers),
        unsent_(options.watchers + options.writers) {
    for (size_t i = 0; i < unsent_.size(); ++i) {
      connections_.emplace_back(static_cast<GrpcConnection::Listener&>(*this), i);
      send_output(i);
    }
  }

  void watch(size_t watcher, std::string_view key, bool prefix) override {
    std::string create;
    add_bytes_field(create, 1, key);
    if (prefix) {
      std::string end(key);  // the first key that does not begin so; keys end with ASCII here
      ++end.back();
      add_bytes_field(create, 2, end);
    }
    request_.clear();
    add_bytes_field(request_, 1, create);
    connections_[watcher].call(kWatch, request_, 0, GrpcConnection::Request::kOpen);
    send_output(watcher);
  }

  void put(size_t writer, std::string_view key, std::string_view value, uint32_t tag) override {
    request_.clear();
    add_bytes_field(request_, 1, key);
    add_bytes_field(request_, 2, value);
    const size_t connection = watchers_ + writer;
    connections_[connection].call(kPut, request_, tag, GrpcConnection::Request::kWhole);
    unsent_[connection] = true;
  }

  void flush() override {
    for (size_t i = watchers_; i < unsent_.size(); ++i) {
      if (unsent_[i]) send_output(i);
    }
  }

  void wait(std::chrono::nanoseconds longest) override {
    for (const size_t connection : sockets_.wait(longest)) {
      const std::string_view input = sockets_.receive(connection);
      received_at_ = Clock::now();
      connections_[connection].receive(input);
      send_output(connection);
    }
  }

  // Every call is executed by a goroutine of its own.
  bool keeps_order() const override { return false; }

 private:
  void send_output(size_t connection) {
    unsent_[connection] = false;
    output_.clear();
    connections_[connection].take_output(output_);
    if (!output_.empty()) sockets_.send(connection, output_);
  }

  void on_message(size_t connection, uint64_t /*tag*/, std::string_view message) override {
    if (connection >= watchers_) return;  // a PutResponse
    while (const auto field = take_field(message)) {
      if (field->number == 3 && field->varint == 1) listener_.on_watching(connection);
      if (field->number == 4 && field->varint == 1) die("etcd canceled a watch");
      if (field->number == 11) on_event(connection, field->bytes);
    }
  }

  void on_event(size_t watcher, std::string_view event) {
    ChangeId id;
    std::string_view value;
    auto pair = find_bytes(event, 2).value_or(std::string_view{});
    while (const auto field = take_field(pair)) {
      if (field->number == 3) id.revision = field->varint;
      if (field->number == 5) value = field->bytes;
    }
    listener_.on_change(watcher, id, value, received_at_);
  }

  void on_end(size_t connection, uint64_t tag, std::string_view error) override {
    if (connection < watchers_) die("etcd ended a watch: {}", error);
    if (!error.empty()) die("etcd refused a write: {}", error);
    listener_.on_written(static_cast<uint32_t>(tag));
  }

  WatchListener& listener_;
  const size_t watchers_;  // connections below are watchers, the others writers
  Sockets sockets_;
  std::deque<GrpcConnection> connections_;
  std::vector<bool> unsent_;  // by connection: calls were begun and wait for flush()
  Clock::time_point received_at_;
  std::string request_;
  std::string output_;
};

}  // namespace

bool speaks_etcd() {
  return true;
}

std::unique_ptr<WatchTarget> connect_etcd(const WatchTargetOptions& options,
                                          WatchListener& listener) {
  return std::make_unique<EtcdWatchTarget>(options, listener);
}

}  // namespace kvorum::benchmarks
