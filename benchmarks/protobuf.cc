#include "benchmarks/protobuf.h"

namespace kvorum::benchmarks {
namespace {

constexpr uint64_t kVarint = 0;
constexpr uint64_t kBytes = 2;

void add_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

std::optional<uint64_t> take_varint(std::string_view& in) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(in.front());
    in.remove_prefix(1);
    value |= uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

}  // namespace

void add_varint_field(std::string& out, uint64_t field, uint64_t value) {
  add_varint(out, field << 3 | kVarint);
  add_varint(out, value);
}

void add_bytes_field(std::string& out, uint64_t field, std::string_view bytes) {
  add_varint(out, field << 3 | kBytes);
  add_varint(out, bytes.size());
  out.append(bytes);
}

std::optional<ProtobufField> take_field(std::string_view& in) {
  const auto tag = take_varint(in);
  const auto number = take_varint(in);
  if (!tag || !number) return std::nullopt;
  ProtobufField field{.number = *tag >> 3};
  if ((*tag & 7) == kVarint) {
    field.varint = *number;
    return field;
  }
  if ((*tag & 7) != kBytes || *number > in.size()) return std::nullopt;
  field.bytes = in.substr(0, *number);
  in.remove_prefix(*number);
  return field;
}

std::optional<std::string_view> find_bytes(std::string_view message, uint64_t field) {
  while (const auto next = take_field(message)) {
    if (next->number == field && next->bytes.data() != nullptr) return next->bytes;
  }
  return std::nullopt;
}

}  // namespace kvorum::benchmarks
