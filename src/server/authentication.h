// Who a connection is, and what it may see: passwords, client names, access to keys.
#pragma once

#include <string_view>

#include "server/session.h"

namespace kvorum::server {

// What kvorum says it is to clients that choose their behaviour by Redis' version.
inline constexpr std::string_view kRedisVersion = "7.2.0";

inline constexpr std::string_view kWrongPassword =
    "WRONGPASS invalid username-password pair or user is disabled.";
inline constexpr std::string_view kBadClientName =
    "ERR Client names cannot contain spaces, newlines or special characters.";

// Marks the session authenticated if the pair is right. There is one user, "default"; while no
// password is required it takes any. The comparison takes the same time wherever the passwords
// differ.
bool authenticate(Session& session, std::string_view required, std::string_view user,
                  std::string_view password);

// Whether a connection may be shown `key`: that it exists, that it changes, what it holds. All that
// shows keys which no command of the connection has named asks here (README.md, "Who may see which
// key"). There is one user, who may see every key.
inline bool may_see(const Session& session, std::string_view /*key*/) {
  return session.authenticated;
}

bool valid_client_name(std::string_view name);

}  // namespace kvorum::server
