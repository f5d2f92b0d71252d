#include "server/stream_questions.h"

#include <algorithm>
#include <utility>

namespace kvorum::server {

namespace {

void append_entry(const command::HistoryEvent& event, std::string& out) {
  resp::ReplyWriter writer(out, resp::Protocol::kResp2);  // of arrays, which are alike in both
  writer.array(2);
  writer.bulk(event.id.to_string());
  writer.array(event.value ? 6 : 4);
  writer.bulk("event");
  writer.bulk(event.kind->name);
  writer.bulk("key");
  writer.bulk(event.key);
  if (!event.value) return;
  writer.bulk("value");
  writer.bulk(*event.value);
}

void write_entry(const std::string& entry, resp::ReplyWriter& reply) {
  if (entry.empty()) return reply.null();
  reply.raw(entry);
}

}  // namespace

NamedKeys::NamedKeys(Session& session, std::string_view target) {
  name_.session = &session;
  name_.kind = SubscriptionKind::kPattern;
  name_.watch = true;
  name_.target = target;
  by_key_.subscribe(name_);
}

bool NamedKeys::have(std::string_view key) const {
  return by_key_.notify(key, [](Subscription&) {}) > 0;
}

bool RangeQuestion::take(const command::HistoryEvent& event) {
  if (!keys_.have(event.key)) return true;
  too_large_ = entries_.size() >= bytes_max_;
  if (too_large_) return false;
  append_entry(event, entries_);
  return ++found_ < most_;
}

void RangeQuestion::answer(const HistoryScan&, resp::ReplyWriter& reply) const {
  if (too_large_) {
    return reply.error(fmt::format(
        "ERR the reply would be larger than {} bytes: ask for less with COUNT", bytes_max_));
  }
  reply.array(found_);
  reply.raw(entries_);
}

bool LengthQuestion::take(const command::HistoryEvent& event) {
  if (keys_.have(event.key)) ++found_;
  return true;
}

void LengthQuestion::answer(const HistoryScan&, resp::ReplyWriter& reply) const {
  reply.integer(found_);
}

bool InfoQuestion::take(const command::HistoryEvent& event) {
  if (!keys_.have(event.key)) return true;
  last_.clear();
  append_entry(event, last_);
  if (found_++ > 0) return true;
  first_id_ = event.id;
  first_ = last_;
  return true;
}

void InfoQuestion::answer(const HistoryScan& scan, resp::ReplyWriter& reply) const {
  auto integer = [&](std::string_view name, int64_t value) {
    reply.bulk(name);
    reply.integer(value);
  };
  auto id = [&](std::string_view name, EventId value) {
    reply.bulk(name);
    reply.bulk(value.to_string());
  };
  reply.map(10);
  integer("length", found_);
  integer("radix-tree-keys", 0);
  integer("radix-tree-nodes", 0);
  id("last-generated-id", scan.through());
  id("max-deleted-entry-id", scan.floor());
  integer("entries-added", found_);
  id("recorded-first-entry-id", first_id_);
  integer("groups", 0);
  reply.bulk("first-entry");
  write_entry(first_, reply);
  reply.bulk("last-entry");
  write_entry(last_, reply);
}

ReadQuestion::ReadQuestion(std::vector<ReadName> names, uint64_t most, size_t bytes_max)
    : names_(std::move(names)), most_(most), bytes_max_(bytes_max) {
  for (ReadName& name : names_) {
    name.kind = SubscriptionKind::kPattern;
    name.watch = true;
    by_key_.subscribe(name);
  }
}

bool ReadQuestion::take(const command::HistoryEvent& event) {
  by_key_.notify(event.key, [&](Subscription& subscription) {
    take(static_cast<ReadName&>(subscription), event);
  });
  return full_names_ < names_.size() && bytes_ < bytes_max_;
}

void ReadQuestion::take(ReadName& name, const command::HistoryEvent& event) {
  if (event.id <= name.after || name.found == most_ || bytes_ >= bytes_max_) return;
  const size_t before = name.entries.size();
  append_entry(event, name.entries);
  bytes_ += name.entries.size() - before;
  ++found_;
  if (++name.found == most_) ++full_names_;
}

void ReadQuestion::answer(const HistoryScan&, resp::ReplyWriter& reply) const {
  if (found_ == 0) return reply.null_array();
  const bool pairs = reply.protocol() == resp::Protocol::kResp3;
  const auto filled = static_cast<size_t>(
      std::ranges::count_if(names_, [](const ReadName& name) { return name.found > 0; }));
  pairs ? reply.map(filled) : reply.array(filled);
  for (const ReadName& name : names_) {
    if (name.found == 0) continue;
    if (!pairs) reply.array(2);
    reply.bulk(name.name);
    reply.array(name.found);
    reply.raw(name.entries);
  }
}

}  // namespace kvorum::server
