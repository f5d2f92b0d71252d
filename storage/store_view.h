// The reading half of a store: what Views and Transactions have in common, over one WiredTiger
// session that is in a transaction. Owned by one thread. Cursors for single keys stay open; a walk
// has one of its own, so that what `visit` calls never moves it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "storage/store.h"
#include "storage/store_format.h"
#include "storage/wt_session.h"

namespace kvorum::storage {

// Decides what happens when the engine gives up the transaction under a read.
class PictureOwner {
 public:
  // True: there is a fresh picture now, read on in it. False: stop.
  virtual bool rolled_back() = 0;
  // False: the transaction is over, whoever walks stops.
  virtual bool usable() const = 0;

 protected:
  ~PictureOwner() = default;
};

class StoreReads {
 public:
  StoreReads(WtSession& session, PictureOwner& owner);

  // Leaves the keys cursor on the key if it is there.
  bool find(std::string_view key, Record& record);
  WT_CURSOR* keys_cursor() { return keys_; }
  WT_CURSOR* meta_cursor() { return meta_; }

  void for_each(std::string_view prefix, const View::Visit& visit);
  void for_each_created_before(std::optional<EventId> before, const View::VisitCreated& visit);
  void for_each_due(UnixMillis now, const View::VisitDue& visit);
  UnixMillis first_deadline();
  std::optional<std::string> random_key(uint64_t random);
  // `oldest`: of the applied state. Nothing before it is looked at, where removed rows may still
  // have to be skipped one by one.
  void for_each_history(EventId oldest, EventId after, const View::VisitHistory& visit);
  void for_each_history_back(EventId oldest, EventId before, const View::VisitHistory& visit);

  const AppliedState& applied_state();
  uint64_t configuration_changes() const { return configuration_changes_; }

 private:
  enum class Step : uint8_t { kForward, kBackward };

  // Calls `each(key, cursor)` from the first key that is at or after `start` (kForward) or before
  // it (kBackward; empty: from the last) until it returns false. Survives a lost picture by going
  // on behind the last key it met.
  template <class Each>
  void walk(const char* uri, Step step, std::string_view start, const Each& each);
  int first(WT_CURSOR* cursor, Step step, std::string_view start);
  // What to do with a code that is not success: true: try again.
  bool retry(int code, std::string_view operation);
  bool read_meta(std::string_view name, std::string_view& value);

  WtSession& session_;
  PictureOwner& owner_;
  WT_CURSOR* const keys_;
  WT_CURSOR* const meta_;
  std::string key_buffer_;

  AppliedState state_;
  // Of the configuration in `state_`; 0 is the empty one of a new store.
  uint64_t configuration_changes_ = 0;
};

}  // namespace kvorum::storage
