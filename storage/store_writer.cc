#include "storage/store_writer.h"

#include "base/check.h"

namespace kvorum::storage {
namespace {

// A row buffer that grew for a large value is given back after the transaction.
constexpr size_t kRowBytesKept = size_t{1} << 20;

}  // namespace

StoreTransaction::Handles::Handles(WtConnection& connection, PictureOwner& owner)
    : session(connection),
      reads(session, owner),
      // Not overwriting: an index row that is there twice, or missing, is found at once.
      created(session.open_cursor(kCreatedUri, "overwrite=false")) {}

StoreTransaction::~StoreTransaction() {
  if (active_) rollback();
}

void StoreTransaction::begin() {
  CHECK(!active_, "one transaction at a time");
  if (handles_.enter(*this)) load_state();
  handles_->session.begin();
  active_ = true;
  failed_ = false;
}

void StoreTransaction::load_state() {
  do {
    failed_ = false;
    handles_->session.begin();
    state_ = handles_->reads.applied_state();
    handles_->session.rollback();
  } while (failed_);
  configuration_changes_ = handles_->reads.configuration_changes();
  finish();
}

bool StoreTransaction::done(int code, std::string_view operation) {
  if (code == 0) [[likely]]
    return true;
  if (!wt_retryable(code)) wt_fatal(code, operation);
  failed_ = true;
  return false;
}

bool StoreTransaction::locate(std::string_view key) {
  if (located_ && located_key_ == key) return true;
  located_ = false;
  present_ = handles_->reads.find(key, found_);
  if (failed_) return false;
  located_key_.assign(key);
  located_ = true;
  return true;
}

std::optional<Record> StoreTransaction::get(std::string_view key) {
  if (failed_ || !locate(key) || !present_) return std::nullopt;
  return found_;
}

std::optional<KeyHeader> StoreTransaction::header(std::string_view key) {
  if (failed_ || !locate(key) || !present_) return std::nullopt;
  return found_.header;
}

void StoreTransaction::for_each(std::string_view prefix, const Visit& visit) {
  if (!failed_) handles_->reads.for_each(prefix, visit);
}

void StoreTransaction::for_each_created_before(std::optional<EventId> before,
                                               const VisitCreated& visit) {
  if (!failed_) handles_->reads.for_each_created_before(before, visit);
}

void StoreTransaction::for_each_due(UnixMillis now, const VisitDue& visit) {
  if (!failed_) handles_->reads.for_each_due(now, visit);
}

UnixMillis StoreTransaction::first_deadline() {
  return failed_ ? 0 : handles_->reads.first_deadline();
}

std::optional<std::string> StoreTransaction::random_key(uint64_t random) {
  if (failed_) return std::nullopt;
  return handles_->reads.random_key(random);
}

void StoreTransaction::for_each_history(EventId after, const VisitHistory& visit) {
  if (!failed_) handles_->reads.for_each_history(state_.history.oldest, after, visit);
}

void StoreTransaction::for_each_history_back(EventId before, const VisitHistory& visit) {
  if (!failed_) handles_->reads.for_each_history_back(state_.history.oldest, before, visit);
}

void StoreTransaction::compose_row(const KeyHeader& header, std::string_view value) {
  char bytes[kHeaderBytesMax];
  size_t size = encode_header(header, bytes);
  row_.clear();
  row_.reserve(size + value.size());
  row_.append(bytes, size);
  row_.append(value);
}

void StoreTransaction::put(std::string_view key, const KeyHeader& header, std::string_view value) {
  if (failed_) return;
  // First, because `value` may be what get() just returned.
  compose_row(header, value);
  if (locate(key)) store_row(key, header);
}

size_t StoreTransaction::put_header(std::string_view key, const KeyHeader& header) {
  if (failed_ || !locate(key)) return 0;
  CHECK(present_, "a header is only changed on a key that exists");
  const size_t size = found_.value.size();
  compose_row(header, found_.value);
  store_row(key, header);
  return size;
}

void StoreTransaction::store_row(std::string_view key, const KeyHeader& header) {
  WT_CURSOR* keys = handles_->reads.keys_cursor();
  const KeyHeader old = found_.header;
  const bool present = present_;
  forget_location();
  int code = 0;
  if (present) {
    set_value(keys, row_);
    code = keys->update(keys);  // where the cursor stands
  } else {
    set_key(keys, escape_key(key, escape_buffer_));
    set_value(keys, row_);
    code = keys->insert(keys);
  }
  if (!done(code, "write a key")) return;
  if (!present) ++state_.key_count;
  if (!present || old.created != header.created) {
    if (present) index_created(old.created, key, false);
    index_created(header.created, key, true);
  }
  const UnixMillis old_deadline = present ? old.deadline : 0;
  if (old_deadline != header.deadline) [[unlikely]] {
    state_.expiring_count += header.deadline != 0 ? 1 : 0;
    state_.expiring_count -= old_deadline != 0 ? 1 : 0;
    if (old_deadline != 0) index_deadline(old_deadline, key, false);
    if (header.deadline != 0) index_deadline(header.deadline, key, true);
  }
}

bool StoreTransaction::erase(std::string_view key) {
  if (failed_ || !locate(key) || !present_) return false;
  WT_CURSOR* keys = handles_->reads.keys_cursor();
  const KeyHeader old = found_.header;
  forget_location();
  if (!done(keys->remove(keys), "remove a key")) return false;
  --state_.key_count;
  state_.expiring_count -= old.deadline != 0 ? 1 : 0;
  // `key` may point to where the walk that found it stands, never to the cursor just moved.
  index_created(old.created, key, false);
  if (old.deadline != 0) index_deadline(old.deadline, key, false);
  return true;
}

void StoreTransaction::index_created(EventId created, std::string_view key, bool present) {
  make_created_key(created, key, index_key_);
  index_row(handles_->created, present);
}

void StoreTransaction::index_deadline(UnixMillis deadline, std::string_view key, bool present) {
  WT_CURSOR*& deadlines = handles_->deadlines;
  if (deadlines == nullptr) {
    deadlines = handles_->session.open_cursor(kDeadlinesUri, "overwrite=false");
  }
  make_deadline_key(deadline, key, index_key_);
  index_row(deadlines, present);
}

void StoreTransaction::index_row(WT_CURSOR* cursor, bool present) {
  if (failed_) return;
  set_key(cursor, index_key_);
  int code = 0;
  if (present) {
    set_value(cursor, {});
    code = cursor->insert(cursor);
  } else {
    code = cursor->remove(cursor);
  }
  CHECK(code != WT_DUPLICATE_KEY && code != WT_NOTFOUND, "the indexes do not match the keys");
  done(code, "write an index");
}

void StoreTransaction::erase_all() {
  if (failed_) return;
  forget_location();
  WT_SESSION* session = handles_->session.get();
  for (const char* uri : {kKeysUri, kCreatedUri, kDeadlinesUri}) {
    if (!done(session->truncate(session, uri, nullptr, nullptr, nullptr), "empty a table")) return;
  }
  state_.key_count = 0;
  state_.expiring_count = 0;
}

WT_CURSOR* StoreTransaction::history_cursor() {
  WT_CURSOR*& history = handles_->history;
  if (history == nullptr) {
    history = handles_->session.open_cursor(kHistoryUri, "overwrite=false");
  }
  return history;
}

void StoreTransaction::append_history(EventId first, std::string_view row) {
  if (failed_) return;
  WT_CURSOR* history = history_cursor();
  make_event_key(first, index_key_);
  set_key(history, index_key_);
  set_value(history, row);
  const int code = history->insert(history);
  CHECK(code != WT_DUPLICATE_KEY, "the history has a row of event {} already", first);
  done(code, "write a row of the history");
}

void StoreTransaction::trim_history(const VisitHistory& visit) {
  if (failed_ || state_.history.oldest == EventId{}) return;
  WT_CURSOR* history = history_cursor();
  make_event_key(state_.history.oldest, index_key_);
  set_key(history, index_key_);
  int code = history->search(history);
  CHECK(code != WT_NOTFOUND, "the history has no row of event {}", state_.history.oldest);
  while (code == 0 && visit(event_of(key_of(history)), value_of(history))) {
    code = history->remove(history);
    if (code == 0) code = history->next(history);
  }
  if (code != WT_NOTFOUND && !done(code, "remove a row of the history")) return;
  done(history->reset(history), "leave the history");
}

void StoreTransaction::set_applied(raft::EntryId applied, UnixMillis stamp, uint64_t revision) {
  state_.applied = applied;
  state_.items_done = 0;
  state_.stamp = stamp;
  state_.revision = revision;
}

void StoreTransaction::set_partly_applied(uint64_t items, uint64_t revision) {
  state_.items_done = items;
  state_.revision = revision;
}

void StoreTransaction::set_configuration(const raft::Configuration& configuration) {
  if (!replaced_configuration_) replaced_configuration_ = state_.configuration;
  state_.configuration = configuration;
}

void StoreTransaction::save_configuration() {
  if (failed_ || !replaced_configuration_) return;
  ++configuration_changes_;
  const std::string bytes = raft::encode(state_.configuration);
  WT_CURSOR* meta = handles_->reads.meta_cursor();
  set_key(meta, kMetaConfiguration);
  set_value(meta, bytes);
  done(meta->insert(meta), "write the configuration");
}

void StoreTransaction::note_state(AppliedRecord& record) const {
  record.applied = state_.applied;
  record.items_done = state_.items_done;
  record.stamp = state_.stamp;
  record.revision = state_.revision;
  record.key_count = state_.key_count;
  record.expiring_count = state_.expiring_count;
  record.configuration_changes = configuration_changes_;
  record.history = state_.history;
  record.proposers = state_.proposers;
}

void StoreTransaction::save_applied() {
  if (failed_) return;
  char bytes[kAppliedBytesMax];
  note_state(saved_);
  const size_t size = encode_applied(saved_, bytes);
  WT_CURSOR* meta = handles_->reads.meta_cursor();
  set_key(meta, kMetaApplied);
  set_value(meta, {bytes, size});
  done(meta->insert(meta), "write the applied state");
}

bool StoreTransaction::commit() {
  CHECK(active_);
  save_configuration();
  save_applied();
  if (failed_) {
    rollback();
    return false;
  }
  // The engine rolls back what it does not commit.
  WT_SESSION* session = handles_->session.get();
  const bool committed = done(session->commit_transaction(session, nullptr), "commit");
  active_ = false;
  handles_.leave();
  if (committed) {
    finish();
  } else {
    restore();
  }
  return committed;
}

void StoreTransaction::rollback() {
  CHECK(active_);
  handles_->session.rollback();
  active_ = false;
  handles_.leave();
  restore();
}

void StoreTransaction::restore() {
  state_.applied = committed_.applied;
  state_.stamp = committed_.stamp;
  state_.revision = committed_.revision;
  state_.key_count = committed_.key_count;
  state_.expiring_count = committed_.expiring_count;
  state_.history = committed_.history;
  state_.proposers = committed_.proposers;
  configuration_changes_ = committed_.configuration_changes;
  if (replaced_configuration_) state_.configuration = std::move(*replaced_configuration_);
  finish();
}

void StoreTransaction::finish() {
  forget_location();
  replaced_configuration_.reset();
  note_state(committed_);
  if (row_.capacity() > kRowBytesKept) row_ = std::string();
}

}  // namespace kvorum::storage
