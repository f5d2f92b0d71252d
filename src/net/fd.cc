#include "net/fd.h"

#include <unistd.h>

#include <system_error>

namespace kvorum::net {

void Fd::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

std::string errno_text(int error) {
  return std::generic_category().message(error);
}

}  // namespace kvorum::net
