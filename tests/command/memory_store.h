// A Store in memory, for tests that need many of them, fast. Stricter than it must be: a record's
// value is overwritten at the next call, so a handler that keeps one too long fails here first; and
// a transaction can be told to fail. One thread; no reader while a transaction is open.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "storage/store.h"

namespace kvorum::command::testing {

class MemoryStore final : public storage::Store {
 public:
  std::unique_ptr<storage::Reader> new_reader() override;
  std::unique_ptr<storage::Writer> new_writer() override;
  storage::AppliedState applied_state() override { return state_; }
  Result<storage::AppliedState> checkpoint() override { return fail("not on a disk"); }
  Status backup(const std::string&) override { return fail("not on a disk"); }
  Result<std::unique_ptr<storage::BackupSource>> open_backup() override {
    return fail("not on a disk");
  }
  Result<storage::AppliedState> replace(const std::string&) override {
    return fail("not on a disk");
  }
  storage::StoreStats stats() override { return {}; }

  // The n-th change from now on fails its transaction.
  void fail_change(uint64_t n) { changes_until_failure_ = n; }

 private:
  friend class MemoryTransaction;
  friend class MemoryReader;
  struct Row {
    storage::KeyHeader header;
    std::string value;
  };

  void set_row(const std::string& key, std::optional<Row> row);

  std::map<std::string, Row, std::less<>> rows_;
  std::set<std::pair<EventId, std::string>> created_;
  std::set<std::pair<UnixMillis, std::string>> deadlines_;
  std::map<EventId, std::string> history_;
  storage::AppliedState state_;
  uint64_t changes_until_failure_ = 0;  // 0: never
  bool in_transaction_ = false;
};

class MemoryTransaction : public storage::Transaction {
 public:
  explicit MemoryTransaction(MemoryStore& store) : store_(store) {}
  void begin();

  std::optional<storage::Record> get(std::string_view key) override;
  std::optional<storage::KeyHeader> header(std::string_view key) override;
  void for_each(std::string_view prefix, const Visit& visit) override;
  void for_each_created_before(std::optional<EventId> before, const VisitCreated& visit) override;
  void for_each_due(UnixMillis now, const VisitDue& visit) override;
  UnixMillis first_deadline() override;
  std::optional<std::string> random_key(uint64_t random) override;
  void for_each_history(EventId after, const VisitHistory& visit) override;
  void for_each_history_back(EventId before, const VisitHistory& visit) override;
  const storage::AppliedState& applied_state() override { return store_.state_; }

  void put(std::string_view key, const storage::KeyHeader& header, std::string_view value) override;
  size_t put_header(std::string_view key, const storage::KeyHeader& header) override;
  bool erase(std::string_view key) override;
  void erase_all() override;
  void set_applied(raft::EntryId applied, UnixMillis stamp, uint64_t revision) override;
  void set_partly_applied(uint64_t items, uint64_t revision) override;
  void set_configuration(const raft::Configuration& configuration) override;
  void set_proposer(const storage::Proposer& proposer) override {
    store_.state_.set_proposer(proposer);
  }
  void append_history(EventId first, std::string_view row) override;
  void trim_history(const VisitHistory& visit) override;
  void set_history(const storage::HistoryState& history) override {
    store_.state_.history = history;
  }
  bool failed() const override { return failed_; }
  bool commit() override;
  void rollback() override;

 private:
  // False if this change, or one before it, fails.
  bool may_change();
  void change(std::string_view key, std::optional<MemoryStore::Row> row);
  // Gives a visit a copy that lasts no longer than it does.
  static bool show(const VisitHistory& visit, EventId first, const std::string& row);

  MemoryStore& store_;
  std::string value_;  // what the last record points into
  std::map<std::string, std::optional<MemoryStore::Row>> undo_;
  std::vector<EventId> appended_;
  std::map<EventId, std::string> trimmed_;
  storage::AppliedState state_before_;
  bool failed_ = false;
};

}  // namespace kvorum::command::testing
