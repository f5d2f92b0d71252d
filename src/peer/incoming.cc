#include "peer/incoming.h"

#include <utility>
#include <variant>

#include "net/connection_set.h"
#include "peer/codec.h"

namespace kvorum::peer {

namespace {

// Entries of an append, mostly. The core counts at least 64 bytes for each, so bytes bound it
// before.
constexpr size_t kMessageWordsMax = size_t{1} << 20;
constexpr FrameLimits kQuestionLimits{.bytes_max = size_t{1} << 20, .words_max = 1024};
// The asker waits as long as it likes; this is for one that vanished.
constexpr std::chrono::milliseconds kAnswerTimeout{60'000};

std::string host_of(const std::string& address) {
  return address.substr(0, address.rfind(':'));
}

}  // namespace

Incoming::Incoming(uint64_t id, Surroundings& around, IncomingOwner& owner, net::Fd socket)
    : id_(id),
      around_(around),
      owner_(owner),
      connection_(&around.loop.connections().add(
          std::move(socket), *this, {.no_delay = true, .keepalive_s = kKeepaliveSeconds})),
      host_(host_of(connection_->peer())),
      deadline_(around.loop, [this] { connection_->close_now(); }) {
  deadline_.once(around_.options.greeting_timeout);
}

Incoming::~Incoming() {
  if (connection_ == nullptr) return;
  connection_->set_handler(around_.nobody);
  connection_->close_now();
}

size_t Incoming::on_input(net::Connection& connection, std::string_view input) {
  if (stage_ == Stage::kHandOver) {
    hand_over(input);
    return input.size();
  }
  size_t used = 0;
  while (reads_frames() && !connection.closing()) {
    auto frame = frames_.next(input.substr(used));
    if (!frame) {
      break_off(frame.error().message);
      return input.size();
    }
    if (!*frame) {
      connection.want_input(frames_.wanted_bytes());
      break;
    }
    used += frames_.frame_bytes();
    take(std::move(**frame));
  }
  return used;
}

void Incoming::take(Frame frame) {
  if (stage_ == Stage::kStranger) return greet(frame);
  if (frame.kind != Frame::Kind::kWords) return break_off("an answer where nothing was asked");
  if (stage_ == Stage::kLink) return take_message(std::move(frame));
  stage_ = Stage::kAnswering;
  connection_->pause_reading();
  deadline_.once(kAnswerTimeout);
  owner_.asked(*this, std::move(frame.words));
}

void Incoming::greet(const Frame& frame) {
  const auto greeting = decode_greeting(frame);
  if (!greeting) return refuse({"ERR", greeting.error().message});
  // Who does not know the secret is not named in notes: whatever it claims would be one more.
  if (same_secret(greeting->secret, around_.identity.secret)) from_ = greeting->from;
  if (const auto refusal = judge(*greeting, around_.identity, around_.options.protected_mode,
                                 is_on_this_machine())) {
    return refuse(*refusal);
  }
  if (greeting->purpose != Purpose::kAsk) {
    std::string why = around_.handler.refusal_of(from_);
    if (!why.empty()) return refuse({"REMOVED", std::move(why)});
  }
  welcomed(*greeting);
}

bool Incoming::is_on_this_machine() const {
  return connection_->peer_is_loopback() || host_ == host_of(connection_->local());
}

void Incoming::welcomed(const Greeting& greeting) {
  connection_->out().append(welcome(around_.identity.node));
  around_.notes.forget(name());
  purpose_ = greeting.purpose;
  switch (purpose_) {
    case Purpose::kLink:
    case Purpose::kBulk:
      stage_ = Stage::kLink;
      is_link_ = true;
      deadline_.cancel();
      frames_.set_limits({around_.options.frame_bytes_max, kMessageWordsMax});
      return owner_.joined(*this);
    case Purpose::kSnapshot:
      stage_ = Stage::kHandOver;
      connection_->pause_reading();
      return connection_->want_drained();
    case Purpose::kAsk:
      stage_ = Stage::kQuestion;
      frames_.set_limits(kQuestionLimits);
      return;
  }
}

void Incoming::take_message(Frame frame) {
  auto message = decode(std::move(frame.words));
  if (!message) return break_off(message.error().message);
  const auto* envelope = std::get_if<raft::Envelope>(&*message);
  if (envelope != nullptr && (envelope->from != from_ || envelope->to != around_.identity.node)) {
    return break_off(
        fmt::format("a message from node {} to node {}", envelope->from, envelope->to));
  }
  around_.handler.peer_message(from_, std::move(*message));
}

// The welcome has been sent: have what was read with the greeting given to hand_over.
void Incoming::on_drained(net::Connection& connection) {
  if (stage_ == Stage::kHandOver) connection.process_again();
}

void Incoming::hand_over(std::string_view input) {
  std::string already_read(input);
  around_.handler.snapshot_stream(from_, connection_->release(), std::move(already_read));
}

void Incoming::answer(bool ok, const std::string& text) {
  if (stage_ == Stage::kAnswering) end_with(ok ? encode_text(text) : encode_error(text));
}

void Incoming::refuse(const Refusal& refusal) {
  warn(fmt::format("refused {}: {}", name(), refusal.why));
  end_with(refusal.line());
}

// Who reads this is alive: two nodes run under one id.
void Incoming::replaced(const std::string& host) {
  end_with(Refusal{"ERR", fmt::format("node {} has connected anew, from {}", from_, host)}.line());
}

void Incoming::break_off(const std::string& why) {
  if (stage_ == Stage::kStranger) {
    warn(fmt::format("{} is no kvorum node: {}", name(), why));
    return end_with(Refusal{"ERR", std::string(kNotAPeer)}.line());
  }
  warn(fmt::format("closed the connection of {}, which sent {}", name(), why));
  end_with(Refusal{"ERR", fmt::format("what came was {}", why)}.line());
}

void Incoming::end_with(const std::string& line) {
  if (stage_ == Stage::kOver) return;
  stage_ = Stage::kOver;
  connection_->out().append(line);
  connection_->close_when_flushed();
  deadline_.once(around_.options.greeting_timeout);
}

void Incoming::on_closed(net::Connection&, net::CloseReason) {
  connection_ = nullptr;
  owner_.gone(*this);
}

std::string Incoming::name() const {
  return from_ == raft::kNoNode ? fmt::format("a connection from {}", host_)
                                : fmt::format("node {} from {}", from_, host_);
}

void Incoming::warn(std::string text) {
  around_.notes.say(name(), NoteSeverity::kWarning, std::move(text));
}

}  // namespace kvorum::peer
