// FileSystem: the seam between the write-ahead log and a disk. The real one is POSIX; tests and the
// simulator use one that fails, tears, fills up, and loses what was not synced. Only files: no
// clock, no threads, no logging.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kvorum::storage {

// What a file operation came to. `number` is an errno; `message` names the operation and the path.
struct IoError {
  int number = 0;
  std::string message;
};

template <class T>
using IoResult = tl::expected<T, IoError>;
using IoStatus = IoResult<void>;

class File {
 public:
  virtual ~File() = default;
  virtual IoResult<uint64_t> size() = 0;
  // Reads up to `bytes` at `offset`; shorter only at the end of the file.
  virtual IoResult<std::string> read(uint64_t offset, size_t bytes) = 0;
  // The first offset from `offset` on at which there may be anything but zeros; size() when there
  // is none. May always answer `offset`. Only for bytes that were synced.
  virtual IoResult<uint64_t> next_data(uint64_t offset) = 0;
  virtual IoStatus write(uint64_t offset, std::string_view bytes) = 0;
  // Reserves space up to `bytes`; what was not written reads as zeros. Fails with ENOSPC when the
  // disk has not got it.
  virtual IoStatus allocate(uint64_t bytes) = 0;
  virtual IoStatus truncate(uint64_t bytes) = 0;
  virtual IoStatus sync_data() = 0;
  // The same in two halves, between which the caller may do something else, but nothing with any
  // file of this file system. What can't be done beside the caller is done in the second half.
  virtual void begin_sync_data() {}
  virtual IoStatus finish_sync_data() { return sync_data(); }
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  enum class Mode : uint8_t { kOpenExisting, kCreateNew };
  virtual IoResult<std::unique_ptr<File>> open(const std::string& path, Mode mode) = 0;
  virtual IoResult<std::vector<std::string>> list(const std::string& folder) = 0;  // names, sorted
  virtual IoStatus make_folder(const std::string& folder) = 0;  // fine if it exists
  virtual IoStatus rename(const std::string& from, const std::string& to) = 0;
  virtual IoStatus remove(const std::string& path) = 0;
  virtual IoStatus sync_folder(const std::string& folder) = 0;
};

std::unique_ptr<FileSystem> make_posix_file_system();

// Writes zero bytes from offset `from` up to `to`.
IoStatus write_zeros(File& file, uint64_t from, uint64_t to);

}  // namespace kvorum::storage
