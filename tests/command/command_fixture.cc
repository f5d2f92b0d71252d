#include "command_fixture.h"

#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "memory_store.h"
#include "resp/reply_parser.h"

namespace kvorum::command::testing {

const CommandTable& test_table() {
  static const CommandTable* table = [] {
    auto* made = new CommandTable;
    made->add(string_commands());
    made->add(key_commands());
    return made;
  }();
  return *table;
}

std::string readable(std::string_view reply) {
  resp::ReplyParser parser;
  parser.feed(reply);
  auto value = parser.next();
  if (!value || !*value || parser.buffered() != 0) return "(malformed) " + std::string(reply);
  return resp::to_string(**value);
}

Words words(std::string_view line) {
  std::istringstream in{std::string(line)};
  Words list;
  for (std::string word; in >> word;) list.push_back(word);
  return list;
}

std::string worded(const HistoryEvent& event) {
  std::string text = fmt::format("{} {} {}", event.kind->name, event.id, event.key);
  if (event.value) text += fmt::format("={}", *event.value);
  return text;
}

CommandRunner::CommandRunner(storage::Store& store)
    : store_(store),
      reader_(store.new_reader()),
      writer_(store.new_writer()),
      executor_(test_table()),
      index_(store.applied_state().applied.index.value()) {}

std::string CommandRunner::run(const Words& args) {
  return readable(raw(args));
}

std::string CommandRunner::raw(const Words& args) {
  const std::vector<std::string_view> views(args.begin(), args.end());
  std::string out;
  resp::ReplyWriter reply(out, protocol);
  const CommandSpec* spec = test_table().find(views);
  const std::string refusal = test_table().refusal(spec, views);
  if (!refusal.empty()) {
    reply.error(refusal);
    return out;
  }
  events_.clear();
  if (!admissible(*spec, views, limits, reply)) return out;
  if (const auto* read = std::get_if<Read>(&spec->handler)) {
    Keyspace keys(reader_->begin(), now, random);
    read->run(keys, views, reply);
    reader_->end();
    return out;
  }
  BatchBuilder batch(limits.value_bytes_max);
  batch.add(views);
  return apply(batch.take()).front();
}

std::string CommandRunner::exec(const std::vector<Words>& commands,
                                const std::vector<Watched>& watches) {
  BatchBuilder batch(limits.value_bytes_max);
  batch.add_transaction(watches, commands);
  return readable(apply(batch.take()).front());
}

std::string CommandRunner::expire_due(uint64_t most) {
  BatchBuilder batch(limits.value_bytes_max);
  batch.add_expire_due(most);
  return apply(batch.take()).front();
}

void CommandRunner::keep_history(uint64_t max_bytes, uint64_t max_age_ms) {
  BatchBuilder batch(limits.value_bytes_max);
  batch.add_history_policy(max_bytes, max_age_ms);
  apply(batch.take());
}

std::vector<std::string> CommandRunner::apply(std::string batch) {
  raft::Entry entry;
  entry.id = {raft::Term(1), raft::Index(++index_)};
  entry.kind = raft::EntryKind::kCommands;
  entry.stamp = now;
  entry.data = std::move(batch);
  const std::vector<resp::Protocol> protocols(BatchReader(entry.data).items(), protocol);
  ReplyBuffer replies;
  events_.clear();
  parts = 0;
  for (Executed executed = Executed::kFailed; executed != Executed::kDone;) {
    const size_t events_before = events_.size();
    const ReplyBuffer::Mark replies_before = replies.mark();
    storage::Transaction& transaction = writer_->begin();
    executed = executor_.execute(entry, transaction, want_events ? &events_ : nullptr, protocols,
                                 &replies);
    if (executed == Executed::kFailed) {
      transaction.rollback();
    } else if (transaction.commit()) {
      ++parts;
      continue;
    }
    executed = Executed::kFailed;
    ++retries;
    events_.cut(events_before);
    replies.cut(replies_before);
  }
  std::vector<std::string> list;
  for (size_t i = 0; i < replies.items(); ++i) list.emplace_back(replies.reply(i));
  return list;
}

std::vector<std::string> CommandRunner::events() const {
  std::vector<std::string> list;
  for (const HistoryEvent& event : events_) list.push_back(worded(event));
  return list;
}

std::vector<std::string> CommandRunner::history() {
  std::vector<std::string> list;
  storage::View& view = reader_->begin();
  const EventId floor = view.applied_state().history.floor;
  view.for_each_history(floor, [&](EventId first, std::string_view row) {
    HistoryRowReader rows(first, row);
    HistoryEvent event;
    while (rows.next(event)) {
      if (event.id > floor) list.push_back(worded(event));
    }
    EXPECT_TRUE(rows.ok());
    return true;
  });
  reader_->end();
  return list;
}

std::string CommandRunner::history_bytes() {
  std::string text;
  storage::View& view = reader_->begin();
  const storage::HistoryState& history = view.applied_state().history;
  text += fmt::format("max {} {} floor {} last {} oldest {} at {} bytes {}\n", history.max_bytes,
                      history.max_age_ms, history.floor, history.last, history.oldest,
                      history.oldest_stamp, history.bytes);
  uint64_t bytes = 0;
  view.for_each_history({}, [&](EventId first, std::string_view row) {
    text += fmt::format("{} {}\n", first, row);
    bytes += row.size() + storage::kHistoryKeyBytes;
    return true;
  });
  EXPECT_EQ(bytes, view.applied_state().history.bytes);
  reader_->end();
  return text;
}

EventId CommandRunner::modified(std::string_view key) {
  const auto header = reader_->begin().header(key);
  reader_->end();
  return header ? header->modified : EventId{};
}

std::string CommandRunner::contents() {
  std::string text;
  storage::View& view = reader_->begin();
  view.for_each("", [&](std::string_view key, const storage::Record& record) {
    text += fmt::format("{} type {} modified {} created {} deadline {} value {}\n", key,
                        static_cast<int>(record.header.type), record.header.modified,
                        record.header.created, record.header.deadline, record.value);
    return true;
  });
  text += "created:";
  view.for_each_created_before(std::nullopt, [&](EventId, std::string_view key) {
    text += fmt::format(" {}", key);
    return true;
  });
  const storage::AppliedState& state = view.applied_state();
  text += fmt::format("\nrevision {} keys {}\n", state.revision, state.key_count);
  reader_->end();
  return text;
}

TestStore::TestStore(StoreKind kind) {
  if (kind == StoreKind::kMemory) {
    store_ = std::make_unique<MemoryStore>();
    return;
  }
  // What is tested here does not depend on a disk; in memory it need not wait for one.
  const std::filesystem::path in_memory = "/dev/shm";
  const auto root =
      std::filesystem::exists(in_memory) ? in_memory : std::filesystem::temp_directory_path();
  std::string pattern = (root / "kvorum-command-test.XXXXXX").string();
  CHECK(mkdtemp(pattern.data()) != nullptr);
  folder_ = pattern;
  storage::StoreOptions options;
  options.folder = folder_ + "/store";
  options.cache_bytes = 512 << 20;
  auto opened = storage::Store::open(options);
  CHECK(opened.has_value(), "{}", opened.error().message);
  store_ = std::move(*opened);
}

TestStore::~TestStore() {
  store_.reset();
  if (!folder_.empty()) std::filesystem::remove_all(folder_);
}

void expect_replies(CommandRunner& run, const std::vector<Example>& examples) {
  for (const Example& example : examples) {
    EXPECT_EQ(run(example.line), example.reply) << example.line;
  }
}

}  // namespace kvorum::command::testing
