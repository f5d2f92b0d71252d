// In place of watch_load_etcd.cc where nghttp2 is not installed.
#include "benchmarks/watch_load_target.h"

namespace kvorum::benchmarks {

bool speaks_etcd() {
  return false;
}

std::unique_ptr<WatchTarget> connect_etcd(const WatchTargetOptions& /*options*/,
                                          WatchListener& /*listener*/) {
  return nullptr;
}

}  // namespace kvorum::benchmarks
