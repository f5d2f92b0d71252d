#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace kvorum {

void check_failed(const char* file, int line, const char* condition, std::string_view detail) {
  fmt::print(stderr, "kvorum: CHECK failed at {}:{}: {}{}{}\n", file, line, condition,
             detail.empty() ? "" : ": ", detail);
  std::fflush(stderr);
  std::abort();
}

void die(std::string_view message) {
  fmt::print(stderr, "kvorum: fatal: {}\n", message);
  std::fflush(stderr);
  std::_Exit(1);
}

}  // namespace kvorum
