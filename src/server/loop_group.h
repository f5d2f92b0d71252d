// LoopGroup: the client loops of a node, as the stages and the commands that concern all of them
// see them.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/fd.h"
#include "server/client_loop.h"
#include "server/stage_messages.h"

namespace kvorum::server {

class LoopGroup final : public ClientGateway {
 public:
  // Made empty because the stages that loops post to need it first.
  void add(std::unique_ptr<ClientLoop> loop) { loops_.push_back(std::move(loop)); }
  void start();
  void stop();

  size_t size() const { return loops_.size(); }
  ClientLoop& loop(size_t number) { return *loops_[number]; }

  // Where the connection with this CLIENT ID is, if there is one.
  ClientLoop& loop_of(uint64_t session_id) { return *loops_[session_id % loops_.size()]; }

  // A client connected. Any thread; loops take turns.
  // Connections are numbered (CLIENT ID) in the order of these calls.
  void accept(net::Fd socket);

  // Connections open on all loops.
  std::atomic<uint64_t>& clients() { return clients_; }

  // Runs `task` on every loop's thread.
  void post_all(const ClientLoop::Task& task);

  // Runs `ask` on every loop, then `finish` with all answers, in the order of the loops, on the
  // loop that asked. With one loop all of it happens before the call returns.
  template <class Answer>
  void gather(ClientLoop& asker, std::function<Answer(ClientLoop&)> ask,
              std::function<void(std::vector<Answer>)> finish);

  void batch_done(uint32_t loop, BatchOutcome outcome) override;
  void batch_executed(uint32_t loop, uint64_t batch,
                      const std::vector<command::ReachedRevision>& reached) override;
  void events(std::shared_ptr<const LiveEvents> events) override;
  void read_granted(uint32_t loop, uint64_t context, bool granted, raft::Index index) override;
  void applied_moved(raft::Index index) override;
  void events_skipped() override;
  void published(std::string channel, std::string message, bool shard) override;
  void slow(SlowNote note) override;

 private:
  std::vector<std::unique_ptr<ClientLoop>> loops_;
  std::atomic<uint64_t> clients_{0};
  std::atomic<uint64_t> next_session_id_{1};
  std::atomic<size_t> notes_queued_{0};
};

template <class Answer>
void LoopGroup::gather(ClientLoop& asker, std::function<Answer(ClientLoop&)> ask,
                       std::function<void(std::vector<Answer>)> finish) {
  if (loops_.size() == 1) {
    std::vector<Answer> answers;
    answers.push_back(ask(asker));
    return finish(std::move(answers));
  }
  struct Gathering {
    std::vector<Answer> answers;
    std::atomic<size_t> missing;
  };
  auto gathering = std::make_shared<Gathering>();
  gathering->answers.resize(loops_.size());
  gathering->missing = loops_.size();
  post_all([gathering, ask, finish, &asker](ClientLoop& loop) {
    gathering->answers[loop.number()] = ask(loop);
    if (gathering->missing.fetch_sub(1) > 1) return;
    asker.post_task([gathering, finish](ClientLoop&) { finish(std::move(gathering->answers)); });
  });
}

}  // namespace kvorum::server
