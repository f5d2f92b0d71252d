#include "server/authentication.h"

#include <algorithm>
#include <cstdint>

namespace kvorum::server {

namespace {

bool equal_in_constant_time(std::string_view given, std::string_view required) {
  uint8_t difference = given.size() == required.size() ? 0 : 1;
  for (size_t i = 0; i < given.size(); ++i) {
    char expected = required.empty() ? '\0' : required[i % required.size()];
    difference = static_cast<uint8_t>(difference | static_cast<uint8_t>(given[i] ^ expected));
  }
  return difference == 0;
}

}  // namespace

bool authenticate(Session& session, std::string_view required, std::string_view user,
                  std::string_view password) {
  bool right = required.empty() || equal_in_constant_time(password, required);
  if (user != "default" || !right) return false;
  session.authenticated = true;
  session.parser.set_authenticated(true);
  return true;
}

bool valid_client_name(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return c >= '!' && c <= '~'; });
}

}  // namespace kvorum::server
