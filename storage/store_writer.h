// The writing half of a store: the one Transaction at a time, and the upkeep of the two indexes.
// Owned by the applier. A command looks its key up and then puts it: the lookup's place in the tree
// and the header found there are remembered, so that the put neither searches nor reads again.
#pragma once

#include <memory>
#include <string>

#include "storage/store.h"
#include "storage/store_engine.h"
#include "storage/store_view.h"
#include "storage/wt_session.h"

namespace kvorum::storage {

class StoreTransaction final : public Transaction, private PictureOwner {
 public:
  explicit StoreTransaction(StoreEngine& engine) : handles_(engine) {}
  ~StoreTransaction() override;

  void begin();

  std::optional<Record> get(std::string_view key) override;
  std::optional<KeyHeader> header(std::string_view key) override;
  void for_each(std::string_view prefix, const Visit& visit) override;
  void for_each_created_before(std::optional<EventId> before, const VisitCreated& visit) override;
  void for_each_due(UnixMillis now, const VisitDue& visit) override;
  UnixMillis first_deadline() override;
  std::optional<std::string> random_key(uint64_t random) override;
  void for_each_history(EventId after, const VisitHistory& visit) override;
  void for_each_history_back(EventId before, const VisitHistory& visit) override;
  const AppliedState& applied_state() override { return state_; }

  void put(std::string_view key, const KeyHeader& header, std::string_view value) override;
  size_t put_header(std::string_view key, const KeyHeader& header) override;
  bool erase(std::string_view key) override;
  void erase_all() override;
  void set_applied(raft::EntryId applied, UnixMillis stamp, uint64_t revision) override;
  void set_partly_applied(uint64_t items, uint64_t revision) override;
  void set_configuration(const raft::Configuration& configuration) override;
  void set_proposer(const Proposer& proposer) override { state_.set_proposer(proposer); }
  void append_history(EventId first, std::string_view row) override;
  void trim_history(const VisitHistory& visit) override;
  void set_history(const HistoryState& history) override { state_.history = history; }

  bool failed() const override { return failed_; }
  bool commit() override;
  void rollback() override;

 private:
  bool rolled_back() override {
    failed_ = true;
    return false;
  }
  bool usable() const override { return !failed_; }

  // Looks `key` up unless it is the key looked up last. False if the transaction failed.
  bool locate(std::string_view key);
  void forget_location() { located_ = false; }
  // Stores `row_` at the located key and brings the indexes up to date.
  void store_row(std::string_view key, const KeyHeader& header);
  void compose_row(const KeyHeader& header, std::string_view value);
  void index_created(EventId created, std::string_view key, bool present);
  void index_deadline(UnixMillis deadline, std::string_view key, bool present);
  void index_row(WT_CURSOR* cursor, bool present);
  WT_CURSOR* history_cursor();
  void save_applied();
  void note_state(AppliedRecord& record) const;
  void save_configuration();
  // What the engine holds, when it is a new one.
  void load_state();
  // After a rollback: the state as the last commit left it.
  void restore();
  // After either end: ready for the next.
  void finish();
  // True if `code` is success. Marks the transaction failed if it must be run again.
  bool done(int code, std::string_view operation);

  struct Handles {
    Handles(WtConnection& connection, PictureOwner& owner);
    WtSession session;
    StoreReads reads;
    WT_CURSOR* const created;
    WT_CURSOR* deadlines = nullptr;  // opened when the first key has a deadline
    WT_CURSOR* history = nullptr;    // opened when the first row is written or removed
  };

  EngineHandles<Handles> handles_;

  bool active_ = false;
  bool failed_ = false;

  // The key that the keys cursor was sent to last, and what it found. The cursor stands there when
  // `present_`. Any change of any key ends it.
  bool located_ = false;
  bool present_ = false;
  std::string located_key_;
  Record found_;

  std::string escape_buffer_;
  std::string row_;  // header and value
  std::string index_key_;

  // What commit() stores, and what rollback() returns to.
  AppliedState state_;
  uint64_t configuration_changes_ = 0;
  AppliedRecord committed_;
  AppliedRecord saved_;  // scratch of save_applied
  std::optional<raft::Configuration> replaced_configuration_;
};

class StoreWriter final : public Writer {
 public:
  explicit StoreWriter(StoreEngine& engine) : transaction_(engine) {}
  Transaction& begin() override {
    transaction_.begin();
    return transaction_;
  }

 private:
  StoreTransaction transaction_;
};

}  // namespace kvorum::storage
