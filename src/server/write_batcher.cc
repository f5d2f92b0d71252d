#include "server/write_batcher.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "server/raft_stage.h"

namespace kvorum::server {

WriteBatcher::WriteBatcher(uint32_t loop, RaftStage& raft, size_t entry_bytes_max,
                           size_t in_flight_bytes_max, uint64_t value_bytes_max)
    : loop_(loop),
      raft_(raft),
      entry_bytes_max_(entry_bytes_max),
      in_flight_bytes_max_(in_flight_bytes_max),
      building_(value_bytes_max) {}

void WriteBatcher::add(const WriteTarget& target, resp::Protocol protocol, command::Args args) {
  building_.add(args);
  note(target, protocol);
}

void WriteBatcher::add_transaction(const WriteTarget& target, resp::Protocol protocol,
                                   std::span<const command::Watched> watches,
                                   std::span<const std::vector<std::string>> commands) {
  building_.add_transaction(watches, commands);
  note(target, protocol);
}

void WriteBatcher::note(const WriteTarget& target, resp::Protocol protocol) {
  targets_.push_back(target);
  protocols_.push_back(protocol);
  any_resp3_ |= protocol == resp::Protocol::kResp3;
  if (building_.bytes() >= entry_bytes_max_) flush();
}

void WriteBatcher::flush() {
  if (building_.empty()) return;
  BatchOrigin origin{loop_, first_sent_ + sent_.size(), {}};
  if (any_resp3_) origin.protocols = protocols_;
  std::string data = building_.take();
  in_flight_bytes_ += data.size();
  sent_.push_back({std::exchange(targets_, {}), data.size(), false, {}});
  targets_.reserve(sent_.back().targets.size());
  protocols_.clear();
  any_resp3_ = false;
  raft_.post_propose(std::move(origin), std::move(data));
}

const WriteTarget& WriteBatcher::target(uint64_t batch, size_t item) const {
  CHECK(batch >= first_sent_ && batch - first_sent_ < sent_.size(), "batch {} is not under way",
        batch);
  return sent_[batch - first_sent_].targets.at(item);
}

void WriteBatcher::complete(BatchOutcome outcome, const Deliver& deliver) {
  CHECK(outcome.batch >= first_sent_ && outcome.batch - first_sent_ < sent_.size(),
        "outcome of batch {}, which is not under way", outcome.batch);
  SentBatch& batch = sent_[outcome.batch - first_sent_];
  CHECK(!batch.answered, "batch {} has two outcomes", outcome.batch);
  batch.answered = true;
  batch.outcome = std::move(outcome);
  while (!sent_.empty() && sent_.front().answered) {
    SentBatch done = std::move(sent_.front());
    sent_.pop_front();
    ++first_sent_;
    in_flight_bytes_ -= done.bytes;
    deliver_all(done, deliver);
  }
}

void WriteBatcher::deliver_all(const SentBatch& batch, const Deliver& deliver) {
  const BatchOutcome& outcome = batch.outcome;
  if (!outcome.error.empty()) {
    std::string text = "-" + outcome.error + "\r\n";
    for (size_t i = 0; i < batch.targets.size(); ++i) {
      WriteReply reply;
      reply.bytes = text;
      reply.failed = true;
      reply.write = {outcome.batch, i};
      deliver(batch.targets[i], reply);
    }
    return;
  }
  const command::ReplyBuffer& replies = outcome.replies;
  CHECK(replies.ends.size() == batch.targets.size(), "{} replies for {} writes",
        replies.ends.size(), batch.targets.size());
  Monotonic share = outcome.elapsed / std::max<size_t>(batch.targets.size(), 1);
  size_t begin = 0;
  size_t element = 0;
  for (size_t i = 0; i < batch.targets.size(); ++i) {
    size_t end = replies.ends[i];
    WriteReply reply;
    reply.bytes = std::string_view(replies.bytes).substr(begin, end - begin);
    reply.elapsed = share;
    reply.write = {outcome.batch, i};
    if (!replies.reached.empty()) reply.reached = replies.reached[i];
    for (; element < replies.element_ends.size() && replies.element_ends[element] <= end;
         ++element) {
      reply.element_ends.push_back(replies.element_ends[element] - begin);
      reply.element_changes.push_back(replies.element_changes[element]);
    }
    deliver(batch.targets[i], reply);
    begin = end;
  }
}

}  // namespace kvorum::server
