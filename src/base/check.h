// CHECK: an invariant that is always verified. A violation is a bug: it prints and aborts.
// die(): a local durability failure. The process ends at once and says why.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace kvorum {

[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               std::string_view detail);

// Ends the process with exit code 1 after writing `message` to standard error. For failures after
// which nothing may be acknowledged any more: a failed write or sync, a storage engine panic.
[[noreturn]] void die(std::string_view message);

template <class... Args>
[[noreturn]] void die(fmt::format_string<Args...> format,
                      Args&&... args) requires(sizeof...(Args) > 0) {
  die(std::string_view(fmt::format(format, std::forward<Args>(args)...)));
}

}  // namespace kvorum

// CHECK(condition) or CHECK(condition, "format {}", value).
#define CHECK(condition, ...)                                              \
  do {                                                                     \
    if (!(condition)) [[unlikely]]                                         \
      ::kvorum::check_failed(__FILE__, __LINE__, #condition,               \
                             ::kvorum::detail::check_detail(__VA_ARGS__)); \
  } while (false)

namespace kvorum::detail {
inline std::string check_detail() {
  return {};
}
template <class... Args>
std::string check_detail(fmt::format_string<Args...> format, Args&&... args) {
  return fmt::format(format, std::forward<Args>(args)...);
}
}  // namespace kvorum::detail
