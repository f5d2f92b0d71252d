#include "net/connection.h"

#include <event2/event.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "net/address.h"
#include "net/connection_set.h"

namespace kvorum::net {

namespace {

// How much one connection may read in one turn, so that the others get theirs.
constexpr size_t kReadBytesPerTurn = size_t{256} * 1024;
// Held input up to this size is copied in front of what is read next; beyond, it is read in place.
constexpr size_t kCopiedInputMax = size_t{32} * 1024;
constexpr size_t kPiecesMax = 64;
// A request may still be under way to a connection that closes: reading it lets the last reply
// arrive, as a close with unread input resets the connection.
constexpr size_t kDiscardedMax = size_t{256} * 1024;

}  // namespace

Connection::Connection(ConnectionSet& set, Fd fd, ConnectionHandler& handler)
    : set_(set),
      handler_(&handler),
      fd_(std::move(fd)),
      read_event_(event_new(set.loop_.base(), fd_.get(), EV_READ | EV_PERSIST,
                            &Connection::readable, this)),
      peer_(peer_text(fd_.get())),
      created_at_(set.loop_.now()),
      active_at_(created_at_) {
  int flags = fcntl(fd_.get(), F_GETFL);
  if ((flags & O_NONBLOCK) == 0) fcntl(fd_.get(), F_SETFL, flags | O_NONBLOCK);
  CHECK(read_event_ != nullptr);
  listen_for_input();
}

EventLoop& Connection::loop() const {
  return set_.loop_;
}
std::string Connection::local() const {
  return closed_ ? std::string() : local_text(fd_.get());
}
bool Connection::peer_is_loopback() const {
  return !closed_ && net::peer_is_loopback(fd_.get());
}

// Input

void Connection::listen_for_input() {
  if (read_armed_ || paused_ || closed_ || input_ended_ || close_when_flushed_) return;
  read_armed_ = event_add(read_event_.get(), nullptr) == 0;
  if (!read_armed_) fail(errno);
}

void Connection::readable(int, short, void* self) {
  Connection& c = *static_cast<Connection*>(self);
  c.loop().enter_callback();
  for (size_t budget = kReadBytesPerTurn; budget > 0;) {
    // Only now, so that a pause and resume within a turn cost nothing.
    if (c.paused_ || c.close_when_flushed_ || c.input_ended_) {
      event_del(c.read_event_.get());
      c.read_armed_ = false;
      return;
    }
    size_t got = 0;
    bool maybe_more = c.read_once(budget, got);
    if (!maybe_more || c.closed_) return;
    budget -= std::min(got, budget);
  }
}

// Reads once and hands the bytes on. False if the socket has no more for now: a read that did not
// fill its buffer emptied the socket, there is no need to ask again.
bool Connection::read_once(size_t budget, size_t& got) {
  std::span<char> scratch = set_.scratch();
  size_t held = input_.size();
  bool in_place = held > kCopiedInputMax || wanted_ > scratch.size();
  std::span<char> room;
  if (in_place) {
    room = input_.prepare(scratch.size());
    room = room.first(std::min(room.size(), std::max(budget, scratch.size())));
  } else {
    if (held > 0) std::memcpy(scratch.data(), input_.view().data(), held);
    room = scratch.subspan(held);
  }
  ssize_t n = recv(fd_.get(), room.data(), room.size(), 0);
  if (n < 0) {
    if (errno == EINTR) return true;
    if (errno != EAGAIN) fail(errno);
    return false;
  }
  if (n == 0) {
    input_ended();
    return false;
  }
  got = static_cast<size_t>(n);
  active_at_ = loop().now();
  ConnectionSet::count(set_.bytes_read_, got);
  if (in_place) {
    input_.commit(got);
    if (input_.size() >= wanted_) deliver(input_.view(), false);
  } else if (held + got >= wanted_) {
    deliver({scratch.data(), held + got}, true);
  } else {
    input_.append({room.data(), got});
  }
  return got == room.size();
}

void Connection::deliver(std::string_view input, bool is_scratch) {
  wanted_ = 0;
  size_t used = handler_->on_input(*this, input);
  CHECK(used <= input.size());
  if (is_scratch) {
    input_.assign(input.substr(used));
  } else {
    input_.consume(used);
  }
}

void Connection::input_ended() {
  input_ended_ = true;
  event_del(read_event_.get());
  read_armed_ = false;
  if (close_when_flushed_) return;
  if (!handler_->on_input_end(*this)) close(CloseReason::kPeerClosed);
}

void Connection::process_again() {
  again_ = true;
  need_attention();
}

void Connection::resume_reading() {
  if (!paused_) return;
  paused_ = false;
  listen_for_input();
  if (!input_.empty()) process_again();
}

// Output

std::string& Connection::out() {
  if (!dirty_ && !closed_) {
    dirty_ = true;
    set_.dirty_.push_back(this);
    if (output_.empty()) output_.give_tail(set_.take_spare());
  }
  return output_.tail();
}

void Connection::send_shared(SharedBytes bytes) {
  out();
  output_.push(std::move(bytes));
}

void Connection::want_drained() {
  want_drained_ = true;
  if (output_.empty()) need_attention();
}

void Connection::flush() {
  if (closed_ || write_blocked_) return;
  switch (send_output()) {
    case Sent::kAll:
      return output_sent();
    case Sent::kSome:
      return wait_writable();
    case Sent::kFailed:
      return fail(errno);
  }
}

bool Connection::flush_borrowed() {
  if (closed_ || write_blocked_) return true;
  if (want_drained_ || close_when_flushed_ || send_output() != Sent::kAll) return false;
  output_sent();
  return true;
}

Connection::Sent Connection::send_output() {
  while (!output_.empty()) {
    std::array<iovec, kPiecesMax> pieces;
    size_t count = output_.gather(pieces);
    size_t offered = 0;
    for (size_t i = 0; i < count; ++i) offered += pieces[i].iov_len;
    ssize_t n = 0;
    if (count == 1) {
      n = send(fd_.get(), pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL);
    } else {
      msghdr message{};
      message.msg_iov = pieces.data();
      message.msg_iovlen = count;
      n = sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) return Sent::kFailed;
    size_t sent = n < 0 ? 0 : static_cast<size_t>(n);
    if (sent > 0) active_at_ = loop().now();
    ConnectionSet::count(set_.bytes_written_, sent);
    output_.consume(sent);
    if (sent < offered) return Sent::kSome;
  }
  return Sent::kAll;
}

void Connection::wait_writable() {
  if (!write_event_) {
    write_event_.reset(event_new(loop().base(), fd_.get(), EV_WRITE, &Connection::writable, this));
    CHECK(write_event_ != nullptr);
  }
  write_blocked_ = event_add(write_event_.get(), nullptr) == 0;
  if (!write_blocked_) fail(errno);
}

void Connection::writable(int, short, void* self) {
  Connection& c = *static_cast<Connection*>(self);
  c.loop().enter_callback();
  c.write_blocked_ = false;
  c.flush();
}

void Connection::output_sent() {
  set_.give_spare(output_.take_tail());
  if (want_drained_) need_attention();
  if (!close_when_flushed_) return;
  std::span<char> scratch = set_.scratch();
  for (size_t discarded = 0; discarded < kDiscardedMax;) {
    ssize_t n = recv(fd_.get(), scratch.data(), scratch.size(), 0);
    if (n <= 0 || static_cast<size_t>(n) < scratch.size()) break;
    discarded += static_cast<size_t>(n);
  }
  close(CloseReason::kClosedHere);
}

// Closing

void Connection::close_when_flushed() {
  if (closing()) return;
  close_when_flushed_ = true;
  out();
}

Fd Connection::release() {
  CHECK(!closed_ && output_.empty());
  // Before somebody closes it.
  read_event_.reset();
  write_event_.reset();
  Fd fd = std::move(fd_);
  close(CloseReason::kClosedHere);
  return fd;
}

void Connection::fail(int error) {
  error_ = error;
  close(error == ECONNRESET || error == EPIPE ? CloseReason::kPeerClosed : CloseReason::kFailed);
}

void Connection::close(CloseReason reason) {
  if (closed_) return;
  closed_ = true;
  reason_ = reason;
  read_event_.reset();
  write_event_.reset();
  fd_.reset();
  output_.clear();
  need_attention();
}

void Connection::need_attention() {
  if (attention_ || gone_) return;
  attention_ = true;
  set_.attention_.push_back(this);
}

void Connection::attend() {
  attention_ = false;
  if (closed_) {
    gone_ = true;
    handler_->on_closed(*this, reason_);
    return;
  }
  if (std::exchange(again_, false)) deliver(input_.view(), false);
  if (!closed_ && want_drained_ && output_.empty()) {
    want_drained_ = false;
    handler_->on_drained(*this);
  }
}

}  // namespace kvorum::net
