#include "storage/async_sync.h"

#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace kvorum::storage {

// Straight to the kernel: glibc's aio runs threads of its own, and io_uring is often switched off.

AsyncSync::AsyncSync() {
  if (::syscall(SYS_io_setup, 1, &context_) != 0) context_ = 0;
}

AsyncSync::~AsyncSync() {
  // Waits for what is under way.
  if (context_ != 0) ::syscall(SYS_io_destroy, context_);
}

bool AsyncSync::begin(int descriptor) {
  if (context_ == 0) return false;
  iocb request{};
  request.aio_lio_opcode = IOCB_CMD_FDSYNC;
  request.aio_fildes = static_cast<uint32_t>(descriptor);
  iocb* requests[] = {&request};
  return ::syscall(SYS_io_submit, context_, 1, requests) == 1;
}

int AsyncSync::finish() {
  io_event event{};
  long got = 0;
  do {
    got = ::syscall(SYS_io_getevents, context_, 1, 1, &event, nullptr);
  } while (got < 0 && errno == EINTR);
  CHECK(got == 1, "io_getevents: {}", std::strerror(errno));
  return event.res < 0 ? static_cast<int>(-event.res) : 0;
}

}  // namespace kvorum::storage
