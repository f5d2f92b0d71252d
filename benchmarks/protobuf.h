// Protocol buffers as far as etcd's messages need them: unsigned varints and length-delimited
// bytes. Messages are built by appending fields and read one field after the other, without copies.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvorum::benchmarks {

void add_varint_field(std::string& out, uint64_t field, uint64_t value);
void add_bytes_field(std::string& out, uint64_t field, std::string_view bytes);

struct ProtobufField {
  uint64_t number = 0;
  uint64_t varint = 0;          // of a field that is one
  std::string_view bytes = {};  // of a field that holds bytes
};

// Takes the next field off `in`. Nothing at its end, and for what is not of the two kinds above.
std::optional<ProtobufField> take_field(std::string_view& in);

// The first field of this number that holds bytes.
std::optional<std::string_view> find_bytes(std::string_view message, uint64_t field);

}  // namespace kvorum::benchmarks
