// Connection: a non-blocking stream socket on one loop, made by the loop's ConnectionSet and owned
// by it. It lives until its handler's on_closed has returned, and on_closed always comes, exactly
// once. Handlers are only ever called by the loop, never from inside a call to a Connection, so a
// handler may do anything to any connection at any time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "net/event_loop.h"
#include "net/fd.h"
#include "net/input_buffer.h"
#include "net/output_buffer.h"

namespace kvorum::net {

class Connection;

enum class CloseReason {
  kClosedHere,  // close_now, or close_when_flushed after the last byte
  kPeerClosed,  // end of input, or reset
  kFailed,      // timed out, for example: error_text() says it
};

class ConnectionHandler {
 public:
  virtual ~ConnectionHandler() = default;
  // `input` is all that was received and not consumed; returns how much of it is consumed now.
  // Called when bytes came or process_again() asked for it, also with empty input in that case.
  // `input` is valid until the return, whatever is called meanwhile.
  virtual size_t on_input(Connection& connection, std::string_view input) = 0;
  // The peer sends no more. True keeps the connection for answers still to come; the handler closes
  // it then. False closes it, dropping what was not sent yet.
  virtual bool on_input_end(Connection&) { return false; }
  // All output is written, after want_drained() asked to be told.
  virtual void on_drained(Connection&) {}
  // The last call: the connection is gone when it returns.
  virtual void on_closed(Connection& connection, CloseReason reason) = 0;
};

class Connection {
 public:
  ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  EventLoop& loop() const;
  int fd() const { return fd_.get(); }
  // As Redis prints them; they outlive the socket.
  const std::string& peer() const { return peer_; }
  std::string local() const;
  bool peer_is_loopback() const;

  void set_handler(ConnectionHandler& handler) { handler_ = &handler; }

  // Output. What is appended is sent at the end of the loop's turn. The reference is good until the
  // next call on this connection; only append to it (and take back what was appended through it).
  std::string& out();
  // The same bytes for many connections, without a copy for each.
  void send_shared(SharedBytes bytes);
  // Not yet accepted by the kernel.
  size_t output_bytes() const { return output_.size(); }
  // One on_drained once output_bytes() is zero (soon, if it is now).
  void want_drained();

  // Input. Received and not consumed.
  size_t input_bytes() const { return input_.size(); }
  // Have on_input called again in this turn.
  void process_again();
  // No on_input for new bytes before `size` bytes are there in all: a parser that knows how long
  // the request is saves itself partial looks. Holds until the next on_input.
  void want_input(size_t size) { wanted_ = size; }
  // While paused no bytes are read, so the peer is slowed down; its closing is not noticed either.
  void pause_reading() { paused_ = true; }
  // Also has on_input called again if bytes are held.
  void resume_reading();
  bool reading_paused() const { return paused_; }

  // Reads no more, sends what there is, then closes. Who wants a bound on that sets a timer.
  void close_when_flushed();
  // The socket is the caller's, as it is: non-blocking, with what was not read yet. on_closed
  // follows in this turn. Not while output waits or the connection is closed.
  Fd release();
  // The socket is closed on return, on_closed follows in this turn.
  void close_now() { close(CloseReason::kClosedHere); }
  // Closing, or closed and on_closed is still to come.
  bool closing() const { return closed_ || close_when_flushed_; }
  // Why reason is kFailed.
  std::string error_text() const { return errno_text(error_); }

  Monotonic created_at() const { return created_at_; }
  // When bytes last came or went.
  Monotonic active_at() const { return active_at_; }

 private:
  friend class ConnectionSet;

  Connection(ConnectionSet& set, Fd fd, ConnectionHandler& handler);

  static void readable(int fd, short what, void* self);
  static void writable(int fd, short what, void* self);
  bool read_once(size_t budget, size_t& got);
  void deliver(std::string_view input, bool is_scratch);
  void input_ended();
  void listen_for_input();
  void attend();
  enum class Sent : uint8_t { kAll, kSome, kFailed };
  void flush();
  // See ConnectionSet::flush_borrowed.
  bool flush_borrowed();
  Sent send_output();
  void wait_writable();
  void output_sent();
  void fail(int error);
  void close(CloseReason reason);
  void need_attention();

  ConnectionSet& set_;
  ConnectionHandler* handler_;
  // Outlives the events: epoll must forget a descriptor before it is closed.
  Fd fd_;
  EventPtr read_event_;
  // Made the first time the kernel takes less than it is given.
  EventPtr write_event_;
  InputBuffer input_;
  OutputBuffer output_;
  std::string peer_;
  size_t wanted_ = 0;
  Monotonic created_at_;
  Monotonic active_at_;
  // This connection's place in the set.
  size_t slot_ = 0;
  int error_ = 0;
  CloseReason reason_ = CloseReason::kClosedHere;
  bool read_armed_ = false;
  bool paused_ = false;
  bool input_ended_ = false;
  // The kernel's buffer is full; write_event_ is armed.
  bool write_blocked_ = false;
  bool close_when_flushed_ = false;
  bool closed_ = false;
  // on_closed was called.
  bool gone_ = false;
  // What attend() has to deliver.
  bool again_ = false;
  bool want_drained_ = false;
  // On the set's lists.
  bool dirty_ = false;
  bool attention_ = false;
};

}  // namespace kvorum::net
