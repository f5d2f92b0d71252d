// The request parser against any bytes: a stream means the same however it is cut into pieces,
// nothing is consumed that is not there, an argument lies in what was consumed, and errors are one
// line. The first byte of the input chooses the mode and seeds the cuts.
#include <cstdint>
#include <random>
#include <string_view>

#include "base/check.h"
#include "tests/resp/request_script.h"

namespace {

using kvorum::resp::RequestLimits;
using kvorum::resp::ScriptedConnection;

// Low, so that short inputs reach them.
constexpr RequestLimits kSmall{
    .bulk_bytes_max = 64, .arguments_max = 16, .inline_bytes_max = 32, .request_bytes_max = 128};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t mode = data[0];
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const RequestLimits limits = (mode & 1) != 0 ? kSmall : RequestLimits{};
  const bool authenticated = (mode & 2) == 0;

  ScriptedConnection whole(limits, authenticated);
  whole.receive(input);
  const auto& script = whole.script();
  CHECK(script.error.find_first_of("\r\n") == std::string::npos);
  size_t arguments_bytes = 0;
  for (const auto& request : script.requests) {
    CHECK(request.size() <= limits.arguments_max || request.size() <= input.size());
    for (const auto& argument : request) {
      CHECK(argument.size() <= limits.bulk_bytes_max || argument.size() <= limits.inline_bytes_max);
      arguments_bytes += argument.size();
    }
  }
  CHECK(arguments_bytes + script.unread <= input.size());

  std::minstd_rand random(mode);
  ScriptedConnection cut(limits, authenticated);
  std::string_view rest = input;
  while (!rest.empty()) {
    const size_t piece = 1 + random() % (1 + mode / 16);
    if (!cut.receive(rest.substr(0, piece))) break;
    rest.remove_prefix(std::min(piece, rest.size()));
  }
  CHECK(cut.script() == script);
  return 0;
}
