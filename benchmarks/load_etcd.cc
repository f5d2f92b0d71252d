// etcd's API, version 3: gRPC, spoken over nghttp2 on the same sockets as the Redis protocol. A
// gRPC library would spend several times as much on a request, on the cores that the servers need.
//
// A call is a POST to /etcdserverpb.KV/<method>. Its body and the answer's are one message: a zero
// byte (not compressed), the length in 4 bytes, most significant first, and a protobuf. The trailer
// `grpc-status` is 0 for success. Of the protobufs:
//   PutRequest      key = 1, value = 2
//   RangeRequest    key = 1, serializable = 7
//   RangeResponse   kvs = 2, each of them a KeyValue: value = 5
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "benchmarks/load_sockets.h"
#include "benchmarks/load_target.h"

namespace kvorum::benchmarks {
namespace {

constexpr size_t kPrefixBytes = 5;
constexpr int kWindowBytes = 1 << 20;
constexpr std::string_view kPut = "/etcdserverpb.KV/Put";
constexpr std::string_view kRange = "/etcdserverpb.KV/Range";

void add_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

constexpr uint64_t kVarint = 0;
constexpr uint64_t kBytes = 2;

void add_bytes(std::string& out, uint64_t field, std::string_view bytes) {
  add_varint(out, field << 3 | kBytes);
  add_varint(out, bytes.size());
  out.append(bytes);
}

std::optional<uint64_t> take_varint(std::string_view& in) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(in.front());
    in.remove_prefix(1);
    value |= uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

// The first field of this number that holds bytes.
std::optional<std::string_view> find_bytes(std::string_view message, uint64_t field) {
  while (!message.empty()) {
    const auto tag = take_varint(message);
    const auto number = take_varint(message);
    if (!tag || !number) return std::nullopt;
    if ((*tag & 7) == kVarint) continue;
    if ((*tag & 7) != kBytes || *number > message.size()) return std::nullopt;
    if (*tag >> 3 == field) return message.substr(0, *number);
    message.remove_prefix(*number);
  }
  return std::nullopt;
}

struct Connection {
  nghttp2_session* session = nullptr;
  Operation operation = Operation::kPut;
  std::string request;
  size_t request_sent = 0;
  // Of the answer.
  std::string body;
  bool succeeded = false;
  std::string error;
  bool complete = false;
};

std::string_view text(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

nghttp2_nv header(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view from) {
    // nghttp2 only reads them, its structure has no const.
    return reinterpret_cast<uint8_t*>(const_cast<char*>(from.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

// What nghttp2 calls, with the Connection.

ssize_t read_request(nghttp2_session* /*session*/, int32_t /*stream*/, uint8_t* out, size_t size,
                     uint32_t* flags, nghttp2_data_source* source, void* /*user*/) {
  auto& connection = *static_cast<Connection*>(source->ptr);
  const size_t count = std::min(size, connection.request.size() - connection.request_sent);
  std::memcpy(out, connection.request.data() + connection.request_sent, count);
  connection.request_sent += count;
  if (connection.request_sent == connection.request.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(count);
}

int on_header(nghttp2_session* /*session*/, const nghttp2_frame* /*frame*/, const uint8_t* name,
              size_t name_size, const uint8_t* value, size_t value_size, uint8_t /*flags*/,
              void* user) {
  auto& connection = *static_cast<Connection*>(user);
  if (text(name, name_size) == "grpc-status") connection.succeeded = text(value, value_size) == "0";
  if (text(name, name_size) == "grpc-message") connection.error = text(value, value_size);
  return 0;
}

int on_data(nghttp2_session* /*session*/, uint8_t /*flags*/, int32_t /*stream*/,
            const uint8_t* bytes, size_t size, void* user) {
  static_cast<Connection*>(user)->body.append(text(bytes, size));
  return 0;
}

int on_close(nghttp2_session* /*session*/, int32_t /*stream*/, uint32_t /*error*/, void* user) {
  static_cast<Connection*>(user)->complete = true;
  return 0;
}

class EtcdTarget : public Target {
 public:
  explicit EtcdTarget(const TargetOptions& options)
      : value_bytes_(options.value_bytes),
        serializable_(options.reads == Reads::kSerializable),
        sockets_(options.endpoints, options.connections),
        connections_(options.connections) {
    if (options.reads == Reads::kLease || options.reads == Reads::kEventual) {
      die("etcd's reads are linearizable or serializable");
    }
    nghttp2_session_callbacks* callbacks = nullptr;
    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    const nghttp2_settings_entry settings{NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
    for (size_t i = 0; i < connections_.size(); ++i) {
      nghttp2_session*& session = connections_[i].session;
      CHECK(nghttp2_session_client_new(&session, callbacks, &connections_[i]) == 0);
      CHECK(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &settings, 1) == 0);
      CHECK(nghttp2_session_set_local_window_size(session, 0, 0, kWindowBytes) == 0);
      flush(i);
    }
    nghttp2_session_callbacks_del(callbacks);
  }

  ~EtcdTarget() override {
    for (const Connection& connection : connections_) nghttp2_session_del(connection.session);
  }

  void put(size_t connection, std::string_view key, std::string_view value) override {
    std::string& request = start(connection, Operation::kPut);
    add_bytes(request, 1, key);
    add_bytes(request, 2, value);
    send(connection, kPut);
  }

  void get(size_t connection, std::string_view key) override {
    std::string& request = start(connection, Operation::kGet);
    add_bytes(request, 1, key);
    if (serializable_) {
      add_varint(request, 7 << 3 | kVarint);
      add_varint(request, 1);
    }
    send(connection, kRange);
  }

  void wait(std::vector<Answer>& answers) override {
    for (const size_t connection : sockets_.wait()) {
      Connection& from = connections_[connection];
      const std::string_view input = sockets_.receive(connection);
      const ssize_t read = nghttp2_session_mem_recv(
          from.session, reinterpret_cast<const uint8_t*>(input.data()), input.size());
      if (read < 0) die("not HTTP/2: {}", nghttp2_strerror(static_cast<int>(read)));
      if (from.complete) {
        from.complete = false;
        answers.push_back({connection, good(from)});  // what is to be sent goes with the next
      } else {
        flush(connection);
      }
    }
  }

 private:
  std::string& start(size_t connection, Operation operation) {
    Connection& to = connections_[connection];
    to.operation = operation;
    to.body.clear();
    to.error.clear();
    to.succeeded = false;
    to.request.assign(kPrefixBytes, '\0');
    return to.request;
  }

  void send(size_t connection, std::string_view path) {
    Connection& to = connections_[connection];
    const size_t message_bytes = to.request.size() - kPrefixBytes;
    for (unsigned i = 1; i < kPrefixBytes; ++i) {
      to.request[i] = static_cast<char>(message_bytes >> (8 * (kPrefixBytes - 1 - i)));
    }
    to.request_sent = 0;
    const std::array headers{header(":method", "POST"),
                             header(":scheme", "http"),
                             header(":path", path),
                             header(":authority", "etcd"),
                             header("content-type", "application/grpc"),
                             header("te", "trailers")};
    nghttp2_data_provider body{};
    body.source.ptr = &to;
    body.read_callback = read_request;
    const int32_t stream =
        nghttp2_submit_request(to.session, nullptr, headers.data(), headers.size(), &body, nullptr);
    CHECK(stream > 0, "{}", nghttp2_strerror(stream));
    flush(connection);
  }

  void flush(size_t connection) {
    output_.clear();
    const uint8_t* bytes = nullptr;
    ssize_t size = 0;
    while ((size = nghttp2_session_mem_send(connections_[connection].session, &bytes)) > 0) {
      output_.append(text(bytes, static_cast<size_t>(size)));
    }
    CHECK(size == 0, "{}", nghttp2_strerror(static_cast<int>(size)));
    if (!output_.empty()) sockets_.send(connection, output_);
  }

  bool good(const Connection& from) {
    if (!from.succeeded) return bad(from.error.empty() ? "a call without grpc-status" : from.error);
    if (from.operation == Operation::kPut) return true;
    const std::string_view body = from.body;
    if (body.size() < kPrefixBytes || body[0] != 0) return bad("not one plain message");
    const auto pair = find_bytes(body.substr(kPrefixBytes), 2);
    const auto value = pair ? find_bytes(*pair, 5) : std::nullopt;
    return (value && value->size() == value_bytes_) || bad("no value of the right size");
  }

  const size_t value_bytes_;
  const bool serializable_;
  Sockets sockets_;
  std::vector<Connection> connections_;
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
