#include "storage/store_view.h"

#include <utility>

#include "base/check.h"

namespace kvorum::storage {
namespace {

Record record_of(WT_CURSOR* cursor) {
  Record record;
  if (!decode_record(value_of(cursor), record)) [[unlikely]] {
    die("the store holds a value that is not one: its files are damaged, restore them from a "
        "backup");
  }
  return record;
}

}  // namespace

StoreReads::StoreReads(WtSession& session, PictureOwner& owner)
    : session_(session),
      owner_(owner),
      keys_(session.open_cursor(kKeysUri)),
      meta_(session.open_cursor(kMetaUri)) {}

bool StoreReads::retry(int code, std::string_view operation) {
  if (!wt_retryable(code)) wt_fatal(code, operation);
  return owner_.rolled_back();
}

bool StoreReads::find(std::string_view key, Record& record) {
  std::string_view escaped = escape_key(key, key_buffer_);
  int code = 0;
  do {
    set_key(keys_, escaped);
    code = keys_->search(keys_);
    if (code == 0) [[likely]] {
      record = record_of(keys_);
      return true;
    }
    if (code == WT_NOTFOUND) return false;
  } while (retry(code, "read a key"));
  return false;
}

int StoreReads::first(WT_CURSOR* cursor, Step step, std::string_view start) {
  if (start.empty()) return step == Step::kForward ? cursor->next(cursor) : cursor->prev(cursor);
  set_key(cursor, start);
  int order = 0;  // of the key found against `start`
  int code = cursor->search_near(cursor, &order);
  if (code != 0) return code;
  if (step == Step::kForward) return order < 0 ? cursor->next(cursor) : 0;
  return order >= 0 ? cursor->prev(cursor) : 0;
}

template <class Each>
void StoreReads::walk(const char* uri, Step step, std::string_view start, const Each& each) {
  std::string from(start);
  bool met = false;
  do {
    WtWalk walk(session_, uri);
    WT_CURSOR* cursor = walk.get();
    int code = first(cursor, step, from);
    while (code == 0) {
      std::string_view key = key_of(cursor);
      from.assign(key);
      met = true;
      if (!each(key, cursor) || !owner_.usable()) return;
      code = step == Step::kForward ? cursor->next(cursor) : cursor->prev(cursor);
    }
    if (code == WT_NOTFOUND) return;
    if (!retry(code, "walk through a table")) return;
    // The next key after the one met. Backwards, the start is excluded anyway.
    if (step == Step::kForward && met) from.push_back('\0');
    met = false;
  } while (true);
}

void StoreReads::for_each(std::string_view prefix, const View::Visit& visit) {
  // An empty prefix also stands for the empty key, so it is not escaped.
  std::string buffer;
  std::string_view start = prefix.empty() ? prefix : escape_key(prefix, buffer);
  walk(kKeysUri, Step::kForward, start, [&](std::string_view key, WT_CURSOR* cursor) {
    return key.starts_with(start) && visit(unescape_key(key), record_of(cursor));
  });
}

void StoreReads::for_each_created_before(std::optional<EventId> before,
                                         const View::VisitCreated& visit) {
  std::string start;
  if (before) make_created_key(*before, {}, start);
  walk(kCreatedUri, Step::kBackward, start, [&](std::string_view key, WT_CURSOR*) {
    CHECK(key.size() >= kCreatedPrefixBytes);
    return visit(event_of(key), key.substr(kCreatedPrefixBytes));
  });
}

void StoreReads::for_each_due(UnixMillis now, const View::VisitDue& visit) {
  walk(kDeadlinesUri, Step::kForward, {}, [&](std::string_view key, WT_CURSOR*) {
    CHECK(key.size() >= kDeadlinePrefixBytes);
    UnixMillis deadline = get_u64_be(key.data());
    return deadline <= now && visit(deadline, key.substr(kDeadlinePrefixBytes));
  });
}

UnixMillis StoreReads::first_deadline() {
  UnixMillis first = 0;
  walk(kDeadlinesUri, Step::kForward, {}, [&](std::string_view key, WT_CURSOR*) {
    first = get_u64_be(key.data());
    return false;
  });
  return first;
}

std::optional<std::string> StoreReads::random_key(uint64_t random) {
  // The engine draws a page, then a key of it; it can come back empty-handed when what it drew was
  // removed. A few steps from there even out what pages of different fill skew.
  constexpr uint64_t kStepsMax = 16;
  std::string start;
  {
    WtWalk draw(session_, kKeysUri, "next_random=true");
    int code = draw.get()->next(draw.get());
    if (code == 0) {
      start = key_of(draw.get());
    } else if (code != WT_NOTFOUND && !retry(code, "draw a key")) {
      return std::nullopt;
    }
  }
  std::optional<std::string> chosen;
  uint64_t steps = 1 + random % kStepsMax;
  while (steps > 0 && owner_.usable()) {
    bool empty = true;
    walk(kKeysUri, Step::kForward, start, [&](std::string_view key, WT_CURSOR*) {
      empty = false;
      if (--steps == 0) chosen = unescape_key(key);
      return steps > 0;
    });
    if (empty && start.empty()) break;
    start.clear();  // round the end
  }
  return chosen;
}

void StoreReads::for_each_history(EventId oldest, EventId after, const View::VisitHistory& visit) {
  if (oldest == EventId{}) return;
  std::string start;
  make_event_key(oldest, start);
  const EventId wanted = after.next();
  if (wanted > oldest) {
    std::string behind;
    make_event_key(wanted.next(), behind);
    walk(kHistoryUri, Step::kBackward, behind, [&start](std::string_view key, WT_CURSOR*) {
      start = key;
      return false;
    });
  }
  walk(kHistoryUri, Step::kForward, start, [&](std::string_view key, WT_CURSOR* cursor) {
    CHECK(key.size() == kHistoryKeyBytes);
    return visit(event_of(key), value_of(cursor));
  });
}

void StoreReads::for_each_history_back(EventId oldest, EventId before,
                                       const View::VisitHistory& visit) {
  if (oldest == EventId{} || before <= oldest) return;
  std::string start;
  make_event_key(before, start);
  walk(kHistoryUri, Step::kBackward, start, [&](std::string_view key, WT_CURSOR* cursor) {
    CHECK(key.size() == kHistoryKeyBytes);
    const EventId first = event_of(key);
    return visit(first, value_of(cursor)) && first > oldest;
  });
}

bool StoreReads::read_meta(std::string_view name, std::string_view& value) {
  int code = 0;
  do {
    set_key(meta_, name);
    code = meta_->search(meta_);
    if (code == 0) {
      value = value_of(meta_);
      return true;
    }
    CHECK(code != WT_NOTFOUND, "the store has no record \"{}\"", name);
  } while (retry(code, "read the applied state"));
  return false;
}

const AppliedState& StoreReads::applied_state() {
  std::string_view bytes;
  AppliedRecord record;
  if (!read_meta(kMetaApplied, bytes)) return state_;
  CHECK(decode_applied(bytes, record));
  const uint64_t configuration_changes = record.configuration_changes;
  fill_state(std::move(record), state_);
  if (configuration_changes != configuration_changes_) {
    if (!read_meta(kMetaConfiguration, bytes)) return state_;
    CHECK(raft::decode(bytes, state_.configuration));
    configuration_changes_ = configuration_changes;
  }
  return state_;
}

}  // namespace kvorum::storage
