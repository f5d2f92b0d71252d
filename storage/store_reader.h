// A reading thread's pictures of the store, one after the other on one session.
#pragma once

#include "base/check.h"
#include "storage/store.h"
#include "storage/store_engine.h"
#include "storage/store_view.h"

namespace kvorum::storage {

class StoreReader final : public Reader, public View, private PictureOwner {
 public:
  explicit StoreReader(StoreEngine& engine) : handles_(engine) {}
  ~StoreReader() override {
    if (active_) end();
  }

  View& begin() override {
    CHECK(!active_, "end() comes before the next begin()");
    handles_.enter(*this);
    handles_->session.begin();
    active_ = consistent_ = true;
    touched_ = false;
    return *this;
  }
  void end() override {
    CHECK(active_);
    handles_->session.rollback();
    active_ = false;
    handles_.leave();
  }
  bool consistent() const override { return consistent_; }

  std::optional<Record> get(std::string_view key) override {
    Record record;
    bool found = handles_->reads.find(key, record);
    touched_ = true;
    return found ? std::optional(record) : std::nullopt;
  }
  std::optional<KeyHeader> header(std::string_view key) override {
    std::optional<Record> record = get(key);
    return record ? std::optional(record->header) : std::nullopt;
  }
  void for_each(std::string_view prefix, const Visit& visit) override {
    touched_ = true;
    handles_->reads.for_each(prefix, visit);
  }
  void for_each_created_before(std::optional<EventId> before, const VisitCreated& visit) override {
    touched_ = true;
    handles_->reads.for_each_created_before(before, visit);
  }
  void for_each_due(UnixMillis now, const VisitDue& visit) override {
    touched_ = true;
    handles_->reads.for_each_due(now, visit);
  }
  UnixMillis first_deadline() override {
    touched_ = true;
    return handles_->reads.first_deadline();
  }
  std::optional<std::string> random_key(uint64_t random) override {
    touched_ = true;
    return handles_->reads.random_key(random);
  }
  void for_each_history(EventId after, const VisitHistory& visit) override {
    handles_->reads.for_each_history(applied_state().history.oldest, after, visit);
  }
  void for_each_history_back(EventId before, const VisitHistory& visit) override {
    handles_->reads.for_each_history_back(applied_state().history.oldest, before, visit);
  }
  const AppliedState& applied_state() override {
    touched_ = true;
    return handles_->reads.applied_state();
  }

 private:
  bool rolled_back() override {
    // As long as nothing was read from it, one picture is as good as the next.
    if (touched_) consistent_ = false;
    handles_->session.rollback();
    handles_->session.begin();
    return true;
  }
  bool usable() const override { return true; }

  struct Handles {
    Handles(WtConnection& connection, PictureOwner& owner)
        : session(connection), reads(session, owner) {}
    WtSession session;
    StoreReads reads;
  };

  EngineHandles<Handles> handles_;
  bool active_ = false;
  bool touched_ = false;
  bool consistent_ = true;
};

}  // namespace kvorum::storage
