#include "server/own_writes.h"

#include <utility>

namespace kvorum::server {

void OwnWrites::add(BatchOrigin origin, std::string data, uint64_t deadline_tick) {
  Batch batch;
  batch.origin = std::move(origin);
  batch.data = std::move(data);
  batch.deadline_tick = deadline_tick;
  batches_.push_back(std::move(batch));
}

void OwnWrites::offer(const Propose& propose, const Refuse& refuse, uint64_t tick) {
  for (auto batch = batches_.begin(); batch != batches_.end();) {
    if (batch->under_way || batch->handed_over != raft::Index()) {
      ++batch;
      continue;
    }
    const bool first_time = batch->sequence == 0;
    if (first_time) {
      batch->sequence = ++last_sequence_;
      command::identify(batch->data, {node_, session_, batch->sequence});
    }
    Offer outcome = propose(batch->data);
    if (outcome == Offer::kTaken) {
      batch->under_way = true;
      batch->sent_tick = tick;
      ++batch;
      continue;
    }
    if (!first_time) return;
    // It never left: its number is the next one's.
    --last_sequence_;
    batch->sequence = 0;
    command::take_identity(batch->data);
    if (outcome == Offer::kLater) return;
    refuse(batch->origin);
    batch = batches_.erase(batch);
  }
}

bool OwnWrites::overdue(uint64_t tick, uint64_t resend_ticks) const {
  if (batches_.empty()) return false;
  const Batch& first = batches_.front();
  return first.under_way && first.handed_over == raft::Index() &&
         tick - first.sent_tick >= resend_ticks;
}

void OwnWrites::lost() {
  for (Batch& batch : batches_) batch.under_way = false;
}

void OwnWrites::lost_from(uint64_t session, uint64_t sequence) {
  if (session != session_) return;
  for (Batch& batch : batches_) {
    if (batch.sequence >= sequence) batch.under_way = false;
  }
}

std::optional<BatchOrigin> OwnWrites::hand_over(const command::BatchIdentity& identity,
                                                raft::Index index) {
  if (identity.node != node_ || identity.session != session_) return std::nullopt;
  for (Batch& batch : batches_) {
    if (batch.sequence != identity.sequence) continue;
    batch.handed_over = index;
    if (batch.given_up) return std::nullopt;
    return batch.origin;
  }
  return std::nullopt;
}

void OwnWrites::executed(raft::Index applied, const storage::Proposer& own, const Refuse& unknown) {
  const uint64_t executed = own.session == session_ ? own.sequence : 0;
  std::erase_if(batches_, [&](Batch& batch) {
    const bool done = batch.sequence != 0 && batch.sequence <= executed;
    if (done && batch.handed_over == raft::Index() && !batch.given_up) unknown(batch.origin);
    // Its entry came too early and is spent: it is offered again.
    if (!done && batch.handed_over != raft::Index() && batch.handed_over <= applied) {
      batch.handed_over = {};
      batch.under_way = false;
    }
    return done;
  });
}

void OwnWrites::expire(uint64_t tick, const Refuse& refuse, const Refuse& unknown) {
  std::erase_if(batches_, [&](Batch& batch) {
    const bool late = batch.deadline_tick <= tick && batch.handed_over == raft::Index();
    if (!late || batch.given_up) return false;
    if (batch.sequence == 0) {
      refuse(batch.origin);
      return true;
    }
    unknown(batch.origin);
    batch.given_up = true;
    batch.origin = {};
    batch.data = command::BatchBuilder().take();
    command::identify(batch.data, {node_, session_, batch.sequence});
    return false;
  });
}

}  // namespace kvorum::server
