#include "peer/snapshot_receiver.h"

#include <poll.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/background.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/mailbox.h"
#include "peer/codec.h"
#include "peer/snapshot_folder.h"
#include "peer/snapshot_protocol.h"
#include "peer/snapshot_socket.h"

namespace kvorum::peer {

namespace {

constexpr uint64_t kVerifyCacheBytes = uint64_t{64} << 20;
// For the other side to read its last line.
constexpr std::chrono::milliseconds kFarewell{2000};
constexpr size_t kLeavingMax = 16;
constexpr Monotonic kNever = Monotonic::max();

Result<storage::AppliedState> verify_store(const std::string& folder) {
  return storage::Store::verify(folder, kVerifyCacheBytes);
}

}  // namespace

class SnapshotReceiver::Impl {
 public:
  Impl(const std::string& data_folder, Install install, SnapshotReceiverOptions options)
      : path_(data_folder + "/incoming"),
        install_(std::move(install)),
        options_(std::move(options)) {
    if (!options_.verify) options_.verify = verify_store;
    SnapshotFolder::remove(path_);
    thread_ = std::thread([this] { run(); });
    pthread_setname_np(thread_.native_handle(), "snapshot-in");
  }
  ~Impl() { stop(); }

  void receive(raft::NodeId from, net::Fd socket, std::string already_read) {
    arrivals_.post({from, std::move(socket), std::move(already_read)});
  }

  void stop() {
    if (!thread_.joinable()) return;
    stopping_.store(true);
    waker_.wake();
    thread_.join();
  }

 private:
  struct Arrival {
    raft::NodeId from;
    net::Fd socket;
    std::string already_read;
  };
  struct Sender {
    raft::NodeId from;
    std::unique_ptr<SnapshotSocket> socket;
    Monotonic heard;
    bool begun = false;
  };
  // Its last line is on the way. What it still sends is read and dropped, or the kernel would
  // take the line back.
  struct Leaving {
    std::unique_ptr<SnapshotSocket> socket;
    Monotonic until;
  };

  void run();
  void wait();
  Monotonic next_deadline() const;
  void admit(Arrival& arrival);
  void serve();
  void take(Frame frame);
  void begin(const Frame& frame);
  void take_chunk(const SnapshotChunk& chunk);
  void end(uint32_t crc);
  Status verify_and_install();
  // The sender is told why, and leaves. For good: what has come is of no use.
  void refuse(std::string_view kind, const std::string& why);
  void leave(std::unique_ptr<SnapshotSocket> socket, const std::string& line);
  void see_off();
  void discard();

  const std::string path_;
  const Install install_;
  SnapshotReceiverOptions options_;
  const SystemClock clock_{};
  EventWaker waker_;
  Mailbox<Arrival> arrivals_{size_t{1} << 20, waker_};
  std::atomic<bool> stopping_{false};

