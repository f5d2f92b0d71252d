#include "server/slow_writes.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "command/batch.h"

namespace kvorum::server {

namespace {

// More than SLOWLOG usually keeps.
constexpr size_t kNotesMax = 1024;

struct Call {
  size_t item = 0;
  std::vector<std::string_view> args;

  size_t bytes() const {
    size_t bytes = 0;
    for (std::string_view arg : args) bytes += arg.size();
    return bytes;
  }
};

std::vector<Call> calls_of(const raft::Entry& entry) {
  std::vector<Call> calls;
  command::BatchReader reader(entry.data);
  command::BatchItem item;
  for (size_t i = 0; reader.next(item); ++i) {
    if (auto* one = std::get_if<command::BatchCommand>(&item)) {
      calls.push_back({i, one->args});
    } else if (auto* several = std::get_if<command::BatchTransaction>(&item)) {
      for (auto& args : several->commands) calls.push_back({i, std::move(args)});
    }
  }
  return calls;
}

}  // namespace

std::vector<SlowWrite> slow_writes(const raft::Entry& entry, const command::CommandTable& table,
                                   UnixMillis at, Monotonic elapsed, Monotonic threshold) {
  if (entry.kind != raft::EntryKind::kCommands) return {};
  std::vector<Call> calls = calls_of(entry);
  if (calls.empty()) return {};
  const Monotonic average = elapsed / calls.size();
  std::vector<SlowWrite> writes;
  auto note = [&](const Call& call, Monotonic took) {
    const command::CommandSpec* spec = table.find(call.args);
    if (spec == nullptr) return;
    writes.push_back({call.item, slow_command(*spec, call.args, at, took, {}, {})});
  };
  if (average < threshold) {
    note(*std::ranges::max_element(calls, {}, &Call::bytes), elapsed);
    return writes;
  }
  size_t first = calls.size() - std::min(calls.size(), kNotesMax);
  for (size_t i = first; i < calls.size(); ++i) note(calls[i], average);
  return writes;
}

}  // namespace kvorum::server
