#include "peer/outgoing.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/splitmix64.h"
#include "net/address.h"
#include "net/connection_set.h"
#include "peer/codec.h"

namespace kvorum::peer {

namespace {

// Of the room for unsent bytes, broadcasts leave the rest to others: subscribers may miss a
// message, but a flood of them may not cost entries their place.
constexpr size_t kBroadcastShare = 4;

class ConnectionSink final : public FrameSink {
 public:
  explicit ConnectionSink(net::Connection& connection) : connection_(connection) {}
  std::string& text() override { return connection_.out(); }
  void share(net::SharedBytes bytes) override { connection_.send_shared(std::move(bytes)); }

 private:
  net::Connection& connection_;
};

void give_up_after(int fd, std::chrono::milliseconds silence) {
  const auto ms = static_cast<unsigned>(silence.count());
  // Not on unix sockets, where there is no silence.
  (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

}  // namespace

Outgoing::Outgoing(Surroundings& around, raft::NodeId peer, Purpose purpose,
                   std::function<void()> stands)
    : around_(around),
      peer_(peer),
      purpose_(purpose),
      stands_(std::move(stands)),
      connector_(around.loop),
      retry_(around.loop, [this] { dial(); }),
      deadline_(around.loop, [this] {
        warn(
            fmt::format("node {} at {} does not answer: is it the peer port of a kvorum node, and "
                        "not stopped?",
                        peer_, address_));
        give_up();
      }) {}

Outgoing::~Outgoing() {
  disconnect();
}

void Outgoing::set_address(const std::string& address) {
  if (address == address_) return;
  address_ = address;
  disconnect();
  failures_ = 0;
  if (!address_.empty()) retry_.once(std::chrono::milliseconds(0));
}

void Outgoing::hurry() {
  if (retry_.armed()) retry_.once(std::chrono::milliseconds(0));
}

// Sending

bool Outgoing::has_room(size_t bytes, size_t bytes_max) const {
  if (!up_ || connection_->closing()) return false;
  const size_t unsent = connection_->output_bytes();
  return unsent == 0 || unsent + bytes <= bytes_max;
}

void Outgoing::send(Message message) {
  if (!has_room(wire_bytes(message), around_.options.unsent_bytes_max)) return;
  ConnectionSink sink(*connection_);
  encode(std::move(message), sink);
}

void Outgoing::send_broadcast(const net::SharedBytes& frame) {
  if (has_room(frame->size(), around_.options.unsent_bytes_max / kBroadcastShare)) {
    connection_->send_shared(frame);
  }
}

// Dialling

void Outgoing::dial() {
  const auto address = net::parse_address(address_);
  if (!address) {
    warn(fmt::format("can't reach node {}: {}", peer_, address.error().message));
    return give_up();
  }
  connector_.connect(*address, around_.options.connect_timeout,
                     [this](Result<net::Fd> socket) { connected(std::move(socket)); });
}

void Outgoing::connected(Result<net::Fd> socket) {
  if (!socket) {
    warn(fmt::format("can't reach node {}: {}", peer_, socket.error().message));
    return give_up();
  }
  give_up_after(socket->get(), around_.options.silence_max);
  answers_.emplace(kGreetingLimits);
  connection_ = &around_.loop.connections().add(
      std::move(*socket), *this, {.no_delay = true, .keepalive_s = kKeepaliveSeconds});
  connection_->out().append(encode(greeting_of(around_.identity, purpose_, peer_)));
  deadline_.once(around_.options.greeting_timeout);
}

void Outgoing::give_up() {
  disconnect();
  const auto& options = around_.options;
  const unsigned doublings = std::min(failures_++, 20u);
  const auto longest =
      std::min(options.backoff_min * (int64_t{1} << doublings), options.backoff_max);
  // Between half of it and all, so that nodes that lost each other at once don't meet again.
  const auto half = static_cast<uint64_t>(longest.count()) / 2;
  retry_.once(longest - std::chrono::milliseconds(splitmix64(around_.random) % (half + 1)));
}

void Outgoing::disconnect() {
  retry_.cancel();
  deadline_.cancel();
  connector_.cancel();
  up_ = false;
  if (connection_ == nullptr) return;
  connection_->set_handler(around_.nobody);
  connection_->close_now();
  connection_ = nullptr;
}

// The peer's answer, and later only its farewell

size_t Outgoing::on_input(net::Connection& connection, std::string_view input) {
  size_t used = 0;
  while (connection_ == &connection) {
    const auto frame = answers_->next(input.substr(used));
    if (!frame) {
      refused({"ERR", "what it answers is not the kvorum peer protocol"});
      break;
    }
    if (!*frame) return used;
    used += answers_->frame_bytes();
    answered(**frame);
  }
  return input.size();
}

void Outgoing::answered(const Frame& answer) {
  if (const auto refusal = refusal_in(answer, peer_)) return refused(*refusal);
  if (up_) return refused({"ERR", "it welcomes this node twice"});
  up_ = true;
  up_since_ = around_.loop.now();
  deadline_.cancel();
  stands_();
}

void Outgoing::refused(const Refusal& refusal) {
  warn(fmt::format("node {} at {} refuses this node: {}", peer_, address_, refusal.why));
  give_up();
  if (refusal.code == "REMOVED") around_.handler.peer_refused_us(peer_, refusal.why);
}

void Outgoing::on_closed(net::Connection& connection, net::CloseReason reason) {
  const bool by_peer = reason == net::CloseReason::kPeerClosed;
  const std::string why = by_peer ? "the other side closed it" : connection.error_text();
  warn(fmt::format("lost the {} node {} at {}: {}", up_ ? "link to" : "connection to", peer_,
                   address_, why));
  connection_ = nullptr;
  // A connection that comes and goes is dialled ever more slowly too.
  if (up_ && around_.loop.now() - up_since_ >= around_.options.backoff_max) failures_ = 0;
  give_up();
}

void Outgoing::warn(std::string text) {
  around_.notes.say(note_subject(peer_), NoteSeverity::kWarning, std::move(text));
}

}  // namespace kvorum::peer
