#include "server/tracking.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/splitmix64.h"
#include "resp/reply_writer.h"
#include "server/authentication.h"
#include "server/session.h"

namespace kvorum::server {

namespace {

// A key's table of readers is rid of those that are gone when it is this much longer than the list
// of those there are.
constexpr size_t kGoneReadersMax = 16;

bool is_reader(const Session& session) {
  return !session.tracking->options.broadcast;
}

// Whether the session is told of a change that `writer` made.
bool is_told(const Session& session, std::string_view key, uint64_t writer) {
  if (session.tracking->options.no_loop && session.id == writer) return false;
  return may_see(session, key);
}

// Of the changes that are `wanted`; there are `count` of them.
template <class Changed, class Wanted>
std::string array_of_keys(const Changed& changed, const Wanted& wanted, size_t count) {
  std::string text;
  resp::ReplyWriter array(text, resp::Protocol::kResp3);
  array.array(count);
  for (const auto& change : changed) {
    if (wanted(change)) array.bulk(change.first);
  }
  return text;
}

}  // namespace

std::string array_of_key(std::string_view key) {
  std::string text;
  resp::ReplyWriter array(text, resp::Protocol::kResp3);
  array.array(1);
  array.bulk(key);
  return text;
}

void Tracking::start(Session& session) {
  const bool is_new = sessions_.emplace(session.id, &session).second;
  if (is_new && is_reader(session)) ++readers_;
}

void Tracking::stop(Session& session) {
  if (sessions_.erase(session.id) == 0) return;
  for (const std::string& prefix : session.tracking->prefixes) leave(session, prefix);
  if (is_reader(session) && --readers_ == 0) forget_keys();
}

void Tracking::add_prefix(Session& session, std::string_view prefix) {
  Group& group = groups_[prefix];
  if (group.sessions.empty()) {
    group.prefix = prefix;
    ++prefix_count_;
  }
  group.sessions.push_back(&session);
}

void Tracking::leave(Session& session, std::string_view prefix) {
  Group* group = groups_.find(prefix);
  CHECK(group != nullptr, "nobody is told of a prefix that a session asked for");
  std::erase(group->sessions, &session);
  if (!group->sessions.empty()) return;
  std::erase(touched_, group);
  groups_.erase(prefix);
  --prefix_count_;
}

void Tracking::for_each(const std::function<void(Session&)>& visit) const {
  for (const auto& [id, session] : sessions_) visit(*session);
}

// Null for one that tracks no more.
Session* Tracking::reader(uint64_t id) const {
  auto found = sessions_.find(id);
  if (found == sessions_.end() || !is_reader(*found->second)) return nullptr;
  return found->second;
}

void Tracking::remember(const Session& session, std::string_view key, EventId seen) {
  const Reader reader{session.id, seen};
  auto found = keys_.find(key);
  if (found == keys_.end()) {
    keys_.emplace(key, Readers{reader, nullptr});
    ++items_;
    return;
  }
  Readers& readers = found->second;
  if (readers.first.session == session.id) return;
  if (this->reader(readers.first.session) == nullptr && readers.others == nullptr) {
    readers.first = reader;
    return;
  }
  add_other(readers, reader);
}

void Tracking::add_other(Readers& readers, const Reader& reader) {
  if (readers.others == nullptr) {
    readers.others = std::make_unique<std::unordered_map<uint64_t, EventId>>();
  }
  auto& others = *readers.others;
  if (!others.emplace(reader.session, reader.seen).second) return;
  ++items_;
  if (others.size() <= sessions_.size() * 2 + kGoneReadersMax) return;
  items_ -= std::erase_if(
      others, [this](const auto& other) { return this->reader(other.first) == nullptr; });
}

void Tracking::changed(std::string_view key, EventId id, uint64_t writer, const Tell& tell) {
  if (prefix_count_ > 0) note_for_prefixes(key, writer);
  auto found = keys_.find(key);
  if (found == keys_.end()) return;
  // True when it was before the change.
  auto told = [&](uint64_t reader_id, EventId seen) {
    if (seen >= id) return false;
    --items_;
    Session* session = reader(reader_id);
    if (session != nullptr && is_told(*session, key, writer)) tell(*session);
    return true;
  };
  Readers& readers = found->second;
  const bool first_told = told(readers.first.session, readers.first.seen);
  if (readers.others != nullptr) {
    std::erase_if(*readers.others,
                  [&](const auto& other) { return told(other.first, other.second); });
    if (readers.others->empty()) readers.others.reset();
  }
  if (!first_told) return;
  if (readers.others == nullptr) {
    keys_.erase(found);
    return;
  }
  auto next = readers.others->begin();
  readers.first = {next->first, next->second};
  readers.others->erase(next);
  if (readers.others->empty()) readers.others.reset();
}

void Tracking::note_for_prefixes(std::string_view key, uint64_t writer) {
  groups_.for_each_prefix_of(key, [&](Group& group) {
    if (group.changed.empty()) touched_.push_back(&group);
    group.changed.insert_or_assign(std::string(key), writer);
  });
}

void Tracking::broadcast(const Send& send) {
  std::ranges::sort(touched_, {}, &Group::prefix);
  for (Group* group : std::exchange(touched_, {})) {
    const auto changed = std::exchange(group->changed, {});
    std::string all;  // made once for all those who want it
    for (Session* session : group->sessions) {
      auto wanted = [session](const auto& change) {
        return is_told(*session, change.first, change.second);
      };
      const auto count = static_cast<size_t>(std::ranges::count_if(changed, wanted));
      if (count == changed.size()) {
        if (all.empty()) all = array_of_keys(changed, wanted, count);
        send(*session, all);
      } else if (count > 0) {
        send(*session, array_of_keys(changed, wanted, count));
      }
    }
  }
}

// The first key in a bucket chosen by `random`, or after it. There is one.
Tracking::Keys::iterator Tracking::some_key(uint64_t random) {
  size_t bucket = random % keys_.bucket_count();
  while (keys_.bucket_size(bucket) == 0) bucket = (bucket + 1) % keys_.bucket_count();
  return keys_.find(keys_.begin(bucket)->first);
}

void Tracking::evict(size_t keys_max, size_t most, uint64_t random, const TellKey& tell) {
  for (; keys_.size() > keys_max && most > 0; --most) {
    auto evicted = some_key(splitmix64(random));
    tell_all(*evicted, tell);
    keys_.erase(evicted);
    // Or the search for the few that are left would be long.
    constexpr size_t kBucketsOfAKeyMax = 16;
    if (keys_.size() * kBucketsOfAKeyMax < keys_.bucket_count()) keys_.rehash(0);
  }
}

void Tracking::tell_all(const Keys::value_type& entry, const TellKey& tell) {
  auto tell_one = [&](uint64_t id) {
    --items_;
    if (Session* session = reader(id)) tell(*session, entry.first);
  };
  tell_one(entry.second.first.session);
  if (entry.second.others == nullptr) return;
  for (const auto& [id, seen] : *entry.second.others) tell_one(id);
}

void Tracking::forget_keys() {
  Keys().swap(keys_);
  items_ = 0;
}

}  // namespace kvorum::server
