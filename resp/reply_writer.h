// ReplyWriter: appends replies to a buffer it does not own, in the connection's protocol. What
// RESP2 has no type for becomes what Redis sends there: a map a flat array, a double a bulk string,
// a boolean an integer, a null a null bulk string.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "resp/protocol.h"

namespace kvorum::resp {

class ReplyWriter {
 public:
  ReplyWriter(std::string& out, Protocol protocol) : out_(out), protocol_(protocol) {}

  Protocol protocol() const { return protocol_; }
  std::string& buffer() { return out_; }

  void ok() { out_.append("+OK\r\n"); }
  // No CR or LF in it.
  void simple(std::string_view text);
  // An array of simple strings: how HELP subcommands answer.
  void simple_lines(std::span<const std::string_view> lines);
  // `-text`. The error word comes first ("ERR …", "WRONGTYPE …"); CR and LF become spaces.
  void error(std::string_view text);
  void integer(int64_t value);
  void bulk(std::string_view bytes);
  void null();
  // RESP2 tells a null array (`*-1`) from a null bulk string; RESP3 does not.
  void null_array();
  // Headers: the caller then writes that many elements (for a map: pairs).
  void array(size_t elements);
  void map(size_t pairs);
  void set(size_t elements);
  // A push in RESP3, an array in RESP2.
  void push(size_t elements);
  // Shortest form that reads back the same; inf, -inf, nan.
  void real(double value);
  void boolean(bool value);
  void big_number(std::string_view digits);
  // `format` is three characters ("txt", "mkd"); a bulk string in RESP2.
  void verbatim(std::string_view format, std::string_view text);
  // Bytes that are a complete reply already.
  void raw(std::string_view reply) { out_.append(reply); }

 private:
  void header(char type, int64_t value);

  std::string& out_;
  const Protocol protocol_;
};

}  // namespace kvorum::resp
