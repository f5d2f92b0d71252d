// SnapshotSocket: a connection that carries a snapshot, on the thread of one of its ends: what has
// come, cut into frames, and what has not gone out yet. Never blocks; its owner polls.
#pragma once

#include <poll.h>

#include <optional>
#include <string>

#include "base/result.h"
#include "net/fd.h"
#include "peer/frame_reader.h"

namespace kvorum::peer {

class SnapshotSocket {
 public:
  // `already_read` came before what the socket has.
  SnapshotSocket(net::Fd socket, std::string already_read, FrameLimits limits);

  int fd() const { return fd_.get(); }
  short events() const { return static_cast<short>(unsent() ? POLLIN | POLLOUT : POLLIN); }

  // What there is, up to a bound. True if something came; the error says how the connection ended.
  Result<bool> receive();
  // The next whole frame of what was received. After an error the stream is lost.
  Result<std::optional<Frame>> next();
  void set_limits(FrameLimits limits) { reader_.set_limits(limits); }
  // Forgets what was received.
  void discard() { input_.clear(); }

  // To be appended to, then sent.
  std::string& out() { return out_; }
  bool unsent() const { return sent_ < out_.size(); }
  // As much as the kernel takes.
  Status send();
  // Nothing follows what was sent.
  void finish();

 private:
  net::Fd fd_;
  std::string input_;
  FrameReader reader_;
  std::string out_;
  size_t sent_ = 0;
};

}  // namespace kvorum::peer
