#include "peer/network.h"

#include <pthread.h>

#include <algorithm>
#include <map>
#include <thread>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/mailbox.h"
#include "net/event_loop.h"
#include "net/listener.h"
#include "peer/codec.h"
#include "peer/incoming.h"
#include "peer/link.h"
#include "peer/surroundings.h"

namespace kvorum::peer {

namespace {

// Connections that are no link (yet). The oldest goes when there are more: who means well has
// greeted by then.
constexpr size_t kStrangersMax = 256;

// Messages to all peers wait in one mailbox before they wait on their links; the same entry, which
// is in memory once, counts for each.
constexpr size_t kUnsentOrders = 8;

// Up to this size a message is sent by whoever posts it while the loop sleeps: a lone client waits
// for it. What is larger comes from many, who have more to do for the poster meanwhile.
constexpr size_t kAtOnceBytesMax = 1024;

}  // namespace

class Network::Impl final : public Stage,
                            public IncomingOwner,
                            public std::enable_shared_from_this<Network::Impl> {
 public:
  struct SetMembers {
    std::vector<raft::Member> members;
  };
  struct Send {
    raft::NodeId to;
    Message message;
  };
  struct SendAll {
    Message message;
  };
  struct AnswerQuestion {
    uint64_t incoming = 0;
    bool ok = false;
    std::string text;
  };
  using Order = std::variant<SetMembers, Send, SendAll, AnswerQuestion>;

  Impl(Identity identity, NetworkOptions options, Handler& handler)
      : orders_(kUnsentOrders * options.unsent_bytes_max, loop_.waker()),
        around_{.loop = loop_,
                .identity = std::move(identity),
                .options = std::move(options),
                .handler = handler} {
    const auto now = static_cast<uint64_t>(SystemClock().monotonic().count());
    around_.random = around_.identity.node.value() ^ now;
    loop_.host(*this);
  }

  Status listen();
  void start();
  void stop();
  uint16_t port() const { return listeners_.empty() ? uint16_t{0} : listeners_.front()->port(); }

  void post(Order order) { orders_.post(std::move(order)); }
  // What is small goes out at once, when the loop has nothing else to do. False, with `order`
  // untouched, when it has to be posted.
  bool send_at_once(Send& order, size_t bytes);
  void try_post(Order order, size_t bytes) {
    // Dropped when there is too much already.
    (void)orders_.try_post(std::move(order), bytes);
  }

  bool drain() override;

  void joined(Incoming& incoming) override;
  void asked(Incoming& incoming, std::vector<std::string> words) override;
  void gone(Incoming& incoming) override;

 private:
  void carry_out(SetMembers& order);
  void carry_out(Send& order);
  void carry_out(SendAll& order);
  void carry_out(AnswerQuestion& order);
  void accept(net::Fd socket);
  void make_room_for_stranger();

  net::EventLoop loop_;
  Mailbox<Order> orders_;
  std::vector<Order> batch_;
  Surroundings around_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  std::map<raft::NodeId, Link> links_;
  // By age.
  std::map<uint64_t, std::unique_ptr<Incoming>> incoming_;
  uint64_t last_incoming_ = 0;
  // Of those, the two on which each node sends.
  std::map<std::pair<raft::NodeId, Purpose>, Incoming*> joined_;
  std::thread thread_;
};

// Its life

Status Network::Impl::listen() {
  if (around_.options.port == 0) return ok();
  for (std::string host : around_.options.bind) {
    // As for clients: an address with a minus before it need not exist.
    const bool optional = host.starts_with('-');
    if (optional) host.erase(0, 1);
    auto listener = net::Listener::open(
        loop_, net::Address{host, around_.options.port, {}},
        [this](net::Fd socket) { accept(std::move(socket)); },
        [this](const std::string& why) {
          around_.notes.say("accept", NoteSeverity::kWarning,
                            fmt::format("the peer port can't accept connections: {}", why));
        });
    if (listener) {
      listeners_.push_back(std::move(*listener));
    } else if (!optional) {
      return tl::unexpected(listener.error());
    } else {
      around_.handler.peer_note(NoteSeverity::kInfo, fmt::format("no peer port on {}: {}", host,
                                                                 listener.error().message));
    }
  }
  if (!listeners_.empty()) return ok();
  return fail("there is no address to bind the peer port {} to", around_.options.port);
}

void Network::Impl::start() {
  CHECK(!thread_.joinable());
  thread_ = std::thread([this] { loop_.run(); });
  pthread_setname_np(thread_.native_handle(), "peers");
}

void Network::Impl::stop() {
  if (!thread_.joinable()) return;
  loop_.stop();
  thread_.join();
  // Nothing is answered or accepted by a loop that does not run: others should notice at once.
  links_.clear();
  joined_.clear();
  incoming_.clear();
  listeners_.clear();
}

// Orders

bool Network::Impl::drain() {
  if (!orders_.drain(batch_)) return false;
  for (Order& order : batch_) {
    std::visit([this](auto& each) { carry_out(each); }, order);
  }
  batch_.clear();
  return true;
}

void Network::Impl::carry_out(SetMembers& order) {
  std::map<raft::NodeId, std::string> wanted;
  for (const raft::Member& member : order.members) {
    if (member.id != around_.identity.node) wanted[member.id] = member.peer_address;
  }
  std::erase_if(links_, [&](const auto& link) { return !wanted.contains(link.first); });
  for (const auto& [id, address] : wanted) {
    links_.try_emplace(id, around_, id).first->second.set_address(address);
  }
  std::erase_if(joined_, [&](const auto& joined) {
    std::string why = around_.handler.refusal_of(joined.first.first);
    if (why.empty()) return false;
    joined.second->refuse({"REMOVED", std::move(why)});
    return true;
  });
}

void Network::Impl::carry_out(Send& order) {
  const auto link = links_.find(order.to);
  if (link != links_.end()) link->second.send(std::move(order.message));
}

bool Network::Impl::send_at_once(Send& order, size_t bytes) {
  if (bytes > kAtOnceBytesMax || urgent_part(order.message)) return false;
  return loop_.borrow([&] {
    // What was posted before is carried out before.
    if (!orders_.empty()) return false;
    carry_out(order);
    return true;
  });
}

void Network::Impl::carry_out(SendAll& order) {
  if (links_.empty()) return;
  const auto frame = std::make_shared<const std::string>(encode(std::move(order.message)));
  for (auto& [id, link] : links_) link.send_broadcast(frame);
}

void Network::Impl::carry_out(AnswerQuestion& order) {
  const auto incoming = incoming_.find(order.incoming);
  if (incoming != incoming_.end()) incoming->second->answer(order.ok, order.text);
}

// Connections from others

void Network::Impl::accept(net::Fd socket) {
  make_room_for_stranger();
  const uint64_t id = ++last_incoming_;
  incoming_[id] = std::make_unique<Incoming>(id, around_, *this, std::move(socket));
}

void Network::Impl::make_room_for_stranger() {
  if (incoming_.size() - joined_.size() < kStrangersMax) return;
  const auto oldest = std::find_if(incoming_.begin(), incoming_.end(),
                                   [](const auto& each) { return !each.second->is_link(); });
  if (oldest != incoming_.end()) incoming_.erase(oldest);
}

void Network::Impl::joined(Incoming& incoming) {
  Incoming*& current = joined_[{incoming.from(), incoming.purpose()}];
  // The node has dialled again, whatever became of its old connection.
  if (current != nullptr) current->replaced(incoming.host());
  current = &incoming;
  const auto link = links_.find(incoming.from());
  if (link != links_.end()) link->second.hurry();
}

void Network::Impl::asked(Incoming& incoming, std::vector<std::string> words) {
  // The handler may take its time, longer than the network lives.
  auto answer = [weak = weak_from_this(), id = incoming.id()](bool ok, std::string text) {
    if (const auto impl = weak.lock()) impl->post(AnswerQuestion{id, ok, std::move(text)});
  };
  around_.handler.outsider_request(std::move(words), std::move(answer));
}

void Network::Impl::gone(Incoming& incoming) {
  const auto joined = joined_.find({incoming.from(), incoming.purpose()});
  if (joined != joined_.end() && joined->second == &incoming) joined_.erase(joined);
  incoming_.erase(incoming.id());
}

// Network

Result<std::unique_ptr<Network>> Network::open(Identity identity, NetworkOptions options,
                                               Handler& handler) {
  CHECK(identity.node != raft::kNoNode);
  auto impl = std::make_shared<Impl>(std::move(identity), std::move(options), handler);
  const auto listening = impl->listen();
  if (!listening) return tl::unexpected(listening.error());
  return std::unique_ptr<Network>(new Network(std::move(impl)));
}

Network::Network(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Network::~Network() {
  stop();
}

void Network::start() {
  impl_->start();
}
void Network::stop() {
  impl_->stop();
}
uint16_t Network::port() const {
  return impl_->port();
}

void Network::post_members(std::vector<raft::Member> members) {
  impl_->post(Impl::SetMembers{std::move(members)});
}

void Network::post_send(raft::NodeId to, Message message) {
  const size_t bytes = wire_bytes(message);
  Impl::Send order{to, std::move(message)};
  if (impl_->send_at_once(order, bytes)) return;
  impl_->try_post(std::move(order), bytes);
}

void Network::post_send_all(Message message) {
  const size_t bytes = wire_bytes(message);
  impl_->try_post(Impl::SendAll{std::move(message)}, bytes);
}

}  // namespace kvorum::peer
