// CRC-32C (Castagnoli polynomial, RFC 3720 appendix B.4), with the processor's instruction where
// there is one.
#pragma once

#include <cstdint>
#include <string_view>

namespace kvorum {

// The checksum of `bytes`, or of everything so far when `crc` is the checksum of what came before.
uint32_t crc32c(std::string_view bytes, uint32_t crc = 0);

// The same by table lookup on any processor; public so that tests compare the two.
uint32_t crc32c_portable(std::string_view bytes, uint32_t crc = 0);

}  // namespace kvorum
