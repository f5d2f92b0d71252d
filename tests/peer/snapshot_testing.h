// What the tests of snapshot transfers share: a source in memory, a receiver with a folder of its
// own, and a wire between a sender and a receiver that cuts and damages what it carries.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/crc32c.h"
#include "peer/snapshot_protocol.h"
#include "peer/snapshot_receiver.h"
#include "peer/snapshot_sender.h"
#include "tests/base/temp_folder.h"
#include "tests/peer/testing.h"

namespace kvorum::peer {

using Contents = std::map<std::string, std::string>;

inline storage::AppliedState test_state() {
  storage::AppliedState state;
  state.applied = {raft::Term(3), raft::Index(1000)};
  state.stamp = 1'700'000'000'000;
  state.configuration.voters = {raft::NodeId(1), raft::NodeId(2)};
  state.configuration.members = {{raft::NodeId(1), "a:1", ""}, {raft::NodeId(2), "b:2", ""}};
  return state;
}
inline raft::SnapshotMeta test_meta() {
  const storage::AppliedState state = test_state();
  return {state.applied, state.stamp, state.configuration};
}

// Files in memory.
class MemorySource final : public storage::BackupSource {
 public:
  explicit MemorySource(const Contents& contents) : state_(test_state()) {
    for (const auto& [name, bytes] : contents) {
      files_.push_back({name, bytes.size()});
      bytes_.push_back(bytes);
    }
  }
  const storage::AppliedState& applied_state() override { return state_; }
  const std::vector<File>& files() override { return files_; }
  Result<size_t> read(size_t file, uint64_t offset, std::span<char> into) override {
    if (broken) return fail("the disk can't be read");
    // Short reads are allowed.
    const size_t n = std::min({into.size(), bytes_[file].size() - offset, size_t{100'000}});
    std::copy_n(bytes_[file].data() + offset, n, into.data());
    return n;
  }

  bool broken = false;

 private:
  storage::AppliedState state_;
  std::vector<File> files_;
  std::vector<std::string> bytes_;
};

inline Contents read_folder(const std::string& folder) {
  Contents contents;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    contents[entry.path().filename()] = {std::istreambuf_iterator<char>(file), {}};
  }
  return contents;
}

// A node that takes snapshots.
class Target {
 public:
  explicit Target(std::chrono::milliseconds yield_after = std::chrono::seconds(10)) {
    SnapshotReceiverOptions options;
    options.yield_after = yield_after;
    options.verify = [this](const std::string&) { return verified; };
    receiver = std::make_unique<SnapshotReceiver>(
        folder.path(),
        [this](const std::string& from, const raft::SnapshotMeta& meta) {
          return install(from, meta);
        },
        options);
  }

  bool has_leftovers() const { return std::filesystem::exists(folder.path() + "/incoming"); }
  // A connection to it that speaks for itself, as node `from`.
  BareSocket dial(uint64_t from) {
    BoundSocket listener;
    listener.listen();
    BareSocket dialled(listener.port);
    receiver->receive(raft::NodeId(from), net::Fd(::accept(listener.fd.get(), nullptr, nullptr)),
                      "");
    return dialled;
  }

  TempFolder folder;
  Result<storage::AppliedState> verified = test_state();
  Status installs = ok();
  // What was installed: read once the sender knows of it.
  Contents contents;
  raft::SnapshotMeta meta;
  unsigned installed = 0;
  std::unique_ptr<SnapshotReceiver> receiver;

 private:
  Status install(const std::string& from, const raft::SnapshotMeta& what) {
    if (!installs) return installs;
    contents = read_folder(from);
    meta = what;
    std::filesystem::rename(from, folder.path() + "/store-" + std::to_string(++installed));
    return ok();
  }
};

// What happens to one connection.
struct Fate {
  uint64_t cut_after = UINT64_MAX;  // bytes from the sender
  std::string cut_at_answer = {};   // that contains this; the sender does not get it
  uint64_t damage_at = UINT64_MAX;  // a byte from the sender
};

// Accepts connections in place of a receiver's network, one after the other, and carries what is
// said to the receiver that is asked for.
class Wire {
 public:
  using Receive = std::function<void(net::Fd, std::string)>;

  Wire(Receive receive, std::vector<Fate> fates = {})
      : receive_(std::move(receive)), fates_(std::move(fates)) {
    listener_.listen();
    thread_ = std::thread([this] { run(); });
  }
  Wire(Target& target, std::vector<Fate> fates = {})
      : Wire(
            [&target](net::Fd socket, std::string already_read) {
              target.receiver->receive(raft::NodeId(1), std::move(socket), std::move(already_read));
            },
            std::move(fates)) {}
  ~Wire() {
    (void)eventfd_write(stop_.get(), 1);
    thread_.join();
  }

  std::string address() const { return listener_.address(); }
  unsigned connections() const { return connections_.load(); }
  // From the sender, after the handshakes.
  uint64_t bytes() const { return bytes_.load(); }
  void wait_bytes(uint64_t bytes) const {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (bytes_.load() < bytes && std::chrono::steady_clock::now() < until) {
      std::this_thread::yield();
    }
    ASSERT_GE(bytes_.load(), bytes);
  }

 private:
  // False when it is time to stop.
  bool wait(std::initializer_list<int> fds) {
    std::vector<pollfd> entries{{stop_.get(), POLLIN, 0}};
    for (const int fd : fds) entries.push_back({fd, POLLIN, 0});
    (void)poll(entries.data(), entries.size(), -1);
    ready_.clear();
    for (size_t i = 1; i < entries.size(); ++i) ready_.push_back(entries[i].revents != 0);
    return entries[0].revents == 0;
  }

  void run() {
    while (wait({listener_.fd.get()})) {
      const unsigned number = connections_.fetch_add(1);
      BareSocket near(listener_);
      const auto greeting = decode_greeting({Frame::Kind::kWords, near.words()});
      ASSERT_TRUE(greeting.has_value());
      near.put(welcome(greeting->to));
      std::array<int, 2> pair{};
      ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
      net::Fd far(pair[0]);
      receive_(net::Fd(pair[1]), "");
      carry(near.fd(), far.get(), number < fates_.size() ? fates_[number] : Fate{});
    }
  }

  void carry(int near, int far, const Fate& fate) {
    std::vector<char> buffer(65536);
    uint64_t carried = 0;
    while (wait({near, far})) {
      const bool out = ready_[0];
      const ssize_t n = recv(out ? near : far, buffer.data(), buffer.size(), 0);
      if (n <= 0) return;
      size_t size = static_cast<size_t>(n);
      const std::string_view text(buffer.data(), size);
      if (!out && !fate.cut_at_answer.empty() && text.find(fate.cut_at_answer) != text.npos) return;
      if (out) {
        const uint64_t damaged = fate.damage_at - carried;
        if (damaged < size) buffer[damaged] = static_cast<char>(buffer[damaged] ^ 0x40);
        size = std::min<uint64_t>(size, fate.cut_after - carried);
        carried += size;
        bytes_.fetch_add(size);
      }
      if (send(out ? far : near, buffer.data(), size, MSG_NOSIGNAL) <= 0) return;
      if (carried == fate.cut_after) return;
    }
    // Lets the next wait see it too.
    (void)eventfd_write(stop_.get(), 1);
  }

  const Receive receive_;
  const std::vector<Fate> fates_;
  BoundSocket listener_;
  net::Fd stop_{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  std::vector<bool> ready_;
  std::atomic<unsigned> connections_{0};
  std::atomic<uint64_t> bytes_{0};
  std::thread thread_;
};

// A transfer's end.
class Ending {
 public:
  SnapshotSender::Done done() {
    return [this](Status status) { promise_.set_value(std::move(status)); };
  }
  Status wait() {
    if (future_.wait_for(kPatience) != std::future_status::ready) return fail("still running");
    return future_.get();
  }
  std::string error() {
    const Status status = wait();
    return status ? "" : status.error().message;
  }
  bool over() const {
    return future_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }

 private:
  std::promise<Status> promise_;
  std::future<Status> future_ = promise_.get_future();
};

}  // namespace kvorum::peer
