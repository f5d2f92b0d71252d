#include "peer/snapshot_transfer.h"

#include <poll.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"
#include "peer/handshake.h"

namespace kvorum::peer {

namespace {

constexpr std::chrono::milliseconds kGreetingTimeout{5000};
// A slow transfer goes in smaller chunks, ten a second: it is never silent for long.
constexpr size_t kChunkBytesMin = 4096;
constexpr uint64_t kChunksPerSecond = 10;

std::string random_id() {
  std::array<uint64_t, 2> bits{};
  CHECK(getrandom(bits.data(), sizeof(bits), 0) == sizeof(bits), "getrandom failed");
  return fmt::format("{:016x}{:016x}", bits[0], bits[1]);
}

size_t chunk_bytes_at(uint64_t bytes_per_second) {
  if (bytes_per_second == 0) return kChunkBytesMax;
  return static_cast<size_t>(
      std::clamp<uint64_t>(bytes_per_second / kChunksPerSecond, kChunkBytesMin, kChunkBytesMax));
}

Monotonic time_for(size_t bytes, uint64_t bytes_per_second) {
  if (bytes_per_second == 0) return Monotonic(0);
  const double seconds = static_cast<double>(bytes) / static_cast<double>(bytes_per_second);
  return std::chrono::duration_cast<Monotonic>(std::chrono::duration<double>(seconds));
}

}  // namespace

SnapshotTransfer::SnapshotTransfer(CancellableWait& wait, const Identity& identity,
                                   const SnapshotSenderOptions& options, raft::NodeId to,
                                   std::string address, storage::BackupSource& source,
                                   raft::SnapshotMeta meta)
    : wait_(wait),
      identity_(identity),
      options_(options),
      to_(to),
      address_(std::move(address)),
      source_(source),
      offer_{std::move(meta), random_id(), source.files()},
      end_{offer_.files.size(), 0},
      chunk_bytes_(chunk_bytes_at(options.bytes_per_second)),
      marks_{Mark{normalized(offer_.files, {}), 0}} {}

Status SnapshotTransfer::run() {
  SnapshotPosition furthest = acknowledged();
  unsigned failures = 0;
  while (true) {
    const Outcome<void> outcome = attempt();
    socket_.reset();
    if (outcome) return ok();
    const Broken& broken = outcome.error();
    if (wait_.cancelled()) return fail("this node stops");
    if (broken.for_good) return fail("{}", broken.why);
    if (acknowledged() > furthest) {
      furthest = acknowledged();
      failures = 0;
    }
    if (++failures >= options_.attempts_max) {
      return fail("given up after {} attempts without progress: {}", failures, broken.why);
    }
    const auto backoff =
        std::min(options_.backoff_min * (1U << std::min(failures - 1, 16U)), options_.backoff_max);
    if (!wait_.sleep(wait_.now() + backoff)) return fail("this node stops");
  }
}

SnapshotTransfer::Outcome<void> SnapshotTransfer::attempt() {
  auto socket = connect(wait_, address_, wait_.now() + options_.connect_timeout);
  if (!socket) return tl::unexpected(Broken{socket.error().message});
  socket_.emplace(std::move(*socket), std::string(), kSnapshotAnswerLimits);
  if (auto greeted = greet(); !greeted) return greeted;
  auto installed = begin();
  if (!installed) return tl::unexpected(installed.error());
  if (*installed) return {};
  if (auto streamed = stream(); !streamed) return streamed;
  return end();
}

SnapshotTransfer::Outcome<void> SnapshotTransfer::greet() {
  socket_->out().append(encode(greeting_of(identity_, Purpose::kSnapshot, to_)));
  auto answer = next_frame(kGreetingTimeout);
  if (!answer) return tl::unexpected(answer.error());
  if (auto refusal = refusal_in(*answer, to_)) {
    return tl::unexpected(Broken{fmt::format("{} refuses: {}", address_, refusal->why), true});
  }
  return {};
}

SnapshotTransfer::Outcome<bool> SnapshotTransfer::begin() {
  socket_->out().append(encode_begin(offer_));
  // The receiver may still be at the end of an attempt of which this one knows only that it broke.
  auto answer = next_frame(options_.install_timeout);
  if (!answer) return tl::unexpected(answer.error());
  if (is_installed(*answer)) return true;
  const auto position = decode_answer(SnapshotAnswer::kResume, *answer);
  if (!position) return tl::unexpected(Broken{"the receiver does not say where to begin", true});
  if (auto went = go_on_at(*position); !went) return tl::unexpected(went.error());
  return false;
}

// The receiver can only be where a chunk ended, or at the beginning again when it was restarted.
SnapshotTransfer::Outcome<void> SnapshotTransfer::go_on_at(SnapshotPosition position) {
  position = normalized(offer_.files, position);
  const auto mark = std::ranges::find(marks_, position, &Mark::position);
  if (mark != marks_.end()) {
    marks_ = {*mark};
  } else if (position == normalized(offer_.files, {})) {
    marks_ = {Mark{position, 0}};
  } else {
    return tl::unexpected(Broken{"the receiver wants to go on where nothing was sent", true});
  }
  heard_ = wait_.now();
  return {};
}

SnapshotTransfer::Outcome<void> SnapshotTransfer::stream() {
  while (acknowledged() != end_) {
    if (auto taken = take_acknowledgements(); !taken) return taken;
    Monotonic until = heard_ + options_.silence_max;
    if (may_put_chunk()) {
      if (wait_.now() >= due_) {
        if (auto put = put_chunk(); !put) return put;
        // Only a look at the socket: the window may have room for more.
        until = wait_.now();
      } else {
        until = unacknowledged() == 0 ? due_ : std::min(until, due_);
      }
    }
    if (acknowledged() == end_) break;
    if (auto turned = turn(until); !turned) return turned;
    if (unacknowledged() != 0 && wait_.now() >= heard_ + options_.silence_max) {
      return tl::unexpected(Broken{"the receiver acknowledges nothing any more"});
    }
  }
  return {};
}

SnapshotTransfer::Outcome<void> SnapshotTransfer::end() {
  socket_->out().append(encode_end(marks_.front().crc));
  auto answer = next_frame(options_.install_timeout);
  if (!answer) return tl::unexpected(answer.error());
  if (!is_installed(*answer)) {
    return tl::unexpected(Broken{"the receiver does not say that it is done", true});
  }
  return {};
}

bool SnapshotTransfer::may_put_chunk() const {
  return unacknowledged() < kChunksUnacknowledgedMax && !socket_->unsent() &&
         marks_.back().position != end_;
}

SnapshotTransfer::Outcome<void> SnapshotTransfer::put_chunk() {
  const SnapshotPosition from = marks_.back().position;
  const auto& file = offer_.files[from.file];
  chunk_.resize(static_cast<size_t>(std::min<uint64_t>(chunk_bytes_, file.bytes - from.offset)));
  for (size_t filled = 0; filled < chunk_.size();) {
    const auto n = source_.read(from.file, from.offset + filled,
                                {chunk_.data() + filled, chunk_.size() - filled});
    if (!n) return tl::unexpected(Broken{n.error().message, true});
    if (*n == 0) {
      return tl::unexpected(Broken{fmt::format("{} ends before its size", file.name), true});
    }
    filled += *n;
  }
  append_chunk(socket_->out(), {from, crc32c(chunk_), chunk_});
  if (unacknowledged() == 0) heard_ = wait_.now();
  marks_.push_back({normalized(offer_.files, {from.file, from.offset + chunk_.size()}),
                    crc32c(chunk_, marks_.back().crc)});
  // What was missed by more than a chunk's time is not made up for.
  const Monotonic time = time_for(chunk_.size(), options_.bytes_per_second);
  due_ = std::max(due_, wait_.now() - time) + time;
  return {};
}

SnapshotTransfer::Outcome<void> SnapshotTransfer::take_acknowledgements() {
  while (true) {
    auto frame = received_frame();
    if (!frame) return tl::unexpected(frame.error());
    if (!*frame) return {};
    const auto position = decode_answer(SnapshotAnswer::kAck, **frame);
    if (!position || unacknowledged() == 0 ||
        normalized(offer_.files, *position) != marks_[1].position) {
      return tl::unexpected(Broken{"the receiver acknowledges what was not sent", true});
    }
    marks_.pop_front();
    heard_ = wait_.now();
  }
}

SnapshotTransfer::Outcome<void> SnapshotTransfer::turn(Monotonic until) {
  if (Status sent = socket_->send(); !sent) return tl::unexpected(ended(sent.error()));
  const short ready = wait_.poll(socket_->fd(), socket_->events(), until);
  if (wait_.cancelled()) return tl::unexpected(Broken{"this node stops", true});
  if ((ready & ~POLLOUT) != 0) {
    if (auto got = socket_->receive(); !got) return tl::unexpected(ended(got.error()));
  }
  return {};
}

SnapshotTransfer::Broken SnapshotTransfer::ended(const Error& error) {
  while (socket_->receive().value_or(false)) {
  }
  while (true) {
    auto frame = received_frame();
    if (!frame) return frame.error();
    if (!*frame) return {fmt::format("{}: {}", address_, error.message)};
  }
}

SnapshotTransfer::Outcome<Frame> SnapshotTransfer::next_frame(std::chrono::milliseconds timeout) {
  const Monotonic until = wait_.now() + timeout;
  while (true) {
    auto frame = received_frame();
    if (!frame) return tl::unexpected(frame.error());
    if (*frame) return std::move(**frame);
    if (wait_.now() >= until) {
      return tl::unexpected(Broken{fmt::format("{} did not answer in time", address_)});
    }
    if (auto turned = turn(until); !turned) return tl::unexpected(turned.error());
  }
}

// An error line is one of two kinds, but for a handshake's, which greet() judges.
SnapshotTransfer::Outcome<std::optional<Frame>> SnapshotTransfer::received_frame() {
  auto frame = socket_->next();
  if (!frame) {
    return tl::unexpected(Broken{fmt::format("{} sent {}", address_, frame.error().message), true});
  }
  if (!*frame || (*frame)->kind != Frame::Kind::kError) return std::move(*frame);
  const std::string_view line = (*frame)->words.front();
  if (line.starts_with(kRetry)) {
    return tl::unexpected(Broken{std::string(line.substr(kRetry.size()))});
  }
  if (line.starts_with(kFinal)) {
    return tl::unexpected(Broken{std::string(line.substr(kFinal.size())), true});
  }
  return std::move(*frame);
}

}  // namespace kvorum::peer
