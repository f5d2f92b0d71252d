// GrpcConnection: gRPC calls over one connection, spoken with nghttp2. A gRPC library would spend
// several times as much on a request, on the cores that the servers need. It has no socket: the
// owner passes on what was received and sends what comes out. Used by one thread.
//
// A call is a POST to /<service>/<method>. Its body and the answer's are messages, each of them a
// zero byte (not compressed), the length in 4 bytes, most significant first, and a protobuf. The
// trailer `grpc-status` is 0 for success. What breaks the protocol ends the program.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kvorum::benchmarks {

class GrpcConnection {
 public:
  // Hears what became of calls, from within receive(). It may not begin calls there.
  class Listener {
   public:
    virtual ~Listener() = default;
    // A message of the answer to the call `tag`. Valid until it returns.
    virtual void on_message(size_t connection, uint64_t tag, std::string_view message) = 0;
    // The answer is complete. `error` is empty for success.
    virtual void on_end(size_t connection, uint64_t tag, std::string_view error) = 0;
  };

  // kWhole: nothing follows the first message. kOpen: more might, so the call does not end.
  enum class Request : uint8_t { kWhole, kOpen };

  // `number` is what the listener knows the connection by.
  GrpcConnection(Listener& listener, size_t number);
  ~GrpcConnection();
  GrpcConnection(const GrpcConnection&) = delete;
  GrpcConnection& operator=(const GrpcConnection&) = delete;

  // Begins a call; any number may be under way. `path` has to outlive it.
  void call(std::string_view path, std::string_view message, uint64_t tag, Request request);
  void receive(std::string_view input);
  // Appends what is to be sent by now.
  void take_output(std::string& output);

 private:
  struct Call;
  struct Callbacks;  // what nghttp2 calls

  Call& unused_call();
  // Passes on the messages that are whole; the bytes they take.
  size_t pass_messages(const Call& call, std::string_view body);
  void add_body(Call& call, std::string_view bytes);
  void end(Call& call);

  Listener& listener_;
  const size_t number_;
  nghttp2_session* session_ = nullptr;
  std::vector<std::unique_ptr<Call>> calls_;
  std::vector<Call*> unused_;  // those that ended
};

}  // namespace kvorum::benchmarks
