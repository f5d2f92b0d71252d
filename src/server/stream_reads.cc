#include "server/stream_reads.h"

#include <algorithm>
#include <string>

#include "server/client_loop.h"

namespace kvorum::server {

namespace {

// How much history is read in one turn for all that wait.
constexpr size_t kSliceBytes = 256 << 10;

// Far enough to be for ever, near enough to be added to any time.
constexpr std::chrono::milliseconds kTimeoutMax = std::chrono::hours(24 * 365 * 10);

}  // namespace

void StreamReads::start(ClientContext& client, HistoryScan scan,
                        std::unique_ptr<StreamQuestion> question) {
  add(client.session(), Job{client.defer(), std::move(scan), std::move(question)});
}

void StreamReads::start_blocking(ClientContext& client, HistoryScan scan,
                                 std::unique_ptr<ReadQuestion> question,
                                 std::optional<std::chrono::milliseconds> timeout) {
  ReadQuestion* const read = question.get();
  std::optional<Monotonic> deadline;
  if (timeout) deadline = loop_.now() + std::min(*timeout, kTimeoutMax);
  ++blocking_;
  loop_.update_listening();
  add(client.session(), Job{client.defer(), std::move(scan), std::move(question), read, deadline});
}

void StreamReads::add(Session& session, Job job) {
  jobs_.emplace(session.id, std::move(job));
  scanning_.push_back(session.id);
}

void StreamReads::finish_turn() {
  for (uint64_t session_id : std::exchange(ready_, {})) {
    auto found = jobs_.find(session_id);
    if (found != jobs_.end() && found->second.ready) answer(session_id);
  }
  size_t budget = kSliceBytes;
  for (size_t turns = scanning_.size(); turns > 0 && budget > 0; --turns) {
    const uint64_t session_id = scanning_.front();
    scanning_.pop_front();
    serve(session_id, budget);
  }
  if (!scanning_.empty()) events_.look_again();
}

void StreamReads::serve(uint64_t session_id, size_t& budget) {
  auto found = jobs_.find(session_id);
  if (found == jobs_.end() || found->second.blocked) return;
  Job& job = found->second;
  storage::View& view = reader_.view();
  // Who found nothing yet may as well have asked now.
  if (may_block(job)) job.scan.extend(view.applied_state().history.last);
  const HistoryScan::Stop stop = job.scan.advance(
      view, reader_.reader(), budget,
      [&](const command::HistoryEvent& event) { return job.question->take(event); });
  if (stop == HistoryScan::Stop::kCompacted) {
    const EventId floor = view.applied_state().history.floor;
    return refuse(session_id, fmt::format("COMPACTED oldest id is {}", floor));
  }
  if (stop == HistoryScan::Stop::kEnd && !may_block(job)) return answer(session_id);
  if (stop == HistoryScan::Stop::kEnd && feed_.position() <= job.scan.position()) {
    return block(session_id, job);
  }
  scanning_.push_back(session_id);
}

bool StreamReads::may_block(const Job& job) const {
  if (job.read == nullptr || job.read->found()) return false;
  return !job.deadline || *job.deadline > loop_.now();
}

void StreamReads::block(uint64_t session_id, Job& job) {
  job.blocked = true;
  ++blocked_;
  for (ReadName& name : job.read->names()) awaited_.subscribe(name);
  if (!job.deadline) return;
  deadlines_.emplace(*job.deadline, session_id);
  set_timer();
}

void StreamReads::passed(const command::HistoryEvent& event) {
  if (blocked_ == 0) return;
  awaited_.notify(event.key, [&](Subscription& subscription) {
    const uint64_t session_id = subscription.session->id;
    Job& job = jobs_.at(session_id);
    if (event.id <= job.scan.position()) return;
    job.read->take(static_cast<ReadName&>(subscription), event);
    if (job.read->found() && !std::exchange(job.ready, true)) ready_.push_back(session_id);
  });
}

// They look for themselves what is left.
void StreamReads::gap() {
  for (auto& [session_id, job] : jobs_) {
    if (!job.blocked || job.ready) continue;
    wake(session_id, job);
    scanning_.push_back(session_id);
  }
}

void StreamReads::wake(uint64_t session_id, Job& job) {
  job.blocked = false;
  --blocked_;
  for (ReadName& name : job.read->names()) awaited_.unsubscribe(name);
  if (job.deadline) deadlines_.erase({*job.deadline, session_id});
}

bool StreamReads::unblock(uint64_t session_id, Unblock how) {
  auto found = jobs_.find(session_id);
  if (found == jobs_.end() || found->second.read == nullptr) return false;
  if (how == Unblock::kError) {
    refuse(session_id, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
  } else {
    answer(session_id);
  }
  return true;
}

void StreamReads::stop_blocking(const Session& session) {
  auto found = jobs_.find(session.id);
  if (found == jobs_.end() || found->second.read == nullptr) return;
  if (found->second.blocked) return answer(session.id);
  found->second.deadline = loop_.now();
}

void StreamReads::answer(uint64_t session_id) {
  auto found = jobs_.find(session_id);
  if (found == jobs_.end()) return;
  const Job& job = found->second;
  std::string text;
  resp::ReplyWriter reply(text, job.deferred.protocol());
  job.question->answer(job.scan, reply);
  finish(session_id, std::move(text));
}

void StreamReads::refuse(uint64_t session_id, std::string_view error) {
  std::string text;
  resp::ReplyWriter(text, resp::Protocol::kResp2).error(error);
  finish(session_id, std::move(text));
}

void StreamReads::finish(uint64_t session_id, std::string reply) {
  const Deferred deferred = jobs_.at(session_id).deferred;
  remove(session_id);
  if (reply.starts_with('-')) loop_.stats().note_error(reply);
  deferred.complete(std::move(reply));
}

void StreamReads::remove(uint64_t session_id) {
  auto found = jobs_.find(session_id);
  if (found == jobs_.end()) return;
  if (found->second.blocked) wake(session_id, found->second);
  const bool blocking = found->second.read != nullptr;
  jobs_.erase(found);
  if (!blocking) return;
  --blocking_;
  loop_.update_listening();
}

void StreamReads::time_passed() {
  while (!deadlines_.empty() && deadlines_.begin()->first <= loop_.now()) {
    answer(deadlines_.begin()->second);
  }
  set_timer();
}

void StreamReads::set_timer() {
  if (deadlines_.empty()) return timer_.cancel();
  const Monotonic left = deadlines_.begin()->first - loop_.now();
  timer_.once(std::chrono::ceil<std::chrono::milliseconds>(std::max(left, Monotonic(0))));
}

}  // namespace kvorum::server
