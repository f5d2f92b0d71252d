#include "peer/snapshot_protocol.h"

#include <limits>
#include <set>

#include "base/parse_number.h"
#include "peer/codec.h"

namespace kvorum::peer {

// As in codec.cc, words are bulk strings, numbers are decimal. `crc` is a CRC-32C: a chunk's is of
// its bytes, the end's of all files' bytes in the order of the files. A file is two words:
//
//   file      = name bytes

namespace {

constexpr std::string_view kBegin = "begin";
constexpr std::string_view kChunk = "chunk";
constexpr std::string_view kEnd = "end";
constexpr std::string_view kInstalled = "installed";
constexpr size_t kBeginWords = 7;
constexpr size_t kNameBytesMax = 255;
constexpr size_t kIdBytesMax = 64;

// A plain name in one folder.
bool is_file_name(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax || name.front() == '.') return false;
  for (const char c : name) {
    if (c <= ' ' || c > '~' || c == '/') return false;
  }
  return true;
}

std::string_view word_of(SnapshotAnswer answer) {
  return answer == SnapshotAnswer::kResume ? "resume" : "ack";
}

Result<SnapshotFiles> decode_files(const std::vector<std::string>& words) {
  SnapshotFiles files;
  std::set<std::string_view> names;
  uint64_t total = 0;
  for (size_t i = kBeginWords; i < words.size(); i += 2) {
    const std::string& name = words[i];
    uint64_t bytes = 0;
    if (!is_file_name(name)) return fail("a file of the snapshot has a name that is not allowed");
    if (!names.insert(name).second) return fail("two files of the snapshot have one name");
    if (!parse_number(words[i + 1], bytes) ||
        bytes > std::numeric_limits<uint64_t>::max() / 2 - total) {
      return fail("the size of file {} of the snapshot is not possible", name);
    }
    total += bytes;
    files.push_back({name, bytes});
  }
  return files;
}

}  // namespace

SnapshotPosition normalized(const SnapshotFiles& files, SnapshotPosition position) {
  while (position.file < files.size() && position.offset == files[position.file].bytes) {
    position = {position.file + 1, 0};
  }
  return position;
}

uint64_t total_bytes(const SnapshotFiles& files) {
  uint64_t total = 0;
  for (const auto& file : files) total += file.bytes;
  return total;
}

std::string encode_begin(const SnapshotOffer& offer) {
  const raft::SnapshotMeta& meta = offer.meta;
  std::vector<std::string> words{std::string(kBegin),
                                 fmt::to_string(meta.last.term.value()),
                                 fmt::to_string(meta.last.index.value()),
                                 fmt::to_string(meta.stamp),
                                 raft::encode(meta.configuration),
                                 offer.id,
                                 fmt::to_string(offer.files.size())};
  for (const auto& file : offer.files) {
    words.push_back(file.name);
    words.push_back(fmt::to_string(file.bytes));
  }
  return encode_command(words);
}

Result<SnapshotOffer> decode_begin(const std::vector<std::string>& words) {
  SnapshotOffer offer;
  uint64_t term = 0;
  uint64_t index = 0;
  uint64_t count = 0;
  if (words.size() < kBeginWords || words[0] != kBegin || !parse_number(words[1], term) ||
      !parse_number(words[2], index) || !parse_number(words[3], offer.meta.stamp) ||
      !parse_number(words[6], count)) {
    return fail("what came does not begin a snapshot");
  }
  if (!raft::decode(words[4], offer.meta.configuration)) {
    return fail("the configuration of the snapshot can't be decoded");
  }
  if (index == 0 || words[5].empty() || words[5].size() > kIdBytesMax) {
    return fail("the snapshot has no index or no id");
  }
  if (count > kSnapshotFilesMax) {
    return fail("the snapshot has {} files, more than {}", count, kSnapshotFilesMax);
  }
  if (words.size() != kBeginWords + 2 * count) {
    return fail("the snapshot does not name as many files as it has");
  }
  offer.meta.last = {raft::Term(term), raft::Index(index)};
  offer.id = words[5];
  auto files = decode_files(words);
  if (!files) return tl::unexpected(files.error());
  offer.files = std::move(*files);
  return offer;
}

// Written piece by piece: hiredis' formatter would copy the bytes twice more.
void append_chunk(std::string& out, const SnapshotChunk& chunk) {
  out.append("*5\r\n$5\r\nchunk\r\n");
  for (const uint64_t number :
       {uint64_t{chunk.position.file}, chunk.position.offset, uint64_t{chunk.crc}}) {
    const std::string digits = fmt::to_string(number);
    out.append(fmt::format("${}\r\n{}\r\n", digits.size(), digits));
  }
  out.append(fmt::format("${}\r\n", chunk.bytes.size())).append(chunk.bytes).append("\r\n");
}

Result<SnapshotChunk> decode_chunk(const std::vector<std::string>& words) {
  SnapshotChunk chunk;
  if (words.size() != 5 || words[0] != kChunk || !parse_number(words[1], chunk.position.file) ||
      !parse_number(words[2], chunk.position.offset) || !parse_number(words[3], chunk.crc) ||
      words[4].empty() || words[4].size() > kChunkBytesMax) {
    return fail("what came is no part of a snapshot");
  }
  chunk.bytes = words[4];
  return chunk;
}

std::string encode_end(uint32_t crc) {
  return encode_command({std::string(kEnd), fmt::to_string(crc)});
}

std::optional<uint32_t> decode_end(const std::vector<std::string>& words) {
  uint32_t crc = 0;
  if (words.size() != 2 || words[0] != kEnd || !parse_number(words[1], crc)) return std::nullopt;
  return crc;
}

std::string encode_answer(SnapshotAnswer answer, SnapshotPosition position) {
  return encode_command({std::string(word_of(answer)), fmt::to_string(position.file),
                         fmt::to_string(position.offset)});
}

std::optional<SnapshotPosition> decode_answer(SnapshotAnswer answer, const Frame& frame) {
  SnapshotPosition position;
  const auto& words = frame.words;
  if (frame.kind != Frame::Kind::kWords || words.size() != 3 || words[0] != word_of(answer) ||
      !parse_number(words[1], position.file) || !parse_number(words[2], position.offset)) {
    return std::nullopt;
  }
  return position;
}

std::string encode_installed() {
  return encode_command({std::string(kInstalled)});
}

bool is_installed(const Frame& frame) {
  return frame.kind == Frame::Kind::kWords && frame.words.size() == 1 &&
         frame.words[0] == kInstalled;
}

}  // namespace kvorum::peer
