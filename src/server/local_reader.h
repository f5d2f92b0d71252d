// LocalReader: a client loop's own window on the store. Commands of one turn share a view as long
// as nothing newer was applied: a view older than what another client was already told would let a
// read go back in time.
#pragma once

#include <memory>

#include "base/clock.h"
#include "server/node_state.h"
#include "storage/store.h"

namespace kvorum::server {

class LocalReader {
 public:
  LocalReader(storage::Store& store, const NodeState& state, const Clock& clock)
      : reader_(store.new_reader()), state_(state), clock_(clock) {}

  // Everything applied so far. Valid until the next call or finish_turn().
  storage::View& view();
  const storage::Reader& reader() const { return *reader_; }
  // The view given last holds everything up to this revision, and may hold more.
  uint64_t revision() const { return view_revision_; }
  // The time by which a read of the view judges deadlines, at the moment `at`: never before what
  // writes have seen, and on a leader that holds its lease its own clock.
  UnixMillis now(Monotonic at) const;
  // Lets the view go: the engine need not keep old versions while the loop sleeps.
  void finish_turn();

 private:
  std::unique_ptr<storage::Reader> reader_;
  const NodeState& state_;
  const Clock& clock_;
  storage::View* view_ = nullptr;
  uint64_t view_index_ = 0;
  uint64_t view_revision_ = 0;
  // When the view was taken, on both clocks: from there on one of them is enough.
  Monotonic taken_{0};
  uint64_t taken_wall_us_ = 0;
};

}  // namespace kvorum::server
