#include <algorithm>
#include <string>
#include <vector>

#include "command/strings.h"

namespace kvorum::command::strings {

using storage::Record;

namespace {

// Bounds memory, and the time that one read may hold its thread: product of the lengths.
constexpr uint64_t kLcsCellsMax = 16 << 20;

struct LcsOptions {
  bool length = false;
  bool ranges = false;
  bool with_match_length = false;
  uint64_t shortest_match = 0;
};

std::optional<LcsOptions> parse_lcs_options(Args args, ReplyWriter& reply) {
  LcsOptions options;
  for (size_t i = 3; i < args.size(); ++i) {
    if (is_word(args[i], "idx")) {
      options.ranges = true;
    } else if (is_word(args[i], "len")) {
      options.length = true;
    } else if (is_word(args[i], "withmatchlen")) {
      options.with_match_length = true;
    } else if (is_word(args[i], "minmatchlen") && i + 1 < args.size()) {
      const std::optional<int64_t> length = parse_integer(args[++i], reply);
      if (!length) return std::nullopt;
      options.shortest_match = static_cast<uint64_t>(std::max<int64_t>(*length, 0));
    } else {
      reply.error(errors::kSyntax);
      return std::nullopt;
    }
  }
  if (options.length && options.ranges) {
    reply.error("ERR If you want both the length and indexes, please just use IDX.");
    return std::nullopt;
  }
  return options;
}

// lengths(i, j): the longest common subsequence of the first i bytes of a and the first j of b.
class LcsTable {
 public:
  LcsTable(std::string_view a, std::string_view b)
      : width_(b.size() + 1), cells_((a.size() + 1) * width_) {
    for (size_t i = 1; i <= a.size(); ++i) {
      for (size_t j = 1; j <= b.size(); ++j) {
        cells_[i * width_ + j] =
            a[i - 1] == b[j - 1] ? at(i - 1, j - 1) + 1 : std::max(at(i - 1, j), at(i, j - 1));
      }
    }
  }
  uint32_t at(size_t i, size_t j) const { return cells_[i * width_ + j]; }

 private:
  size_t width_;
  std::vector<uint32_t> cells_;
};

// A run of equal bytes: a[a_first, a_first + length) and b[b_first, b_first + length).
struct Match {
  size_t a_first;
  size_t b_first;
  size_t length;
};

// The runs of one longest subsequence, last first; of several, the one that Redis finds.
std::vector<Match> find_matches(std::string_view a, std::string_view b, const LcsTable& table) {
  std::vector<Match> matches;
  size_t i = a.size();
  size_t j = b.size();
  bool adjoins = false;
  while (i > 0 && j > 0) {
    if (a[i - 1] == b[j - 1]) {
      --i;
      --j;
      if (!adjoins) matches.push_back({0, 0, 0});
      matches.back() = {i, j, matches.back().length + 1};
      adjoins = true;
    } else {
      table.at(i - 1, j) > table.at(i, j - 1) ? --i : --j;
      adjoins = false;
    }
  }
  return matches;
}

void write_range(size_t first, size_t length, ReplyWriter& reply) {
  reply.array(2);
  reply.integer(static_cast<int64_t>(first));
  reply.integer(static_cast<int64_t>(first + length - 1));
}

void write_matches(std::vector<Match> matches, const LcsOptions& options, uint32_t length,
                   ReplyWriter& reply) {
  std::erase_if(matches, [&](const Match& match) { return match.length < options.shortest_match; });
  reply.map(2);
  reply.bulk("matches");
  reply.array(matches.size());
  for (const Match& match : matches) {
    reply.array(options.with_match_length ? 3 : 2);
    write_range(match.a_first, match.length, reply);
    write_range(match.b_first, match.length, reply);
    if (options.with_match_length) reply.integer(static_cast<int64_t>(match.length));
  }
  reply.bulk("len");
  reply.integer(length);
}

std::string subsequence(std::string_view a, const std::vector<Match>& matches) {
  std::string text;
  for (auto match = matches.rbegin(); match != matches.rend(); ++match) {
    text += a.substr(match->a_first, match->length);
  }
  return text;
}

// False after an error was written.
bool read_string(Keyspace& keys, std::string_view key, std::string& value, ReplyWriter& reply) {
  const std::optional<Record> record = keys.find(key);
  if (!record) return true;
  if (record->header.type != storage::ValueType::kString) {
    reply.error("ERR The specified keys must contain string values");
    return false;
  }
  value.assign(record->value);
  return true;
}

}  // namespace

void lcs(Keyspace& keys, Args args, ReplyWriter& reply) {
  std::string a;
  std::string b;
  if (!read_string(keys, args[1], a, reply) || !read_string(keys, args[2], b, reply)) return;
  const std::optional<LcsOptions> options = parse_lcs_options(args, reply);
  if (!options) return;
  if (uint64_t{a.size() + 1} > kLcsCellsMax / (b.size() + 1)) {
    return reply.error(
        "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
  }
  const LcsTable table(a, b);
  const uint32_t length = table.at(a.size(), b.size());
  if (options->length) return reply.integer(length);
  std::vector<Match> matches = find_matches(a, b, table);
  if (options->ranges) return write_matches(std::move(matches), *options, length, reply);
  reply.bulk(subsequence(a, matches));
}

}  // namespace kvorum::command::strings
