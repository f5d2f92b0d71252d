// The formats of the store's tables. Pure functions, so equal state is equal bytes on every node.
// Fixed-width, because a header is written with every change.
//
//   keys       escaped-key                            -> header value-bytes
//   created    revision:u64be change:u32be key        -> (nothing)
//   deadlines  deadline:u64be key                     -> (nothing)   only keys that have one
//   history    revision:u64be change:u32be            -> row         of its first event
//   meta       "format" | "applied" | "configuration" -> see below
#pragma once

#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "storage/store.h"

namespace kvorum::storage {

// Raised when an older program could not read what a newer one writes, or the other way round.
inline constexpr uint32_t kStoreFormat = 3;

inline constexpr std::string_view kMetaFormat = "format";                // format:u32le
inline constexpr std::string_view kMetaApplied = "applied";              // see AppliedRecord
inline constexpr std::string_view kMetaConfiguration = "configuration";  // raft::encode

//   escaped-key = key                  when it is neither empty nor begins with a zero byte
//               | 0x00 key             otherwise
// Order is kept, and the engine never sees an empty key. `buffer` holds the result when it differs
// from the key.
inline std::string_view escape_key(std::string_view key, std::string& buffer) {
  if (!key.empty() && key.front() != '\0') return key;
  buffer.assign(1, '\0');
  buffer.append(key);
  return buffer;
}
inline std::string_view unescape_key(std::string_view escaped) {
  if (!escaped.empty() && escaped.front() == '\0') escaped.remove_prefix(1);
  return escaped;
}

//   header = tag:u8 modified [created] [deadline:u64le]
//   modified, created = revision:u64le change:u32le
//   tag = type (low 4 bits) | 0x10 created differs from modified and follows | 0x20 deadline
//   follows
inline constexpr uint8_t kTagTypeMask = 0x0f;
inline constexpr uint8_t kTagCreated = 0x10;
inline constexpr uint8_t kTagDeadline = 0x20;
inline constexpr size_t kHeaderBytesMax = 1 + 12 + 12 + 8;

// Writes at `out`, which has room for kHeaderBytesMax, and gives the size.
inline size_t encode_header(const KeyHeader& header, char* out) {
  char* at = out + 1;
  auto put_event = [&at](EventId id) {
    put_u64_le(at, id.revision);
    put_u32_le(at + 8, id.change);
    at += 12;
  };
  uint8_t tag = static_cast<uint8_t>(header.type);
  put_event(header.modified);
  if (header.created != header.modified) {
    tag |= kTagCreated;
    put_event(header.created);
  }
  if (header.deadline != 0) {
    tag |= kTagDeadline;
    put_u64_le(at, header.deadline);
    at += 8;
  }
  *out = static_cast<char>(tag);
  return static_cast<size_t>(at - out);
}

// False when `bytes` do not begin with a header; otherwise `record.value` is what follows it.
[[nodiscard]] inline bool decode_record(std::string_view bytes, Record& record) {
  if (bytes.size() < 13) return false;
  const uint8_t tag = static_cast<uint8_t>(bytes[0]);
  const size_t size =
      size_t{13} + ((tag & kTagCreated) != 0 ? 12 : 0) + ((tag & kTagDeadline) != 0 ? 8 : 0);
  if (bytes.size() < size || (tag & 0xc0) != 0) return false;
  const char* at = bytes.data() + 1;
  auto get_event = [&at] {
    EventId id{get_u64_le(at), get_u32_le(at + 8)};
    at += 12;
    return id;
  };
  record.header.type = static_cast<ValueType>(tag & kTagTypeMask);
  record.header.modified = get_event();
  record.header.created = (tag & kTagCreated) != 0 ? get_event() : record.header.modified;
  record.header.deadline = (tag & kTagDeadline) != 0 ? get_u64_le(at) : 0;
  record.value = bytes.substr(size);
  return true;
}

inline constexpr size_t kCreatedPrefixBytes = 12;
inline constexpr size_t kDeadlinePrefixBytes = 8;

// In the order of ids.
inline void make_event_key(EventId id, std::string& out) {
  char bytes[kHistoryKeyBytes];
  put_u64_be(bytes, id.revision);
  put_u32_be(bytes + 8, id.change);
  out.assign(bytes, sizeof(bytes));
}
// Of a key that begins with one.
inline EventId event_of(std::string_view key) {
  return {get_u64_be(key.data()), get_u32_be(key.data() + 8)};
}

inline void make_created_key(EventId created, std::string_view key, std::string& out) {
  make_event_key(created, out);
  out.append(key);
}

inline void make_deadline_key(UnixMillis deadline, std::string_view key, std::string& out) {
  char prefix[kDeadlinePrefixBytes];
  put_u64_be(prefix, deadline);
  out.assign(prefix, sizeof(prefix));
  out.append(key);
}

//   applied  = term index items_done stamp revision key_count expiring_count configuration_changes
//   history
//              proposer*
//   history  = max_bytes max_age_ms bytes oldest_stamp floor last oldest
//   proposer = node session sequence index
// Numbers are u64le, events (floor, last, oldest) revision:u64le change:u32le.
// configuration_changes counts how often the configuration was replaced: who has read it once reads
// it again only when the number differs.
struct AppliedRecord {
  raft::EntryId applied;
  uint64_t items_done = 0;
  UnixMillis stamp = 0;
  uint64_t revision = 0;
  uint64_t key_count = 0;
  uint64_t expiring_count = 0;
  uint64_t configuration_changes = 0;
  HistoryState history;
  std::vector<Proposer> proposers;
};
inline constexpr size_t kHistoryStateBytes = size_t{4} * 8 + size_t{3} * 12;
inline constexpr size_t kAppliedBytesMin = size_t{8} * 8 + kHistoryStateBytes;
inline constexpr size_t kProposerBytes = size_t{4} * 8;
inline constexpr size_t kAppliedBytesMax = kAppliedBytesMin + kProposersMax * kProposerBytes;

// All of the state but the configuration.
inline void fill_state(AppliedRecord record, AppliedState& state) {
  state.applied = record.applied;
  state.items_done = record.items_done;
  state.stamp = record.stamp;
  state.revision = record.revision;
  state.key_count = record.key_count;
  state.expiring_count = record.expiring_count;
  state.history = record.history;
  state.proposers = std::move(record.proposers);
}

// Writes kHistoryStateBytes.
inline void encode_history_state(const HistoryState& history, char* out) {
  for (uint64_t number :
       {history.max_bytes, history.max_age_ms, history.bytes, history.oldest_stamp}) {
    put_u64_le(out, number);
    out += 8;
  }
  for (EventId id : {history.floor, history.last, history.oldest}) {
    put_u64_le(out, id.revision);
    put_u32_le(out + 8, id.change);
    out += 12;
  }
}
inline HistoryState decode_history_state(const char* in) {
  HistoryState history;
  for (uint64_t* number :
       {&history.max_bytes, &history.max_age_ms, &history.bytes, &history.oldest_stamp}) {
    *number = get_u64_le(in);
    in += 8;
  }
  for (EventId* id : {&history.floor, &history.last, &history.oldest}) {
    *id = {get_u64_le(in), get_u32_le(in + 8)};
    in += 12;
  }
  return history;
}

// Writes at most kAppliedBytesMax bytes and returns how many.
inline size_t encode_applied(const AppliedRecord& record, char* out) {
  const uint64_t numbers[] = {record.applied.term.value(),
                              record.applied.index.value(),
                              record.items_done,
                              record.stamp,
                              record.revision,
                              record.key_count,
                              record.expiring_count,
                              record.configuration_changes};
  for (size_t i = 0; i < std::size(numbers); ++i) put_u64_le(out + 8 * i, numbers[i]);
  encode_history_state(record.history, out + 8 * std::size(numbers));
  char* at = out + kAppliedBytesMin;
  for (const Proposer& proposer : record.proposers) {
    put_u64_le(at, proposer.node.value());
    put_u64_le(at + 8, proposer.session);
    put_u64_le(at + 16, proposer.sequence);
    put_u64_le(at + 24, proposer.index.value());
    at += kProposerBytes;
  }
  return static_cast<size_t>(at - out);
}
[[nodiscard]] inline bool decode_applied(std::string_view bytes, AppliedRecord& record) {
  if (bytes.size() < kAppliedBytesMin || bytes.size() > kAppliedBytesMax ||
      (bytes.size() - kAppliedBytesMin) % kProposerBytes != 0) {
    return false;
  }
  const char* in = bytes.data();
  record.applied = {raft::Term(get_u64_le(in)), raft::Index(get_u64_le(in + 8))};
  record.items_done = get_u64_le(in + 16);
  record.stamp = get_u64_le(in + 24);
  record.revision = get_u64_le(in + 32);
  record.key_count = get_u64_le(in + 40);
  record.expiring_count = get_u64_le(in + 48);
  record.configuration_changes = get_u64_le(in + 56);
  record.history = decode_history_state(in + 64);
  record.proposers.clear();
  for (in += kAppliedBytesMin; in < bytes.data() + bytes.size(); in += kProposerBytes) {
    record.proposers.push_back({raft::NodeId(get_u64_le(in)), get_u64_le(in + 8),
                                get_u64_le(in + 16), raft::Index(get_u64_le(in + 24))});
  }
  return true;
}

}  // namespace kvorum::storage
