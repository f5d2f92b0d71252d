#include "command/dump.h"

#include "base/bytes.h"
#include "base/crc32c.h"

namespace kvorum::command {

namespace {
constexpr uint8_t kVersion = 1;
}  // namespace

std::string dump(storage::ValueType type, std::string_view value) {
  std::string payload;
  payload.reserve(value.size() + kDumpFrameBytes);
  ByteWriter writer(payload);
  writer.u8(static_cast<uint8_t>(type));
  writer.raw(value);
  writer.u8(kVersion);
  writer.u32_le(crc32c(payload));
  return payload;
}

std::optional<Dumped> parse_dump(std::string_view payload) {
  if (payload.size() < kDumpFrameBytes) return std::nullopt;
  const std::string_view body = payload.substr(0, payload.size() - sizeof(uint32_t));
  if (get_u32_le(payload.data() + body.size()) != crc32c(body)) return std::nullopt;
  if (static_cast<uint8_t>(body.back()) != kVersion) return std::nullopt;
  const auto type = static_cast<storage::ValueType>(body.front());
  if (type != storage::ValueType::kString) return std::nullopt;
  return Dumped{type, body.substr(1, body.size() - 2)};
}

}  // namespace kvorum::command
