#include "net/input_buffer.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace kvorum::net {

namespace {
// Below this much, memory is not worth giving back while something is held.
constexpr size_t kShrinkAbove = size_t{64} * 1024;
}  // namespace

void InputBuffer::assign(std::string_view bytes) {
  begin_ = end_ = 0;
  if (bytes.empty() || capacity_ < bytes.size() || capacity_ / 4 > bytes.size()) {
    data_.reset();
    capacity_ = 0;
  }
  append(bytes);
}

void InputBuffer::append(std::string_view bytes) {
  if (bytes.empty()) return;
  std::span<char> room = prepare(bytes.size());
  std::memcpy(room.data(), bytes.data(), bytes.size());
  commit(bytes.size());
}

std::span<char> InputBuffer::prepare(size_t size) {
  if (capacity_ - end_ < size) {
    size_t held = end_ - begin_;
    if (begin_ > 0) {
      std::memmove(data_.get(), data_.get() + begin_, held);
      begin_ = 0;
      end_ = held;
    }
    if (capacity_ - held < size) resize(std::max(held + size, capacity_ * 2));
  }
  return {data_.get() + end_, capacity_ - end_};
}

void InputBuffer::commit(size_t size) {
  CHECK(size <= capacity_ - end_);
  end_ += size;
}

void InputBuffer::consume(size_t size) {
  CHECK(size <= end_ - begin_);
  begin_ += size;
  size_t held = end_ - begin_;
  if (held == 0) {
    begin_ = end_ = 0;
    data_.reset();
    capacity_ = 0;
  } else if (capacity_ > kShrinkAbove && held < capacity_ / 4) {
    std::memmove(data_.get(), data_.get() + begin_, held);
    begin_ = 0;
    end_ = held;
    resize(held);
  }
}

// `end_` bytes fit into `capacity`.
void InputBuffer::resize(size_t capacity) {
  // realloc moves pages instead of bytes when a request is huge.
  char* data = static_cast<char*>(std::realloc(data_.get(), capacity));
  CHECK(data != nullptr, "out of memory for {} bytes of input", capacity);
  (void)data_.release();
  data_.reset(data);
  capacity_ = capacity;
}

}  // namespace kvorum::net
