#include "server/own_writes.h"

#include <utility>

#include "base/splitmix64.h"

namespace kvorum::server {

namespace {

// A replayed log shows older sessions, one after the other: stepping by chance keeps a new one from
// meeting one that is still to come.
constexpr uint64_t kSessionChance = uint64_t{1} << 24;

}  // namespace

void OwnWrites::add(BatchOrigin origin, std::string data, uint64_t deadline_tick) {
  Batch batch;
  batch.origin = std::move(origin);
  batch.data = std::move(data);
  batch.deadline_tick = deadline_tick;
  batches_.push_back(std::move(batch));
}

void OwnWrites::offer(const Propose& propose, const Refuse& refuse, uint64_t tick) {
  if (fencing_) {
    if (!fence_under_way_ && offer_fence(propose) == Offer::kTaken) {
      fence_under_way_ = true;
      fence_sent_tick_ = tick;
    }
    return;
  }
  for (auto batch = batches_.begin(); batch != batches_.end();) {
    if (batch->under_way || batch->handed_over != raft::Index()) {
      ++batch;
      continue;
    }
    const bool first_time = batch->session == 0;
    if (first_time) {
      batch->session = session_;
      batch->sequence = ++last_sequence_;
      command::identify(batch->data, {node_, batch->session, batch->sequence});
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
    batch->session = batch->sequence = 0;
    command::take_identity(batch->data);
    if (outcome == Offer::kLater) return;
    refuse(batch->origin);
    batch = batches_.erase(batch);
  }
}

Offer OwnWrites::offer_fence(const Propose& propose) {
  std::string fence = command::BatchBuilder().take();
  command::identify(fence, {node_, session_, 1});
  return propose(fence);
}

bool OwnWrites::overdue(uint64_t tick, uint64_t resend_ticks) const {
  if (batches_.empty()) return false;
  if (fencing_) return fence_under_way_ && tick - fence_sent_tick_ >= resend_ticks;
  const Batch& first = batches_.front();
  return first.under_way && first.handed_over == raft::Index() &&
         tick - first.sent_tick >= resend_ticks;
}

void OwnWrites::lost() {
  fence_under_way_ = false;
  for (Batch& batch : batches_) batch.under_way = false;
}

void OwnWrites::lost_from(uint64_t session, uint64_t sequence) {
  if (fencing_ && session == session_) fence_under_way_ = false;
  for (Batch& batch : batches_) {
    if (batch.session == session && batch.sequence >= sequence) batch.under_way = false;
  }
}

std::optional<BatchOrigin> OwnWrites::hand_over(const command::BatchIdentity& identity,
                                                raft::Index index) {
  if (identity.node != node_) return std::nullopt;
  for (Batch& batch : batches_) {
    if (batch.session != identity.session || batch.sequence != identity.sequence) continue;
    batch.handed_over = index;
    if (batch.given_up) return std::nullopt;
    return batch.origin;
  }
  return std::nullopt;
}

void OwnWrites::executed(raft::Index applied, const storage::Proposer& own, const Refuse& unknown) {
  std::erase_if(batches_, [&](Batch& batch) {
    const bool done =
        batch.session != 0 && batch.session == own.session && batch.sequence <= own.sequence;
    if (done && batch.handed_over == raft::Index() && !batch.given_up) unknown(batch.origin);
    // Its entry came too early and is spent: it is offered again.
    if (!done && batch.handed_over != raft::Index() && batch.handed_over <= applied) {
      batch.handed_over = {};
      batch.under_way = false;
    }
    return done;
  });
  if (own.session > session_) {
    // This node's clock was set back between two starts: it begins above what is remembered.
    session_ = own.session;
    begin_session();
  } else if (fencing_ && own.session == session_) {
    fencing_ = false;
    last_sequence_ = own.sequence;
    forget_old_session();
  }
}

// The fence was executed, so what is left of the old session never was and never will be: not
// even by an entry that is about to be.
void OwnWrites::forget_old_session() {
  for (Batch& batch : batches_) {
    if (!frozen(batch)) continue;
    batch.handed_over = {};
    batch.session = batch.sequence = 0;
    batch.under_way = false;
    command::take_identity(batch.data);
  }
}

void OwnWrites::begin_session() {
  session_ += 1 + splitmix64(random_) % kSessionChance;
  last_sequence_ = 1;
  fencing_ = true;
  fence_under_way_ = false;
}

void OwnWrites::expire(uint64_t tick, const Refuse& refuse, const Refuse& unknown) {
  std::erase_if(batches_, [&](Batch& batch) {
    const bool late = batch.deadline_tick <= tick && batch.handed_over == raft::Index();
    if (!late || batch.given_up) return false;
    if (batch.session == 0) {
      refuse(batch.origin);
      return true;
    }
    unknown(batch.origin);
    batch.given_up = true;
    batch.origin = {};
    batch.data = command::BatchBuilder().take();
    command::identify(batch.data, {node_, batch.session, batch.sequence});
    return false;
  });
}

}  // namespace kvorum::server
