// What the tests of src/peer share: a node that remembers what its network said, and a bare socket
// that plays a dialler or an acceptor of its own.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/fd.h"
#include "peer/codec.h"
#include "peer/handshake.h"
#include "peer/network.h"

namespace kvorum::peer {

inline constexpr std::string_view kCluster = "00112233445566778899aabbccddeeff";
inline constexpr std::chrono::seconds kPatience{20};

inline sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// Bound to a port of its own; it listens when it is told to.
class BoundSocket {
 public:
  BoundSocket() : fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port = ntohs(address.sin_port);
  }
  void listen() { EXPECT_EQ(::listen(fd.get(), 16), 0); }
  std::string address() const { return fmt::format("127.0.0.1:{}", port); }

  net::Fd fd;
  uint16_t port = 0;
};

// Free a moment ago; somebody else may be faster, so the caller tries again.
inline uint16_t free_port() {
  return BoundSocket().port;
}

// A blocking socket that speaks for itself.
class BareSocket {
 public:
  // Dials.
  explicit BareSocket(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    set_patience();
    sockaddr_in address = loopback(port);
    EXPECT_EQ(connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  // Accepts.
  explicit BareSocket(const BoundSocket& listener)
      : fd_(::accept4(listener.fd.get(), nullptr, nullptr, SOCK_CLOEXEC)) {
    set_patience();
  }

  void put(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      ASSERT_GT(n, 0);
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  // Up to the end of a line, without it; what came when the connection ended before.
  std::string line() {
    std::string result;
    char byte = 0;
    while (recv(fd_.get(), &byte, 1, 0) == 1 && byte != '\n') {
      if (byte != '\r') result.push_back(byte);
    }
    return result;
  }
  std::string take(size_t size) {
    std::string result(size, '\0');
    const ssize_t n = recv(fd_.get(), result.data(), size, MSG_WAITALL);
    result.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return result;
  }
  // Something can be read within a moment.
  bool has_input() {
    pollfd waiting{fd_.get(), POLLIN, 0};
    return poll(&waiting, 1, 10) == 1;
  }
  bool at_end() {
    char byte = 0;
    return recv(fd_.get(), &byte, 1, 0) <= 0;
  }
  // One frame of words.
  std::vector<std::string> words() {
    FrameReader reader({size_t{1} << 30, 100});
    std::string input;
    while (true) {
      auto frame = reader.next(input);
      EXPECT_TRUE(frame.has_value());
      if (!frame) return {};
      if (*frame) return (*frame)->words;
      char byte = 0;
      if (recv(fd_.get(), &byte, 1, 0) != 1) return {};
      input.push_back(byte);
    }
  }
  int fd() const { return fd_.get(); }
  void close() { fd_.reset(); }

 private:
  void set_patience() {
    timeval time{kPatience.count(), 0};
    EXPECT_EQ(setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)), 0);
    EXPECT_EQ(setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time)), 0);
  }

  net::Fd fd_;
};

struct Seen {
  std::vector<std::pair<uint64_t, Message>> messages;
  std::vector<uint64_t> linked;
  std::vector<std::pair<uint64_t, std::string>> refusals;
  std::vector<std::string> notes;
  std::vector<std::string> question;
  std::function<void(bool, std::string)> answer;
  std::optional<net::Fd> stream;
  std::string stream_head;
  // Refused as not a member any more.
  uint64_t removed = 0;

  bool noted(std::string_view part) const {
    for (const auto& note : notes) {
      if (note.find(part) != std::string::npos) return true;
    }
    return false;
  }
  size_t times_noted(std::string_view part) const {
    size_t times = 0;
    for (const auto& note : notes) times += note.find(part) != std::string::npos ? 1 : 0;
    return times;
  }
};

// A node as far as its network goes. Its port stays the same when it is stopped and started.
class TestNode final : public Handler {
 public:
  explicit TestNode(uint64_t id) : identity{raft::NodeId(id), std::string(kCluster), "secret"} {
    options.bind = {"127.0.0.1"};
    options.port = free_port();
    options.backoff_max = std::chrono::milliseconds(100);
  }
  // Its thread first, which calls this.
  ~TestNode() override { stop(); }

  void start() {
    for (int attempts = 0; attempts < 20 && network == nullptr; ++attempts) {
      auto opened = Network::open(identity, options, *this);
      if (opened) {
        network = std::move(*opened);
      } else if (!keeps_port_) {
        options.port = free_port();
      }
    }
    ASSERT_NE(network, nullptr);
    keeps_port_ = true;
    network->start();
  }
  void stop() { network.reset(); }

  std::string address() const { return fmt::format("127.0.0.1:{}", options.port); }
  raft::Member member() const { return {identity.node, address(), ""}; }
  void knows(const std::vector<raft::Member>& members) { network->post_members(members); }
  void send(uint64_t to, Message message) {
    network->post_send(raft::NodeId(to), std::move(message));
  }

