#include <algorithm>
#include <string>
#include <vector>

#include "base/glob.h"
#include "base/parse_number.h"
#include "command/keys.h"

namespace kvorum::command::keys_family {

using storage::KeyHeader;
using storage::Record;

namespace {

// COUNT is a hint: whatever it says, one call does not gather more than this.
constexpr uint64_t kScanCountMax = 1 << 20;
constexpr uint64_t kScanCountDefault = 10;
// How often RANDOMKEY draws again after a due key, before it looks for any other.
constexpr int kRandomDraws = 100;

struct ScanOptions {
  uint64_t count = kScanCountDefault;
  std::optional<std::string_view> pattern;
  std::optional<std::string_view> type;
};

std::optional<ScanOptions> parse_scan_options(Args args, ReplyWriter& reply) {
  ScanOptions options;
  for (size_t i = 2; i < args.size(); i += 2) {
    const bool has_value = i + 1 < args.size();
    if (has_value && is_word(args[i], "count")) {
      const std::optional<int64_t> count = parse_integer(args[i + 1], reply);
      if (!count) return std::nullopt;
      if (*count < 1) {
        reply.error(errors::kSyntax);
        return std::nullopt;
      }
      options.count = std::min(static_cast<uint64_t>(*count), kScanCountMax);
    } else if (has_value && is_word(args[i], "match")) {
      options.pattern = args[i + 1];
    } else if (has_value && is_word(args[i], "type")) {
      options.type = args[i + 1];
    } else {
      reply.error(errors::kSyntax);
      return std::nullopt;
    }
  }
  return options;
}

struct ScanPage {
  std::vector<std::string> keys;
  uint64_t cursor = 0;  // of the next page; 0 after the last one
};

// A cursor stands for a place in the order of creation. Two forms share its 64 bits:
//
//   0, revision:43, change:20    the keys made before that event
//   1, revision:63               the keys made before that revision: where the first has no room
constexpr uint64_t kWholeRevision = uint64_t{1} << 63;
constexpr int kChangeBits = 20;
constexpr uint64_t kChangeMask = (uint64_t{1} << kChangeBits) - 1;

bool has_exact_cursor(EventId id) {
  return id.revision < kWholeRevision >> kChangeBits && id.change <= kChangeMask;
}

uint64_t cursor_before(EventId id) {
  if (!has_exact_cursor(id)) return kWholeRevision | id.revision;
  return id.revision << kChangeBits | id.change;
}

EventId place_of(uint64_t cursor) {
  if ((cursor & kWholeRevision) != 0) return {cursor & ~kWholeRevision, 0};
  return {cursor >> kChangeBits, static_cast<uint32_t>(cursor & kChangeMask)};
}

// The cursor is the creation of the oldest key met so far; the next page begins with the keys made
// before it. A key keeps its creation for as long as it is there, so it is met exactly once; newer
// keys are behind the cursor, which only falls.
ScanPage read_page(storage::View& view, uint64_t cursor, uint64_t count) {
  ScanPage page;
  EventId oldest;
  const auto before = cursor == 0 ? std::nullopt : std::optional<EventId>(place_of(cursor));
  view.for_each_created_before(before, [&](EventId created, std::string_view key) {
    const bool may_end =
        has_exact_cursor(oldest) ? created != oldest : created.revision != oldest.revision;
    if (page.keys.size() >= count && may_end) {
      page.cursor = cursor_before(oldest);
      return false;
    }
    oldest = created;
    page.keys.emplace_back(key);
    return true;
  });
  return page;
}

bool wanted(Keyspace& keys, std::string_view key, const ScanOptions& options) {
  if (options.pattern && !glob_match(*options.pattern, key)) return false;
  const std::optional<KeyHeader> header = keys.find_header(key);
  return header && (!options.type || is_word(*options.type, type_name(header->type)));
}

}  // namespace

void keys_matching(Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::string_view pattern = args[1];
  const LiteralPrefix prefix = literal_prefix(pattern);
  if (prefix.is_literal()) {
    const bool found = keys.find_header(prefix.text).has_value();
    reply.array(found ? 1 : 0);
    if (found) reply.bulk(prefix.text);
    return;
  }
  std::string found;
  size_t count = 0;
  ReplyWriter writer(found, reply.protocol());
  keys.view().for_each(prefix.text, [&](std::string_view key, const Record& record) {
    if (keys.due(record.header)) return true;
    if (!prefix.is_prefix() && !glob_match(pattern, key)) return true;
    writer.bulk(key);
    ++count;
    return true;
  });
  reply.array(count);
  reply.raw(found);
}

void scan(Keyspace& keys, Args args, ReplyWriter& reply) {
  const std::optional<uint64_t> cursor = parse_number<uint64_t>(args[1]);
  if (!cursor) return reply.error("ERR invalid cursor");
  const std::optional<ScanOptions> options = parse_scan_options(args, reply);
  if (!options) return;
  ScanPage page = read_page(keys.view(), *cursor, options->count);
  std::erase_if(page.keys, [&](const std::string& key) { return !wanted(keys, key, *options); });
  reply.array(2);
  reply.bulk(std::to_string(page.cursor));
  reply.array(page.keys.size());
  for (const std::string& key : page.keys) reply.bulk(key);
}

void randomkey(Keyspace& keys, Args, ReplyWriter& reply) {
  for (int draw = 0; draw < kRandomDraws; ++draw) {
    const std::optional<std::string> key = keys.view().random_key(keys.next_random());
    if (!key) return reply.null();
    if (keys.find_header(*key)) return reply.bulk(*key);
  }
  std::optional<std::string> live;
  keys.view().for_each("", [&](std::string_view key, const Record& record) {
    if (!keys.due(record.header)) live.emplace(key);
    return !live.has_value();
  });
  live ? reply.bulk(*live) : reply.null();
}

}  // namespace kvorum::command::keys_family
