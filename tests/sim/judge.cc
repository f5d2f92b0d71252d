#include "tests/sim/judge.h"

#include <algorithm>

namespace kvorum::sim {

void Judge::leads(raft::NodeId node, raft::Term term) {
  auto [leader, fresh] = leaders_.emplace(term, node);
  if (fresh) world_.trace("n{} leads term {}", node, term);
  if (leader->second != node) {
    world_.violated("n{} and n{} both lead term {}", leader->second, node, term);
  }
}

void Judge::applied(raft::NodeId node, const storage::AppliedState& state, uint64_t hash) {
  const raft::EntryId applied = state.applied;
  reached(applied.index);
  world_.trace("n{} stands at {}", node, applied.index);
  // Who joined and was fed from the beginning of the log learns it from an entry.
  std::string configuration;
  if (!state.configuration.voters.empty()) configuration = raft::encode(state.configuration);
  auto [known, fresh] =
      states_.emplace(applied.index.value(), State{applied.term, hash, node, configuration});
  if (fresh) return;
  if (known->second.term != applied.term) {
    world_.violated("n{} applied an entry of term {} at {}, n{} one of term {}", node, applied.term,
                    applied.index, known->second.node, known->second.term);
  }
  if (known->second.configuration.empty()) known->second.configuration = configuration;
  const bool other_configuration =
      !configuration.empty() && configuration != known->second.configuration;
  if (known->second.hash != hash || other_configuration) {
    world_.violated("n{} and n{} differ at index {}", node, known->second.node, applied.index);
  }
}

void Judge::events(raft::NodeId node, EventId& seen, const command::EventBatch& events) {
  for (const command::HistoryEvent& event : events) {
    const bool next =
        seen.change != kUnknownChange && event.id == EventId{seen.revision, seen.change + 1};
    const bool next_revision = event.id == EventId{seen.revision + 1, 0};
    if (!next && !next_revision) {
      world_.violated("n{} tells of event {} after {}", node, event.id, seen);
    }
    if (next_revision) {
      // The first to go on knows how many changes there were.
      if (seen.change != kUnknownChange) {
        auto [last, fresh] = last_changes_.emplace(seen.revision, seen.change);
        if (!fresh && last->second != seen.change) {
          world_.violated("n{} tells of {} changes in revision {}", node, seen.change + 1,
                          seen.revision);
        }
      }
    }
    const size_t said = std::hash<std::string>()(
        fmt::format("{} {} {}", event.kind->name, event.key, event.value.value_or("-")));
    auto [known, fresh] = events_.emplace(event.id, said);
    if (!fresh && known->second != said) {
      world_.violated("n{} tells something else of event {}", node, event.id);
    }
    seen = event.id;
  }
}

void Judge::follows(EventId id, EventId position, size_t watcher) {
  auto next = events_.upper_bound(position);
  if (next == events_.end() || next->first >= id) return;
  world_.violated("watcher {}, which knew of changes up to {}, was not told of {}", watcher,
                  position, next->first);
}

}  // namespace kvorum::sim
