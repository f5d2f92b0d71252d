// ByteWriter and ByteReader: the primitives of every binary format of ours. Little-endian fixed
// integers, big-endian ones where bytes must sort like numbers, LEB128 varints, length-prefixed
// strings. A reader never reads past its input: it turns bad and stays bad, asked once at the end.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace kvorum {

static_assert(std::endian::native == std::endian::little, "formats are written for little-endian");

inline void put_u32_le(char* out, uint32_t value) {
  std::memcpy(out, &value, sizeof(value));
}
inline void put_u64_le(char* out, uint64_t value) {
  std::memcpy(out, &value, sizeof(value));
}
inline void put_u32_be(char* out, uint32_t value) {
  put_u32_le(out, __builtin_bswap32(value));
}
inline void put_u64_be(char* out, uint64_t value) {
  put_u64_le(out, __builtin_bswap64(value));
}

inline uint32_t get_u32_le(const char* in) {
  uint32_t value = 0;
  std::memcpy(&value, in, sizeof(value));
  return value;
}
inline uint64_t get_u64_le(const char* in) {
  uint64_t value = 0;
  std::memcpy(&value, in, sizeof(value));
  return value;
}
inline uint32_t get_u32_be(const char* in) {
  return __builtin_bswap32(get_u32_le(in));
}
inline uint64_t get_u64_be(const char* in) {
  return __builtin_bswap64(get_u64_le(in));
}

// Appends to a string it does not own.
class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) : out_(out) {}

  void u8(uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void u32_le(uint32_t value) { fixed(value, put_u32_le); }
  void u64_le(uint64_t value) { fixed(value, put_u64_le); }
  void u32_be(uint32_t value) { fixed(value, put_u32_be); }
  void u64_be(uint64_t value) { fixed(value, put_u64_be); }

  void varint(uint64_t value) {
    while (value >= 0x80) {
      u8(static_cast<uint8_t>(value | 0x80));
      value >>= 7;
    }
    u8(static_cast<uint8_t>(value));
  }
  void raw(std::string_view bytes) { out_.append(bytes); }
  // varint length, then the bytes.
  void string(std::string_view bytes) {
    varint(bytes.size());
    raw(bytes);
  }

 private:
  template <class T>
  void fixed(T value, void (*put)(char*, T)) {
    char buffer[sizeof(T)];
    put(buffer, value);
    out_.append(buffer, sizeof(T));
  }

  std::string& out_;
};

// Reads from bytes it does not own. After a short or malformed read, `ok()` is false and every
// further read gives zero or an empty view.
class ByteReader {
 public:
  explicit ByteReader(std::string_view in) : in_(in) {}

  bool ok() const { return ok_; }
  // Nothing left and nothing went wrong.
  bool done() const { return ok_ && in_.empty(); }
  std::string_view rest() const { return in_; }

  uint8_t u8() {
    std::string_view bytes = raw(1);
    return bytes.empty() ? uint8_t{0} : static_cast<uint8_t>(bytes[0]);
  }
  uint32_t u32_le() { return fixed<uint32_t>(get_u32_le); }
  uint64_t u64_le() { return fixed<uint64_t>(get_u64_le); }
  uint32_t u32_be() { return fixed<uint32_t>(get_u32_be); }
  uint64_t u64_be() { return fixed<uint64_t>(get_u64_be); }

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      uint8_t byte = u8();
      if (!ok_) return 0;
      if (shift == 63 && byte > 1) break;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    return bad<uint64_t>();
  }
  std::string_view raw(uint64_t size) {
    if (!ok_ || size > in_.size()) return bad<std::string_view>();
    std::string_view bytes = in_.substr(0, size);
    in_.remove_prefix(size);
    return bytes;
  }
  std::string_view string() { return raw(varint()); }

 private:
  template <class T>
  T bad() {
    ok_ = false;
    in_ = {};
    return T{};
  }
  template <class T>
  T fixed(T (*get)(const char*)) {
    std::string_view bytes = raw(sizeof(T));
    return bytes.size() == sizeof(T) ? get(bytes.data()) : T{0};
  }

  std::string_view in_;
  bool ok_ = true;
};

}  // namespace kvorum
