// In place of load_etcd.cc where nghttp2 is not installed.
#include "benchmarks/load_target.h"

namespace kvorum::benchmarks {

bool speaks_etcd() {
  return false;
}

std::unique_ptr<Target> connect_etcd(const TargetOptions& /*options*/) {
  return nullptr;
}

}  // namespace kvorum::benchmarks
