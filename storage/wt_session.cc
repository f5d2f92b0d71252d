#include "storage/wt_session.h"

#include "base/check.h"

namespace kvorum::storage {

std::string wt_error(int code) {
  return wiredtiger_strerror(code);
}

void wt_fatal(int code, std::string_view operation) {
  die("storage engine: could not {}: {}. The process ends because its data on disk may be damaged "
      "or its disk may be failing; see the messages before this one.",
      operation, wt_error(code));
}

WtEvents::WtEvents(StoreLog log) : WT_EVENT_HANDLER{}, log_(std::move(log)) {
  handle_error = on_error;
  handle_message = on_message;
}

int WtEvents::on_error(WT_EVENT_HANDLER* self, WT_SESSION*, int code, const char* message) {
  auto* events = static_cast<WtEvents*>(self);
  if (events->opener_.load() == std::this_thread::get_id()) {
    if (events->first_error_.empty()) events->first_error_ = message;
    return 0;
  }
  // A rollback is the caller's to handle, and is.
  if (events->log_ && !wt_retryable(code)) events->log_(StoreSeverity::kError, message);
  return 0;
}

int WtEvents::on_message(WT_EVENT_HANDLER* self, WT_SESSION*, const char* message) {
  auto* events = static_cast<WtEvents*>(self);
  if (events->log_) events->log_(StoreSeverity::kInfo, message);
  return 0;
}

Result<std::unique_ptr<WtConnection>> WtConnection::open(const std::string& folder,
                                                         const std::string& options, StoreLog log) {
  auto opened = std::unique_ptr<WtConnection>(new WtConnection(std::move(log)));
  WT_CONNECTION* connection = nullptr;
  int code = wiredtiger_open(folder.c_str(), &opened->events_, options.c_str(), &connection);
  if (code != 0) return tl::unexpected(opened->opening_failed(code, folder));
  opened->connection_ = connection;
  return opened;
}

Error WtConnection::opening_failed(int code, const std::string& folder) {
  std::string reason = events_.take_first_error();
  if (reason.empty()) reason = wt_error(code);
  switch (code) {
    case EBUSY:
      return {fmt::format("the store in {} is in use by another process", folder)};
    case EACCES:
    case EPERM:
    case EROFS:
      return {fmt::format("no permission to use the store in {}: {}", folder, reason)};
    case ENOSPC:
      return {fmt::format("no space left on the disk for the store in {}", folder)};
    default:
      return {fmt::format(
          "the store in {} is damaged: {}. Restore the folder from a backup; on a member of a "
          "cluster, remove this member's data and let it join again",
          folder, reason)};
  }
}

WtConnection::~WtConnection() {
  if (connection_ == nullptr) return;
  CHECK(sessions_.load() == 0, "a store outlives its readers and its writer");
  int code = connection_->close(connection_, nullptr);
  if (code == WT_PANIC && !events_.opening()) wt_fatal(code, "close the store");
}

WtSession::WtSession(WtConnection& connection) : connection_(connection) {
  WT_CONNECTION* engine = connection.connection_;
  wt_check(engine->open_session(engine, nullptr, "isolation=snapshot", &session_),
           "open a session");
  connection_.sessions_.fetch_add(1);
}

WtSession::~WtSession() {
  if (session_ == nullptr) return;
  session_->close(session_, nullptr);
  connection_.sessions_.fetch_sub(1);
}

WT_CURSOR* WtSession::open_cursor(const char* uri, const char* options) {
  WT_CURSOR* cursor = nullptr;
  wt_check(session_->open_cursor(session_, uri, nullptr, options, &cursor), "open a cursor");
  return cursor;
}

}  // namespace kvorum::storage
