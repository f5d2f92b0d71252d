// Thin owners of WiredTiger's connection, sessions and cursors, and the one place that decides
// which of its errors are fatal. A session and its cursors belong to one thread at a time.
#pragma once

#include <wiredtiger.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "base/result.h"
#include "storage/store.h"

namespace kvorum::storage {

inline constexpr const char* kKeysUri = "table:keys";
inline constexpr const char* kCreatedUri = "table:created";
inline constexpr const char* kDeadlinesUri = "table:deadlines";
inline constexpr const char* kHistoryUri = "table:history";
inline constexpr const char* kMetaUri = "table:meta";

std::string wt_error(int code);

// True for what a transaction run again may not meet. Anything else that is not a plain answer of
// an operation means that the engine can't be trusted any more: wt_fatal.
inline bool wt_retryable(int code) {
  return code == WT_ROLLBACK || code == WT_CACHE_FULL;
}
[[noreturn]] void wt_fatal(int code, std::string_view operation);
inline void wt_check(int code, std::string_view operation) {
  if (code != 0) [[unlikely]]
    wt_fatal(code, operation);
}

inline WT_ITEM wt_item(std::string_view bytes) {
  WT_ITEM item{};
  item.data = bytes.data();
  item.size = bytes.size();
  return item;
}
inline std::string_view wt_view(const WT_ITEM& item) {
  return {static_cast<const char*>(item.data), item.size};
}

inline void set_key(WT_CURSOR* cursor, std::string_view key) {
  WT_ITEM item = wt_item(key);
  cursor->set_key(cursor, &item);
}
inline void set_value(WT_CURSOR* cursor, std::string_view value) {
  WT_ITEM item = wt_item(value);
  cursor->set_value(cursor, &item);
}
// Of a positioned cursor; the bytes stay where they are until it moves.
inline std::string_view key_of(WT_CURSOR* cursor) {
  WT_ITEM item;
  wt_check(cursor->get_key(cursor, &item), "read a key");
  return wt_view(item);
}
inline std::string_view value_of(WT_CURSOR* cursor) {
  WT_ITEM item;
  wt_check(cursor->get_value(cursor, &item), "read a value");
  return wt_view(item);
}

// Where the engine's own messages go, from whichever of its threads. While the connection opens,
// the first error is kept instead, because it says more than the code that opening returns.
class WtEvents : public WT_EVENT_HANDLER {
 public:
  explicit WtEvents(StoreLog log);
  std::string take_first_error() { return std::move(first_error_); }
  void opened() { opener_.store(std::thread::id()); }
  bool opening() const { return opener_.load() != std::thread::id(); }

 private:
  static int on_error(WT_EVENT_HANDLER* self, WT_SESSION*, int code, const char* message);
  static int on_message(WT_EVENT_HANDLER* self, WT_SESSION*, const char* message);

  const StoreLog log_;
  // The thread that opens the connection, until it has: only its errors are kept.
  std::atomic<std::thread::id> opener_{std::this_thread::get_id()};
  std::string first_error_;
};

// Closing takes a last checkpoint: the engine knows no other way. Outlives its sessions.
class WtConnection {
 public:
  static Result<std::unique_ptr<WtConnection>> open(const std::string& folder,
                                                    const std::string& options, StoreLog log);
  ~WtConnection();
  WtConnection(const WtConnection&) = delete;
  WtConnection& operator=(const WtConnection&) = delete;

  // What went wrong since opening began, in a sentence.
  Error opening_failed(int code, const std::string& folder);
  // From now on errors go to the log, and an engine that gives itself up ends the process.
  void opened() { events_.opened(); }
  // Closing will close the sessions that there are; their owners forget() them.
  void forget_sessions() { sessions_.store(0); }

 private:
  friend class WtSession;
  explicit WtConnection(StoreLog log) : events_(std::move(log)) {}

  WtEvents events_;
  WT_CONNECTION* connection_ = nullptr;
  std::atomic<int> sessions_{0};
};

// With snapshot isolation. Closing closes its cursors and rolls back its transaction.
class WtSession {
 public:
  explicit WtSession(WtConnection& connection);
  ~WtSession();
  WtSession(const WtSession&) = delete;
  WtSession& operator=(const WtSession&) = delete;

  WT_SESSION* get() { return session_; }
  // The connection is gone, and the session with it.
  void forget() { session_ = nullptr; }
  WT_CURSOR* open_cursor(const char* uri, const char* options = nullptr);

  void begin() { wt_check(session_->begin_transaction(session_, nullptr), "begin a transaction"); }
  // Also lets go of what the cursors hold.
  void rollback() {
    wt_check(session_->rollback_transaction(session_, nullptr), "roll back a transaction");
  }

 private:
  WtConnection& connection_;  // gone after forget()
  WT_SESSION* session_ = nullptr;
};

// A cursor for the time of one walk.
class WtWalk {
 public:
  WtWalk(WtSession& session, const char* uri, const char* options = nullptr)
      : cursor_(session.open_cursor(uri, options)) {}
  ~WtWalk() { cursor_->close(cursor_); }
  WtWalk(const WtWalk&) = delete;
  WtWalk& operator=(const WtWalk&) = delete;

  WT_CURSOR* get() { return cursor_; }

 private:
  WT_CURSOR* const cursor_;
};

}  // namespace kvorum::storage
