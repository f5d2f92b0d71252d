// How messages look on the wire: each is one RESP array of bulk strings, a command, that anybody
// can read with the tools they know: a word for its kind, numbers as decimal text, one bulk for
// each log entry. The grammar is in codec.cc. Decoding is total: any words give a message or an
// error, and a message whose parts contradict each other is an error too.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/output_buffer.h"
#include "peer/messages.h"

namespace kvorum::peer {

// Where frames go. Large data is shared, not copied.
class FrameSink {
 public:
  virtual ~FrameSink() = default;
  // To be appended to; good until share().
  virtual std::string& text() = 0;
  virtual void share(net::SharedBytes bytes) = 0;
};

void encode(Message message, FrameSink& sink);
// The same in one piece.
std::string encode(Message message);

Result<Message> decode(std::vector<std::string> words);

// Roughly what the message takes on the wire.
size_t wire_bytes(const Message& message);

// Any command as a frame.
std::string encode_command(const std::vector<std::string>& words);
// The answer to a question: a bulk string, or an error line.
std::string encode_text(std::string_view text);
std::string encode_error(std::string_view text);

}  // namespace kvorum::peer
