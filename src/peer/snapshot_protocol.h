// What is said on a connection that carries a snapshot, after its handshake, and the limits that
// both sides keep to. Values only: no sockets, no files.
//
//   sender                                                receiver
//   begin term index stamp configuration id count file*   resume file offset | installed | error
//   chunk file offset crc bytes                           ack file offset      | error
//   end crc                                               installed            | error
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "peer/frame_reader.h"
#include "raft/types.h"
#include "storage/store.h"

namespace kvorum::peer {

inline constexpr size_t kChunkBytesMax = size_t{256} << 10;
inline constexpr size_t kChunksUnacknowledgedMax = 8;
inline constexpr size_t kSnapshotFilesMax = 10'000;
inline constexpr FrameLimits kBeginLimits{.bytes_max = size_t{4} << 20,
                                          .words_max = 7 + 2 * kSnapshotFilesMax};
inline constexpr FrameLimits kChunkLimits{.bytes_max = kChunkBytesMax + 256, .words_max = 8};
inline constexpr FrameLimits kSnapshotAnswerLimits{.bytes_max = 4096, .words_max = 8};

using SnapshotFiles = std::vector<storage::BackupSource::File>;

// How far a snapshot has come: everything before `offset` of file number `file`, in order.
struct SnapshotPosition {
  size_t file = 0;
  uint64_t offset = 0;
  auto operator<=>(const SnapshotPosition&) const = default;
};
// The end of a file is the beginning of the next that is not empty.
SnapshotPosition normalized(const SnapshotFiles& files, SnapshotPosition position);

struct SnapshotOffer {
  raft::SnapshotMeta meta;
  std::string id;  // of this opening of these files; random
  SnapshotFiles files;
};
std::string encode_begin(const SnapshotOffer& offer);
// The error says what the receiver will not take: a name that could lead out of its folder, too
// many files, sizes that can't be.
Result<SnapshotOffer> decode_begin(const std::vector<std::string>& words);
// The offer's sum, which decode_begin has seen to be a number.
uint64_t total_bytes(const SnapshotFiles& files);

struct SnapshotChunk {
  SnapshotPosition position;
  uint32_t crc = 0;
  std::string_view bytes;
};
void append_chunk(std::string& out, const SnapshotChunk& chunk);
// The bytes stay in `words`.
Result<SnapshotChunk> decode_chunk(const std::vector<std::string>& words);

std::string encode_end(uint32_t crc);
std::optional<uint32_t> decode_end(const std::vector<std::string>& words);

enum class SnapshotAnswer { kResume, kAck };
std::string encode_answer(SnapshotAnswer answer, SnapshotPosition position);
std::optional<SnapshotPosition> decode_answer(SnapshotAnswer answer, const Frame& frame);
std::string encode_installed();
bool is_installed(const Frame& frame);

// An error line: RETRY when sending again may help, ERR when not.
inline constexpr std::string_view kRetry = "RETRY ";
inline constexpr std::string_view kFinal = "ERR ";

}  // namespace kvorum::peer
