#include "peer/snapshot_sender.h"

#include <utility>
#include <vector>

#include "base/mailbox.h"
#include "base/stage_thread.h"
#include "peer/snapshot_transfer.h"

namespace kvorum::peer {

class SnapshotSender::Impl final : public Stage {
 public:
  Impl(Identity identity, SnapshotSenderOptions options)
      : identity_(std::move(identity)), options_(options) {
    thread_.host(*this);
    thread_.start();
  }
  ~Impl() override { stop(); }

  void send(raft::NodeId to, std::string address, std::unique_ptr<storage::BackupSource> files,
            raft::SnapshotMeta meta, Done done) {
    mailbox_.post({to, std::move(address), std::move(files), std::move(meta), std::move(done)});
    // The thread may have ended before it saw this.
    if (wait_.cancelled()) fail_all();
  }

  void stop() {
    wait_.cancel();
    thread_.stop();
    fail_all();
  }

  bool drain() override {
    if (!mailbox_.drain(inbox_)) return false;
    for (Order& order : inbox_) carry_out(order);
    inbox_.clear();
    return true;
  }

 private:
  struct Order {
    raft::NodeId to;
    std::string address;
    std::unique_ptr<storage::BackupSource> files;
    raft::SnapshotMeta meta;
    Done done;
  };

  void carry_out(Order& order) {
    Status sent = fail("this node stops");
    if (!wait_.cancelled()) {
      sent = SnapshotTransfer(wait_, identity_, options_, order.to, std::move(order.address),
                              *order.files, std::move(order.meta))
                 .run();
    }
    order.files.reset();
    order.done(std::move(sent));
  }

  // What nobody else has taken.
  void fail_all() {
    std::vector<Order> orders;
    mailbox_.drain(orders);
    for (Order& order : orders) carry_out(order);
  }

  const Identity identity_;
  const SnapshotSenderOptions options_;
  CancellableWait wait_;
  StageThread thread_{"snapshot-out", StageThread::Pace::kYielding};
  Mailbox<Order> mailbox_{size_t{1} << 20, thread_.waker()};
  std::vector<Order> inbox_;
};

SnapshotSender::SnapshotSender(Identity identity, SnapshotSenderOptions options)
    : impl_(std::make_unique<Impl>(std::move(identity), options)) {}

SnapshotSender::~SnapshotSender() = default;

void SnapshotSender::send(raft::NodeId to, std::string address,
                          std::unique_ptr<storage::BackupSource> files, raft::SnapshotMeta meta,
                          Done done) {
  impl_->send(to, std::move(address), std::move(files), std::move(meta), std::move(done));
}

void SnapshotSender::stop() {
  impl_->stop();
}

}  // namespace kvorum::peer