  // False, and a failed test, when it does not come true.
  bool wait(const std::function<bool(const Seen&)>& condition) {
    std::unique_lock lock(mutex_);
    const bool came = changed_.wait_for(lock, kPatience, [&] { return condition(seen_); });
    EXPECT_TRUE(came);
    if (!came) {
      for (const auto& note : seen_.notes) ADD_FAILURE() << identity.node.value() << ": " << note;
    }
    return came;
  }
  bool wait_linked(uint64_t peer, size_t times = 1) {
    return wait([&](const Seen& seen) {
      return static_cast<size_t>(std::count(seen.linked.begin(), seen.linked.end(), peer)) >= times;
    });
  }
  bool wait_note(std::string_view part) {
    return wait([&](const Seen& seen) { return seen.noted(part); });
  }
  // The `n`-th message, counted from 1.
  Message message(size_t n) {
    wait([&](const Seen& seen) { return seen.messages.size() >= n; });
    std::lock_guard lock(mutex_);
    return seen_.messages.size() >= n ? seen_.messages[n - 1].second : Message{};
  }
  // Looks at, or changes, what was seen.
  template <class Function>
  auto with(Function function) {
    std::lock_guard lock(mutex_);
    return function(seen_);
  }

  void peer_message(raft::NodeId from, Message message) override {
    change([&](Seen& seen) { seen.messages.emplace_back(from.value(), std::move(message)); });
  }
  void peer_linked(raft::NodeId peer) override {
    if (when_linked) when_linked();
    change([&](Seen& seen) { seen.linked.push_back(peer.value()); });
  }
  void peer_refused_us(raft::NodeId peer, std::string why) override {
    change([&](Seen& seen) { seen.refusals.emplace_back(peer.value(), std::move(why)); });
  }
  void snapshot_stream(raft::NodeId, net::Fd socket, std::string already_read) override {
    change([&](Seen& seen) {
      seen.stream = std::move(socket);
      seen.stream_head = std::move(already_read);
    });
  }
  void outsider_request(std::vector<std::string> words,
                        std::function<void(bool, std::string)> answer) override {
    change([&](Seen& seen) {
      seen.question = std::move(words);
      seen.answer = std::move(answer);
    });
  }
  std::string refusal_of(raft::NodeId from) override {
    std::lock_guard lock(mutex_);
    return from.value() == seen_.removed ? "node was removed from this cluster" : "";
  }
  void peer_note(NoteSeverity, std::string text) override {
    change([&](Seen& seen) { seen.notes.push_back(std::move(text)); });
  }

  Identity identity;
  NetworkOptions options;
  std::unique_ptr<Network> network;
  // Called on the network's thread.
  std::function<void()> when_linked;

 private:
  template <class Function>
  void change(Function function) {
    {
      std::lock_guard lock(mutex_);
      function(seen_);
    }
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  Seen seen_;
  bool keeps_port_ = false;
};

// The two connections on which a real node sends to the one played here. They have greeted and wait
// for their welcome.
struct BareLink {
  explicit BareLink(const BoundSocket& listener) : quick(listener), bulk(listener) {
    const std::string first = purpose_of(quick.words());
    const std::string second = purpose_of(bulk.words());
    if (first == "bulk") std::swap(quick, bulk);
    EXPECT_NE(first, second);
  }
  void welcome_as(uint64_t node) {
    quick.put(welcome(raft::NodeId(node)));
    bulk.put(welcome(raft::NodeId(node)));
  }
  static std::string purpose_of(const std::vector<std::string>& greeting) {
    return greeting.size() > 2 ? greeting[2] : "none";
  }

  BareSocket quick;
  BareSocket bulk;
};

// Node 2 as bare sockets: `dialler` is started, dials it, and is welcome.
struct BareMember {
  explicit BareMember(TestNode& dialler) : link(dialled_by(dialler)) { link.welcome_as(2); }
  BoundSocket& dialled_by(TestNode& dialler) {
    listener.listen();
    dialler.start();
    dialler.knows({{raft::NodeId(2), listener.address(), ""}});
    return listener;
  }

  BoundSocket listener;
  BareLink link;
};

// Two nodes that know each other and are linked both ways.
inline void link_both(TestNode& a, TestNode& b) {
  for (TestNode* node : {&a, &b}) {
    if (node->network == nullptr) node->start();
  }
  a.knows({a.member(), b.member()});
  b.knows({a.member(), b.member()});
  ASSERT_TRUE(a.wait_linked(b.identity.node.value()));
  ASSERT_TRUE(b.wait_linked(a.identity.node.value()));
}

inline Message numbered(uint64_t n) {
  return BatchRefused{n, n};
}
inline uint64_t number_of(const Message& message) {
  const auto* refused = std::get_if<BatchRefused>(&message);
  return refused != nullptr ? refused->session : 0;
}

inline std::string pattern(size_t size) {
  std::string result(size, '\0');
  uint32_t state = 1;
  for (char& c : result) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return result;
}

inline raft::EntryPtr make_entry(uint64_t term, uint64_t index, std::string data,
                                 raft::EntryKind kind = raft::EntryKind::kCommands) {
  auto entry = std::make_shared<raft::Entry>();
  entry->id = {raft::Term(term), raft::Index(index)};
  entry->kind = kind;
  entry->stamp = 1'700'000'000'000 + index;
  entry->data = std::move(data);
  return entry;
}

inline raft::Envelope envelope(uint64_t from, uint64_t to, raft::Message message,
                               uint64_t term = 7) {
  return {raft::NodeId(from), raft::NodeId(to), raft::Term(term), std::move(message)};
}

}  // namespace kvorum::peer
