#include "base/background.h"

#include <sys/resource.h>
#include <unistd.h>

namespace kvorum {

namespace {

// Each step of niceness is a quarter more or less of the processor.
constexpr int kNice = 10;

}  // namespace

void yield_to_others() {
  // Linux counts niceness by thread. Nobody may be denied more of it.
  static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice));
}

}  // namespace kvorum
