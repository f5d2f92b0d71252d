#include "memory_store.h"

#include <iterator>

namespace kvorum::command::testing {

using storage::KeyHeader;
using storage::Record;

class MemoryReader final : public storage::Reader {
 public:
  explicit MemoryReader(MemoryStore& store) : store_(store), view_(store) {}
  storage::View& begin() override {
    CHECK(!store_.in_transaction_);
    return view_;
  }
  void end() override {}

 private:
  MemoryStore& store_;
  MemoryTransaction view_;  // only read
};

namespace {

class MemoryWriter final : public storage::Writer {
 public:
  explicit MemoryWriter(MemoryStore& store) : transaction_(store) {}
  storage::Transaction& begin() override {
    transaction_.begin();
    return transaction_;
  }

 private:
  MemoryTransaction transaction_;
};

}  // namespace

std::unique_ptr<storage::Reader> MemoryStore::new_reader() {
  return std::make_unique<MemoryReader>(*this);
}

std::unique_ptr<storage::Writer> MemoryStore::new_writer() {
  return std::make_unique<MemoryWriter>(*this);
}

void MemoryStore::set_row(const std::string& key, std::optional<Row> row) {
  const auto old = rows_.find(key);
  if (old != rows_.end()) {
    created_.erase({old->second.header.created, key});
    deadlines_.erase({old->second.header.deadline, key});
    rows_.erase(old);
  }
  if (row) {
    created_.insert({row->header.created, key});
    if (row->header.deadline != 0) deadlines_.insert({row->header.deadline, key});
    rows_.emplace(key, std::move(*row));
  }
  state_.key_count = rows_.size();
  state_.expiring_count = deadlines_.size();
}

void MemoryTransaction::begin() {
  CHECK(!store_.in_transaction_);
  store_.in_transaction_ = true;
  undo_.clear();
  appended_.clear();
  trimmed_.clear();
  state_before_ = store_.state_;
  failed_ = false;
}

std::optional<Record> MemoryTransaction::get(std::string_view key) {
  value_.assign(value_.size(), '~');
  const auto row = store_.rows_.find(key);
  if (failed_ || row == store_.rows_.end()) return std::nullopt;
  value_ = row->second.value;
  return Record{row->second.header, value_};
}

std::optional<KeyHeader> MemoryTransaction::header(std::string_view key) {
  const std::optional<Record> record = get(key);
  if (!record) return std::nullopt;
  const KeyHeader header = record->header;
  value_.assign(value_.size(), '~');
  return header;
}

void MemoryTransaction::for_each(std::string_view prefix, const Visit& visit) {
  for (auto row = store_.rows_.lower_bound(prefix); row != store_.rows_.end(); ++row) {
    if (!row->first.starts_with(prefix)) return;
    if (!visit(row->first, Record{row->second.header, row->second.value})) return;
  }
}

void MemoryTransaction::for_each_created_before(std::optional<EventId> before,
                                                const VisitCreated& visit) {
  auto row = before ? store_.created_.lower_bound({*before, ""}) : store_.created_.end();
  while (row != store_.created_.begin()) {
    --row;
    if (!visit(row->first, row->second)) return;
  }
}

void MemoryTransaction::for_each_due(UnixMillis now, const VisitDue& visit) {
  for (const auto& [deadline, key] : store_.deadlines_) {
    if (deadline > now || !visit(deadline, key)) return;
  }
}

UnixMillis MemoryTransaction::first_deadline() {
  return store_.deadlines_.empty() ? 0 : store_.deadlines_.begin()->first;
}

std::optional<std::string> MemoryTransaction::random_key(uint64_t random) {
  if (store_.rows_.empty()) return std::nullopt;
  return std::next(store_.rows_.begin(), static_cast<std::ptrdiff_t>(random % store_.rows_.size()))
      ->first;
}

bool MemoryTransaction::show(const VisitHistory& visit, EventId first, const std::string& row) {
  // Of exactly its size, so that reading beyond it is found.
  const std::vector<char> copy(row.begin(), row.end());
  return visit(first, {copy.data(), copy.size()});
}

// Only what is held by `oldest` is looked at, as the real store does.
void MemoryTransaction::for_each_history(EventId after, const VisitHistory& visit) {
  const EventId oldest = store_.state_.history.oldest;
  if (failed_ || oldest == EventId{}) return;
  auto row = store_.history_.find(oldest);
  CHECK(row != store_.history_.end());
  // The last row that does not begin behind the event after `after`.
  for (auto next = std::next(row); next != store_.history_.end(); ++next) {
    if (next->first > after.next()) break;
    row = next;
  }
  for (; row != store_.history_.end(); ++row) {
    if (!show(visit, row->first, row->second)) return;
  }
}

void MemoryTransaction::for_each_history_back(EventId before, const VisitHistory& visit) {
  const EventId oldest = store_.state_.history.oldest;
  if (failed_ || oldest == EventId{}) return;
  auto row = store_.history_.lower_bound(before);
  while (row != store_.history_.begin() && (--row)->first >= oldest) {
    if (!show(visit, row->first, row->second)) return;
  }
}

void MemoryTransaction::trim_history(const VisitHistory& visit) {
  if (failed_ || store_.state_.history.oldest == EventId{}) return;
  auto row = store_.history_.find(store_.state_.history.oldest);
  CHECK(row != store_.history_.end());
  while (row != store_.history_.end() && show(visit, row->first, row->second) && may_change()) {
    trimmed_.insert(store_.history_.extract(row++));
  }
}

void MemoryTransaction::put(std::string_view key, const KeyHeader& header, std::string_view value) {
  if (may_change()) change(key, MemoryStore::Row{header, std::string(value)});
}

size_t MemoryTransaction::put_header(std::string_view key, const KeyHeader& header) {
  if (!may_change()) return 0;
  const auto row = store_.rows_.find(key);
  CHECK(row != store_.rows_.end());
  const size_t size = row->second.value.size();
  change(key, MemoryStore::Row{header, row->second.value});
  return size;
}

bool MemoryTransaction::erase(std::string_view key) {
  if (!may_change() || !store_.rows_.contains(key)) return false;
  change(key, std::nullopt);
  return true;
}

void MemoryTransaction::erase_all() {
  if (!may_change()) return;
  while (!store_.rows_.empty()) change(store_.rows_.begin()->first, std::nullopt);
}

void MemoryTransaction::set_applied(raft::EntryId applied, UnixMillis stamp, uint64_t revision) {
  store_.state_.applied = applied;
  store_.state_.items_done = 0;
  store_.state_.stamp = stamp;
  store_.state_.revision = revision;
}

void MemoryTransaction::set_partly_applied(uint64_t items, uint64_t revision) {
  store_.state_.items_done = items;
  store_.state_.revision = revision;
}

void MemoryTransaction::set_configuration(const raft::Configuration& configuration) {
  store_.state_.configuration = configuration;
}

void MemoryTransaction::append_history(EventId first, std::string_view row) {
  if (!may_change()) return;
  CHECK(store_.history_.empty() || store_.history_.rbegin()->first < first);
  store_.history_.emplace(first, row);
  appended_.push_back(first);
}

bool MemoryTransaction::commit() {
  if (failed_) {
    rollback();
    return false;
  }
  store_.in_transaction_ = false;
  return true;
}

void MemoryTransaction::rollback() {
  for (const auto& [key, row] : undo_) store_.set_row(key, row);
  store_.history_.merge(trimmed_);
  for (EventId first : appended_) store_.history_.erase(first);
  store_.state_ = state_before_;
  store_.in_transaction_ = false;
}

bool MemoryTransaction::may_change() {
  CHECK(store_.in_transaction_);
  value_.assign(value_.size(), '~');
  if (store_.changes_until_failure_ > 0 && --store_.changes_until_failure_ == 0) failed_ = true;
  return !failed_;
}

void MemoryTransaction::change(std::string_view key, std::optional<MemoryStore::Row> row) {
  const std::string name(key);
  const auto old = store_.rows_.find(name);
  undo_.try_emplace(name, old == store_.rows_.end() ? std::nullopt
                                                    : std::optional<MemoryStore::Row>(old->second));
  store_.set_row(name, std::move(row));
}

}  // namespace kvorum::command::testing
