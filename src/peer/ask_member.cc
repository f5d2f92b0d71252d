#include <hiredis/hiredis.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "base/clock.h"
#include "net/address.h"
#include "peer/codec.h"
#include "peer/handshake.h"
#include "peer/network.h"

namespace kvorum::peer {

namespace {

constexpr FrameLimits kAnswerLimits{.bytes_max = size_t{16} << 20, .words_max = 16};

timeval to_timeval(Monotonic time) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
  return {static_cast<time_t>(us / 1'000'000), static_cast<suseconds_t>(us % 1'000'000)};
}

// A connection of hiredis' with one deadline for everything that is done on it. Reading is done
// here: hiredis' own would wait anew for each byte, and take whatever memory it is told to.
class Caller {
 public:
  Caller(const std::string& address, std::chrono::milliseconds timeout)
      : address_(address), deadline_(clock_.monotonic() + timeout) {}

  Status connect() {
    const auto address = net::parse_address(address_);
    if (!address) return tl::unexpected(address.error());
    const timeval left = to_timeval(time_left());
    context_.reset(address->is_unix()
                       ? redisConnectUnixWithTimeout(address->path.c_str(), left)
                       : redisConnectWithTimeout(address->host.c_str(), address->port, left));
    if (context_ == nullptr) return fail("out of memory for a connection to {}", address_);
    if (context_->err != 0) return fail("can't connect to {}: {}", address_, context_->errstr);
    return ok();
  }

  Result<Frame> call(const std::string& command) {
    for (size_t sent = 0; sent < command.size();) {
      const ssize_t n = has_time() ? send(context_->fd, command.data() + sent,
                                          command.size() - sent, MSG_NOSIGNAL)
                                   : -1;
      if (n <= 0) return broken(n);
      sent += static_cast<size_t>(n);
    }
    while (true) {
      auto frame = reader_.next(input_);
      if (!frame) return fail("{} is not the peer port of a kvorum node", address_);
      if (*frame) {
        input_.erase(0, reader_.frame_bytes());
        return std::move(**frame);
      }
      std::array<char, 16384> buffer;
      const ssize_t n = has_time() ? recv(context_->fd, buffer.data(), buffer.size(), 0) : -1;
      if (n <= 0) return broken(n);
      input_.append(buffer.data(), static_cast<size_t>(n));
    }
  }

 private:
  struct FreeContext {
    void operator()(redisContext* context) const { redisFree(context); }
  };

  Monotonic time_left() const {
    // Zero would mean for ever.
    return std::max<Monotonic>(deadline_ - clock_.monotonic(), std::chrono::milliseconds(1));
  }
  // Bounds the next wait by what is left. False, and errno, when nothing is.
  bool has_time() {
    errno = EAGAIN;
    return clock_.monotonic() < deadline_ &&
           redisSetTimeout(context_.get(), to_timeval(time_left())) == REDIS_OK;
  }
  tl::unexpected<Error> broken(ssize_t result) const {
    if (result == 0) return fail("{} closed the connection without an answer", address_);
    if (errno == EAGAIN) return fail("{} did not answer in time", address_);
    return fail("the connection to {} broke: {}", address_, net::errno_text(errno));
  }

  const std::string address_;
  const SystemClock clock_;
  const Monotonic deadline_;
  std::unique_ptr<redisContext, FreeContext> context_;
  FrameReader reader_{kAnswerLimits};
  std::string input_;
};

}  // namespace

Result<std::string> ask_member(const std::string& address, const std::string& secret,
                               const std::vector<std::string>& words,
                               std::chrono::milliseconds timeout) {
  Caller caller(address, timeout);
  if (const auto connected = caller.connect(); !connected) {
    return tl::unexpected(connected.error());
  }
  auto welcome = caller.call(encode(greeting_from_outside(secret)));
  if (!welcome) return tl::unexpected(welcome.error());
  if (const auto refusal = refusal_in(*welcome, raft::kNoNode)) {
    return fail("{} refuses: {}", address, refusal->why);
  }
  auto answer = caller.call(encode_command(words));
  if (!answer) return tl::unexpected(answer.error());
  std::string& text = answer->words.front();
  if (answer->kind == Frame::Kind::kText) return std::move(text);
  if (answer->kind == Frame::Kind::kError) return fail("{}", text);
  return fail("{} is not the peer port of a kvorum node", address);
}

}  // namespace kvorum::peer
