// The two versions of the Redis serialization protocol.
#pragma once

#include <cstdint>

namespace kvorum::resp {

enum class Protocol : uint8_t { kResp2 = 2, kResp3 = 3 };

}  // namespace kvorum::resp
