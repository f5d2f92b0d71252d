// AsyncSync: fdatasync beside the thread that asks for it, on the kernel's asynchronous I/O. One at
// a time, one thread.
#pragma once

#include <cstdint>

namespace kvorum::storage {

class AsyncSync {
 public:
  AsyncSync();
  ~AsyncSync();
  AsyncSync(const AsyncSync&) = delete;
  AsyncSync& operator=(const AsyncSync&) = delete;

  // Begins to make durable what was written to the file. False: this system can't, call fdatasync.
  bool begin(int descriptor);
  // Waits for what was begun. 0, or the errno it failed with.
  int finish();

 private:
  uint64_t context_ = 0;  // an aio_context_t; 0: this system has none
};

}  // namespace kvorum::storage
