#include "raft/types.h"

#include <utility>

#include "base/bytes.h"

namespace kvorum::raft {
namespace {

// configuration = version voters outgoing learners members removed
// version       = u8, 2; 1 has no removed
// voters, outgoing, learners, removed = varint count, then count times: u64_le id
// members       = varint count, then count times: u64_le id, string peer, string client
constexpr uint8_t kConfigurationVersion = 2;
constexpr uint8_t kVersionWithoutRemoved = 1;
constexpr size_t kIdBytes = 8;
constexpr size_t kMemberBytesMin = 10;

void write_ids(ByteWriter& out, const std::vector<NodeId>& ids) {
  out.varint(ids.size());
  for (NodeId id : ids) out.u64_le(id.value());
}

// A count that the rest of the input can't hold is refused before anything is reserved for it.
bool read_count(ByteReader& in, size_t item_bytes_min, size_t& count) {
  uint64_t value = in.varint();
  if (!in.ok() || value > in.rest().size() / item_bytes_min) return false;
  count = static_cast<size_t>(value);
  return true;
}

bool read_ids(ByteReader& in, std::vector<NodeId>& ids) {
  size_t count = 0;
  if (!read_count(in, kIdBytes, count)) return false;
  ids.reserve(count);
  for (size_t i = 0; i < count; ++i) ids.emplace_back(in.u64_le());
  return in.ok();
}

bool read_members(ByteReader& in, std::vector<Member>& members) {
  size_t count = 0;
  if (!read_count(in, kMemberBytesMin, count)) return false;
  members.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    Member member{.id = NodeId(in.u64_le()), .peer_address = {}, .client_address = {}};
    member.peer_address = in.string();
    member.client_address = in.string();
    members.push_back(std::move(member));
  }
  return in.ok();
}

}  // namespace

std::string encode(const Configuration& configuration) {
  std::string bytes;
  ByteWriter out(bytes);
  out.u8(kConfigurationVersion);
  write_ids(out, configuration.voters);
  write_ids(out, configuration.outgoing);
  write_ids(out, configuration.learners);
  out.varint(configuration.members.size());
  for (const Member& member : configuration.members) {
    out.u64_le(member.id.value());
    out.string(member.peer_address);
    out.string(member.client_address);
  }
  write_ids(out, configuration.removed);
  return bytes;
}

bool decode(std::string_view bytes, Configuration& configuration) {
  ByteReader in(bytes);
  const uint8_t version = in.u8();
  if (version != kConfigurationVersion && version != kVersionWithoutRemoved) return false;
  Configuration read;
  if (!read_ids(in, read.voters) || !read_ids(in, read.outgoing) || !read_ids(in, read.learners) ||
      !read_members(in, read.members)) {
    return false;
  }
  if (version != kVersionWithoutRemoved && !read_ids(in, read.removed)) return false;
  if (!in.done()) return false;
  configuration = std::move(read);
  return true;
}

}  // namespace kvorum::raft
