#include "benchmarks/grpc_connection.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"

namespace kvorum::benchmarks {
namespace {

constexpr size_t kPrefixBytes = 5;
constexpr int kWindowBytes = 1 << 20;

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

}  // namespace

struct GrpcConnection::Call {
  uint64_t tag = 0;
  Request kind = Request::kWhole;
  std::string request;
  size_t request_sent = 0;
  // Of the answer.
  std::string body;  // the beginning of a message that has not come whole
  bool succeeded = false;
  std::string error;
};

struct GrpcConnection::Callbacks {
  static Call* call_of(nghttp2_session* session, int32_t stream) {
    return static_cast<Call*>(nghttp2_session_get_stream_user_data(session, stream));
  }

  static ssize_t read_request(nghttp2_session* /*session*/, int32_t /*stream*/, uint8_t* out,
                              size_t size, uint32_t* flags, nghttp2_data_source* source,
                              void* /*user*/) {
    Call& call = *static_cast<Call*>(source->ptr);
    const size_t count = std::min(size, call.request.size() - call.request_sent);
    if (count == 0 && call.kind == Request::kOpen) return NGHTTP2_ERR_DEFERRED;
    std::memcpy(out, call.request.data() + call.request_sent, count);
    call.request_sent += count;
    const bool all = call.request_sent == call.request.size();
    if (all && call.kind == Request::kWhole) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(count);
  }

  static int on_header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_size, const uint8_t* value, size_t value_size, uint8_t /*flags*/,
                       void* /*user*/) {
    Call* call = call_of(session, frame->hd.stream_id);
    if (call == nullptr) return 0;
    if (text(name, name_size) == "grpc-status") call->succeeded = text(value, value_size) == "0";
    if (text(name, name_size) == "grpc-message") call->error = text(value, value_size);
    return 0;
  }

  static int on_data(nghttp2_session* session, uint8_t /*flags*/, int32_t stream,
                     const uint8_t* bytes, size_t size, void* user) {
    Call* call = call_of(session, stream);
    if (call != nullptr) static_cast<GrpcConnection*>(user)->add_body(*call, text(bytes, size));
    return 0;
  }

  static int on_close(nghttp2_session* session, int32_t stream, uint32_t /*error*/, void* user) {
    Call* call = call_of(session, stream);
    if (call != nullptr) static_cast<GrpcConnection*>(user)->end(*call);
    return 0;
  }
};

GrpcConnection::GrpcConnection(Listener& listener, size_t number)
    : listener_(listener), number_(number) {
  nghttp2_session_callbacks* callbacks = nullptr;
  CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::on_close);
  CHECK(nghttp2_session_client_new(&session_, callbacks, this) == 0);
  nghttp2_session_callbacks_del(callbacks);
  const std::array settings{
      nghttp2_settings_entry{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      nghttp2_settings_entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindowBytes}};
  CHECK(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) ==
        0);
  CHECK(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kWindowBytes) == 0);
}

GrpcConnection::~GrpcConnection() {
  nghttp2_session_del(session_);
}

void GrpcConnection::call(std::string_view path, std::string_view message, uint64_t tag,
                          Request request) {
  Call& call = unused_call();
  call.tag = tag;
  call.kind = request;
  call.request.assign(1, '\0');
  for (unsigned shift = 8 * (kPrefixBytes - 1); shift > 0; shift -= 8) {
    call.request.push_back(static_cast<char>(message.size() >> (shift - 8)));
  }
  call.request.append(message);
  const std::array headers{header(":method", "POST"),
                           header(":scheme", "http"),
                           header(":path", path),
                           header(":authority", "etcd"),
                           header("content-type", "application/grpc"),
                           header("te", "trailers")};
  nghttp2_data_provider body{};
  body.source.ptr = &call;
  body.read_callback = Callbacks::read_request;
  const int32_t stream =
      nghttp2_submit_request(session_, nullptr, headers.data(), headers.size(), &body, &call);
  CHECK(stream > 0, "{}", nghttp2_strerror(stream));
}

void GrpcConnection::receive(std::string_view input) {
  const ssize_t read = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(input.data()), input.size());
  if (read < 0) die("not HTTP/2: {}", nghttp2_strerror(static_cast<int>(read)));
}

void GrpcConnection::take_output(std::string& output) {
  const uint8_t* bytes = nullptr;
  ssize_t size = 0;
  while ((size = nghttp2_session_mem_send(session_, &bytes)) > 0) {
    output.append(text(bytes, static_cast<size_t>(size)));
  }
  CHECK(size == 0, "{}", nghttp2_strerror(static_cast<int>(size)));
}

GrpcConnection::Call& GrpcConnection::unused_call() {
  if (unused_.empty()) return *calls_.emplace_back(std::make_unique<Call>());
  Call& call = *unused_.back();
  unused_.pop_back();
  call.request_sent = 0;
  call.body.clear();
  call.succeeded = false;
  call.error.clear();
  return call;
}

size_t GrpcConnection::pass_messages(const Call& call, std::string_view body) {
  size_t passed = 0;
  while (body.size() - passed >= kPrefixBytes) {
    const std::string_view rest = body.substr(passed);
    if (rest[0] != 0) die("a compressed gRPC message");
    size_t size = 0;
    for (size_t i = 1; i < kPrefixBytes; ++i) size = size << 8 | static_cast<uint8_t>(rest[i]);
    if (rest.size() - kPrefixBytes < size) break;
    listener_.on_message(number_, call.tag, rest.substr(kPrefixBytes, size));
    passed += kPrefixBytes + size;
  }
  return passed;
}

void GrpcConnection::add_body(Call& call, std::string_view bytes) {
  if (call.body.empty()) {  // the usual case: whole messages, which are not copied
    bytes.remove_prefix(pass_messages(call, bytes));
    call.body.append(bytes);
  } else {
    call.body.append(bytes);
    call.body.erase(0, pass_messages(call, call.body));
  }
}

void GrpcConnection::end(Call& call) {
  if (call.succeeded) {
    call.error.clear();
  } else if (call.error.empty()) {
    call.error = "a call without grpc-status";
  }
  listener_.on_end(number_, call.tag, call.error);
  unused_.push_back(&call);
}

}  // namespace kvorum::benchmarks
