// FrameReader: cuts the bytes of one connection into frames and has hiredis' reader parse them.
// Before hiredis or anybody else takes memory for a frame, its shape and sizes are judged by the
// headers that have come: what is nested, null, negative or too large ends there. Any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct redisReader;

namespace kvorum::peer {

struct FrameLimits {
  size_t bytes_max = 0;  // the whole frame, headers included
  size_t words_max = 0;
};

//   frame  = "*" count CRLF bulk*              kWords: everything but answers
//          | bulk                              kText: what was asked for
//          | "+" line CRLF | "-" line CRLF     kStatus, kError: the answer to a handshake
//   bulk   = "$" size CRLF byte*size CRLF
struct Frame {
  enum class Kind { kWords, kText, kStatus, kError };
  Kind kind = Kind::kWords;
  // One for a text and for a line, at least one for words.
  std::vector<std::string> words;
};

class FrameReader {
 public:
  explicit FrameReader(FrameLimits limits);
  ~FrameReader();
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;

  // Between frames.
  void set_limits(FrameLimits limits) { limits_ = limits; }

  // The frame that `input` begins with, which then is `frame_bytes()` long; nothing while it is not
  // complete. Until it is, every call's input begins with the input of the call before. After an
  // error the stream is lost.
  Result<std::optional<Frame>> next(std::string_view input);
  size_t frame_bytes() const { return frame_bytes_; }
  // How much input a complete frame has at least, when there was none.
  size_t wanted_bytes() const { return wanted_bytes_; }

 private:
  struct FreeReader {
    void operator()(redisReader* reader) const;
  };

  // True when the whole frame is there.
  Result<bool> measure(std::string_view input);
  Result<bool> measure_start(std::string_view input);
  Result<bool> measure_bulk(std::string_view input);
  Result<Frame> parse(std::string_view bytes);
  bool want(size_t bytes);

  FrameLimits limits_;
  std::unique_ptr<redisReader, FreeReader> reader_;
  // How far the frame at hand is known to be well formed, and what is missing after that.
  size_t measured_ = 0;
  size_t bulks_left_ = 0;
  size_t frame_bytes_ = 0;
  size_t wanted_bytes_ = 0;
};

}  // namespace kvorum::peer
