// Result<T>: an expected failure of an operation, as a value. The message is one sentence an
// operator or client can act on. Broken invariants are CHECKs, never Results.
#pragma once

#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace kvorum {

struct Error {
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;

// A Result without a value: `Status s = ok();`.
using Status = Result<void>;

inline Status ok() {
  return {};
}

template <class... Args>
[[nodiscard]] tl::unexpected<Error> fail(fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{fmt::format(format, std::forward<Args>(args)...)});
}

}  // namespace kvorum
