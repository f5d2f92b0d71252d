// RequestParser: reads pipelined client requests out of a connection's contiguous input buffer.
// One for each connection, on that connection's thread. It owns no input: it remembers offsets, so
// the buffer may grow or move between calls, and a request that comes in small pieces is read in
// linear time. Invariant: memory follows the bytes that have arrived, never what a header
// announces. The grammar, and what Redis accepts beyond it, is in README.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvorum::resp {

struct RequestLimits {
  // One argument (Redis' proto-max-bulk-len).
  size_t bulk_bytes_max = size_t{512} << 20;
  size_t arguments_max = size_t{1} << 20;
  // An inline request, and the line that holds a count or a length.
  size_t inline_bytes_max = size_t{64} << 10;
  // A whole request with its framing.
  size_t request_bytes_max = size_t{64} << 20;
};

enum class ParseStatus : uint8_t { kIncomplete, kRequest, kError };

struct ParseResult {
  ParseStatus status = ParseStatus::kIncomplete;
  // The caller drops this many bytes from the front of its input, whatever the status: with
  // kIncomplete and kError these were empty requests, which have no reply.
  size_t consumed = 0;
  // With kError: "ERR Protocol error: …" without line breaks. Lives as long as the parser.
  std::string_view error{};
};

class RequestParser {
 public:
  explicit RequestParser(RequestLimits limits = {});

  // Reads one request. `input` is everything unread of the connection: it begins where the last
  // call's `consumed` ended, and what an earlier call saw of it must not have changed.
  // With kRequest `args` holds at least one argument; they point into `input` (inline requests:
  // into the parser) and are valid until the next call or until the input is dropped. With any
  // other status `args` is empty. An error is final: each further call gives it again.
  ParseResult next(std::string_view input, std::vector<std::string_view>& args);

  // After kIncomplete: the current request needs at least this many more bytes. 0 when none has
  // begun. An announcement only: a client may never send them.
  size_t wanted() const { return wanted_; }

  // Until a client has authenticated it gets no more than Redis gives it: 10 arguments of 16 KiB.
  void set_authenticated(bool authenticated) { authenticated_ = authenticated; }

 private:
  enum class Step : uint8_t { kIncomplete, kDone, kError };
  struct Span {
    size_t offset;
    size_t size;
  };

  Step parse_multibulk(std::string_view request, std::vector<std::string_view>& args);
  Step parse_inline(std::string_view request, std::vector<std::string_view>& args);
  Step parse_count(std::string_view request);
  Step parse_bulk_header(std::string_view request);
  // kDone: `line_end_` is the offset of the CR, and one byte follows it.
  Step find_line(std::string_view request, const char* too_big);
  Step incomplete(size_t wanted);
  Step protocol_error(std::string_view what);
  void restart();

  RequestLimits limits_;
  bool authenticated_ = true;

  // Offsets are relative to the first byte of the current request.
  size_t position_ = 0;
  // So many bytes from `position_` on hold no line end.
  size_t scanned_ = 0;
  size_t line_end_ = 0;
  // Arguments still to come; 0 while the count is not read.
  size_t arguments_left_ = 0;
  bool bulk_announced_ = false;
  size_t bulk_bytes_ = 0;
  size_t wanted_ = 0;
  std::vector<Span> arguments_;
  // Unquoted arguments of the inline request given out last.
  std::string inline_storage_;
  std::string error_;
};

}  // namespace kvorum::resp