  std::optional<Sender> sender_;
  std::unique_ptr<SnapshotFolder> folder_;
  // The id of the one installed last: its sender may not have heard.
  std::string installed_;
  std::vector<Leaving> leaving_;
  std::thread thread_;
};

void SnapshotReceiver::Impl::run() {
  yield_to_others();
  std::vector<Arrival> inbox;
  while (!stopping_.load()) {
    // First what has come from the sender: it may be about to be judged by its silence.
    serve();
    see_off();
    arrivals_.drain(inbox);
    for (Arrival& arrival : inbox) admit(arrival);
    inbox.clear();
    wait();
  }
  discard();
}

void SnapshotReceiver::Impl::wait() {
  std::vector<pollfd> entries{{waker_.fd(), POLLIN, 0}};
  if (sender_) entries.push_back({sender_->socket->fd(), sender_->socket->events(), 0});
  for (const Leaving& leaving : leaving_) {
    entries.push_back({leaving.socket->fd(), leaving.socket->events(), 0});
  }
  constexpr Monotonic kOnceMax = std::chrono::minutes(1);
  const Monotonic left = std::clamp(next_deadline() - clock_.monotonic(), Monotonic(0), kOnceMax);
  waker_.prepare_sleep();
  const bool busy = stopping_.load() || !arrivals_.empty();
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  (void)poll(entries.data(), entries.size(), busy ? 0 : static_cast<int>(ms));
  waker_.woken();
}

Monotonic SnapshotReceiver::Impl::next_deadline() const {
  Monotonic next = sender_ ? sender_->heard + options_.silence_max : kNever;
  for (const Leaving& leaving : leaving_) next = std::min(next, leaving.until);
  return next;
}

void SnapshotReceiver::Impl::admit(Arrival& arrival) {
  auto socket = std::make_unique<SnapshotSocket>(std::move(arrival.socket),
                                                 std::move(arrival.already_read), kBeginLimits);
  if (sender_ && sender_->from != arrival.from) {
    if (clock_.monotonic() < sender_->heard + options_.yield_after) {
      return leave(std::move(socket),
                   fmt::format("{}node {} is sending a snapshot to this node already", kFinal,
                               sender_->from));
    }
    refuse(kFinal, fmt::format("node {} sends a snapshot now", arrival.from));
  }
  // The same node has connected anew: its older connection is dead, as far as it knows.
  sender_.emplace(Sender{arrival.from, std::move(socket), clock_.monotonic()});
  serve();
}

void SnapshotReceiver::Impl::serve() {
  if (!sender_) return;
  const auto received = sender_->socket->receive();
  while (sender_ && !stopping_.load()) {
    auto frame = sender_->socket->next();
    if (!frame) {
      // A link that damages bytes is another matter than what they say.
      return refuse(kRetry, fmt::format("what came is damaged: {}", frame.error().message));
    }
    if (!*frame) break;
    take(std::move(**frame));
    if (sender_) sender_->heard = clock_.monotonic();
  }
  if (!sender_) return;
  if (received && *received) sender_->heard = clock_.monotonic();
  const bool silent = clock_.monotonic() >= sender_->heard + options_.silence_max;
  if (!received || silent || !sender_->socket->send()) sender_.reset();
}

void SnapshotReceiver::Impl::take(Frame frame) {
  if (frame.kind != Frame::Kind::kWords) return refuse(kFinal, "what came is no snapshot");
  if (!sender_->begun) return begin(frame);
  if (const auto crc = decode_end(frame.words)) return end(*crc);
  const auto chunk = decode_chunk(frame.words);
  if (!chunk) return refuse(kRetry, chunk.error().message);
  take_chunk(*chunk);
}

void SnapshotReceiver::Impl::begin(const Frame& frame) {
  auto offer = decode_begin(frame.words);
  if (!offer) return refuse(kFinal, offer.error().message);
  sender_->begun = true;
  sender_->socket->set_limits(kChunkLimits);
  if (offer->id == installed_) {
    sender_->socket->out().append(encode_installed());
    return;
  }
  const bool goes_on =
      folder_ && folder_->offer().id == offer->id && folder_->offer().meta == offer->meta &&
      std::ranges::equal(folder_->offer().files, offer->files, [](const auto& a, const auto& b) {
        return a.name == b.name && a.bytes == b.bytes;
      });
  if (!goes_on) {
    discard();
    auto folder = SnapshotFolder::create(path_, std::move(*offer));
    if (!folder) return refuse(kFinal, folder.error().message);
    folder_ = std::move(*folder);
  }
  sender_->socket->out().append(encode_answer(SnapshotAnswer::kResume, folder_->position()));
}

void SnapshotReceiver::Impl::take_chunk(const SnapshotChunk& chunk) {
  if (!folder_) return refuse(kFinal, "a part of a snapshot came that was installed before");
  const SnapshotPosition expected = folder_->position();
  if (folder_->complete() || chunk.position != expected) {
    return refuse(kRetry, fmt::format("the part at file {}, offset {} came, not the one at {}, {}",
                                      chunk.position.file, chunk.position.offset, expected.file,
                                      expected.offset));
  }
  if (crc32c(chunk.bytes) != chunk.crc) {
    return refuse(kRetry, fmt::format("the part at offset {} of file {} was damaged on its way",
                                      expected.offset, folder_->offer().files[expected.file].name));
  }
  if (Status written = folder_->write(chunk); !written) {
    return refuse(kFinal, written.error().message);
  }
  sender_->socket->out().append(
      encode_answer(SnapshotAnswer::kAck, {expected.file, expected.offset + chunk.bytes.size()}));
}

void SnapshotReceiver::Impl::end(uint32_t crc) {
  if (!folder_ || !folder_->complete()) {
    return refuse(kFinal, "the snapshot ended before all of it had come");
  }
  if (crc != folder_->crc()) {
    return refuse(kFinal, "the checksum of the whole snapshot does not fit its parts");
  }
  if (Status installed = verify_and_install(); !installed) {
    return refuse(kFinal, installed.error().message);
  }
  installed_ = folder_->offer().id;
  discard();
  sender_->socket->out().append(encode_installed());
}

Status SnapshotReceiver::Impl::verify_and_install() {
  if (Status synced = folder_->finish(); !synced) return synced;
  const raft::SnapshotMeta& meta = folder_->offer().meta;
  const auto state = options_.verify(path_);
  if (!state) return fail("the snapshot is damaged: {}", state.error().message);
  if (state->applied != meta.last) {
    return fail("the snapshot is at index {} of term {}, not at {} of {} as it was said to be",
                state->applied.index, state->applied.term, meta.last.index, meta.last.term);
  }
  if (state->stamp != meta.stamp || state->configuration != meta.configuration) {
    return fail("the snapshot holds another time or configuration than it was said to");
  }
  if (stopping_.load()) return fail("this node stops");
  return install_(path_, meta);
}

void SnapshotReceiver::Impl::refuse(std::string_view kind, const std::string& why) {
  std::unique_ptr<SnapshotSocket> socket = std::move(sender_->socket);
  sender_.reset();
  if (kind == kFinal) discard();
  leave(std::move(socket), fmt::format("{}{}", kind, why));
}

void SnapshotReceiver::Impl::leave(std::unique_ptr<SnapshotSocket> socket,
                                   const std::string& line) {
  socket->out().append(encode_error(line));
  if (leaving_.size() >= kLeavingMax) leaving_.erase(leaving_.begin());
  leaving_.push_back({std::move(socket), clock_.monotonic() + kFarewell});
  see_off();
}

void SnapshotReceiver::Impl::see_off() {
  std::erase_if(leaving_, [this](Leaving& leaving) {
    SnapshotSocket& socket = *leaving.socket;
    const bool had_line = socket.unsent();
    if (!socket.send()) return true;
    if (had_line && !socket.unsent()) socket.finish();
    const bool ended = !socket.receive();
    socket.discard();
    return ended || clock_.monotonic() >= leaving.until;
  });
}

void SnapshotReceiver::Impl::discard() {
  folder_.reset();
  SnapshotFolder::remove(path_);
}

SnapshotReceiver::SnapshotReceiver(std::string data_folder, Install install,
                                   SnapshotReceiverOptions options)
    : impl_(std::make_unique<Impl>(data_folder, std::move(install), std::move(options))) {}

SnapshotReceiver::~SnapshotReceiver() = default;

void SnapshotReceiver::receive(raft::NodeId from, net::Fd socket, std::string already_read) {
  impl_->receive(from, std::move(socket), std::move(already_read));
}

void SnapshotReceiver::stop() {
  impl_->stop();
}

}  // namespace kvorum::peer
