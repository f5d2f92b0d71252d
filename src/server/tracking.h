// Tracking: which connections of a loop have to hear of a change of which key (CLIENT TRACKING).
// Keys that were read are remembered with their readers, until they change; prefixes of broadcasts
// gather what changed until the turn ends. Decides nothing about time, order or the wire.
//
// A reader is remembered with the last change it saw: an older one, which comes late, is not news.
// Readers that stopped tracking stay in the table until their key changes. Owned by one client
// loop; knows sessions only as pointers, by their CLIENT ID.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/event_id.h"
#include "server/prefix_tree.h"

namespace kvorum::server {

struct Session;

class Tracking {
 public:
  // The session has its `tracking` state, and keeps its mode until stop().
  void start(Session& session);
  // The prefix is not among the session's yet.
  void add_prefix(Session& session, std::string_view prefix);
  void stop(Session& session);

  bool active() const { return !sessions_.empty(); }
  void for_each(const std::function<void(Session&)>& visit) const;

  // `session` has read `key` after the change `seen`. When it is remembered already, what it saw
  // first counts: it may still use that.
  void remember(const Session& session, std::string_view key, EventId seen);
  // `key` was changed by the connection with CLIENT ID `writer`, or 0. Calls `tell` for the readers
  // that have not seen it, and forgets them.
  using Tell = std::function<void(Session&)>;
  void changed(std::string_view key, EventId id, uint64_t writer, const Tell& tell);
  // Forgets keys, chosen by `random`, until `keys_max` are left or `most` are gone.
  using TellKey = std::function<void(Session&, std::string_view key)>;
  void evict(size_t keys_max, size_t most, uint64_t random, const TellKey& tell);
  void forget_keys();

  // Gives what changed since the last call to those who asked for its prefix: one array of keys for
  // each prefix.
  using Send = std::function<void(Session&, const std::string& keys)>;
  void broadcast(const Send& send);

  size_t sessions() const { return sessions_.size(); }
  size_t keys() const { return keys_.size(); }
  size_t items() const { return items_; }  // readers of all keys
  size_t prefixes() const { return prefix_count_; }

 private:
  struct Reader {
    uint64_t session = 0;
    EventId seen;
  };
  // Most keys have one reader: only those with more pay for a table.
  struct Readers {
    Reader first;
    std::unique_ptr<std::unordered_map<uint64_t, EventId>> others;
  };
  struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Keys = std::unordered_map<std::string, Readers, StringHash, std::equal_to<>>;

  struct Group {
    std::string prefix;
    std::vector<Session*> sessions;
    // With who changed it last.
    std::map<std::string, uint64_t, std::less<>> changed;
  };

  Session* reader(uint64_t id) const;
  void add_other(Readers& readers, const Reader& reader);
  void note_for_prefixes(std::string_view key, uint64_t writer);
  Keys::iterator some_key(uint64_t random);
  void tell_all(const Keys::value_type& entry, const TellKey& tell);
  void leave(Session& session, std::string_view prefix);

  std::unordered_map<uint64_t, Session*> sessions_;
  size_t readers_ = 0;  // the sessions that do not ask for broadcasts
  Keys keys_;
  size_t items_ = 0;

  PrefixTree<Group> groups_;
  size_t prefix_count_ = 0;
  std::vector<Group*> touched_;  // have changed keys
};

// One key as a complete array.
std::string array_of_key(std::string_view key);

}  // namespace kvorum::server
