// The reader of frames and the decoder of messages against any bytes: a stream means the same
// however it is cut into pieces, nothing is taken that is not there, and what decodes is encoded to
// bytes that decode to the same. The first byte of the input chooses the limits and seeds the cuts.
#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "peer/codec.h"
#include "peer/frame_reader.h"
#include "peer/handshake.h"

namespace kvorum::peer {
namespace {

// Low, so that short inputs reach them.
constexpr FrameLimits kSmall{.bytes_max = 64, .words_max = 4};
constexpr FrameLimits kLarge{.bytes_max = size_t{1} << 20, .words_max = 1024};

struct Script {
  bool operator==(const Script&) const = default;

  std::vector<std::vector<std::string>> frames;
  std::string error;
};

// Feeds `input` in pieces of up to `piece_max` bytes.
Script read_all(std::string_view input, FrameLimits limits, size_t piece_max, uint32_t seed) {
  std::minstd_rand random(seed);
  FrameReader reader(limits);
  Script script;
  std::string held;
  while (!input.empty()) {
    const size_t piece = std::min<size_t>(input.size(), 1 + random() % piece_max);
    held.append(input.substr(0, piece));
    input.remove_prefix(piece);
    while (true) {
      auto frame = reader.next(held);
      if (!frame) {
        script.error = frame.error().message;
        CHECK(script.error.find_first_of("\r\n") == std::string::npos);
        return script;
      }
      if (!*frame) {
        CHECK(reader.wanted_bytes() > held.size());
        CHECK(reader.wanted_bytes() <= std::max(limits.bytes_max, held.size() + 1));
        break;
      }
      CHECK(reader.frame_bytes() <= held.size());
      CHECK(!(*frame)->words.empty() && (*frame)->words.size() <= limits.words_max);
      held.erase(0, reader.frame_bytes());
      (void)decode_greeting(**frame);
      (void)refusal_in(**frame, raft::NodeId(1));
      script.frames.push_back(std::move((*frame)->words));
    }
  }
  return script;
}

void check_message(const std::vector<std::string>& words) {
  auto message = decode(words);
  if (!message) {
    CHECK(message.error().message.find_first_of("\r\n") == std::string::npos);
    return;
  }
  const std::string bytes = encode(*message);
  FrameReader reader({bytes.size(), words.size()});
  auto frame = reader.next(bytes);
  CHECK(frame.has_value() && frame->has_value() && reader.frame_bytes() == bytes.size());
  CHECK((*frame)->words == words);
}

}  // namespace
}  // namespace kvorum::peer

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kvorum::peer;
  if (size == 0) return 0;
  const uint8_t mode = data[0];
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const FrameLimits limits = (mode & 1) != 0 ? kSmall : kLarge;
  const Script whole = read_all(input, limits, size_t{1} << 20, 1);
  const Script cut = read_all(input, limits, 1 + size_t{mode} / 16, mode);
  CHECK(whole.frames == cut.frames && whole.error.empty() == cut.error.empty());
  for (const auto& words : whole.frames) check_message(words);
  return 0;
}
