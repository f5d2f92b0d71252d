// InputBuffer: the bytes a connection has received and its owner has not consumed, in one piece.
// Empty it owns no memory; it doubles when it grows and gives memory back when it shrinks.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>
#include <string_view>

namespace kvorum::net {

class InputBuffer {
 public:
  std::string_view view() const { return {data_.get() + begin_, end_ - begin_}; }
  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  size_t capacity() const { return capacity_; }

  // Replaces the content; `bytes` may not be a view into this buffer.
  void assign(std::string_view bytes);
  void append(std::string_view bytes);
  // Room for at least `size` more bytes; all the room there is. Then `commit` what was written.
  std::span<char> prepare(size_t size);
  void commit(size_t size);
  void consume(size_t size);

 private:
  struct Free {
    void operator()(char* data) const { std::free(data); }
  };
  void resize(size_t capacity);

  std::unique_ptr<char, Free> data_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t capacity_ = 0;
};

}  // namespace kvorum::net
