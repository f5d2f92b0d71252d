// How CLIENT LIST and CLIENT INFO describe a connection, and how CLIENT LIST and CLIENT KILL choose
// connections.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "server/session.h"

namespace kvorum::server {

// Redis' types of clients. There are no connections of masters and replicas here: peers have a port
// of their own.
enum class ClientType : uint8_t { kNormal, kMaster, kReplica, kPubSub };

std::optional<ClientType> client_type(std::string_view word);
ClientType client_type(const Session& session);

// The command that is running now, when it is the session's own that asks.
struct Asker {
  uint64_t id = 0;
  std::string_view command;
  size_t argument_bytes = 0;
};

// One line of Redis 7.2's fields, with its end. What kvorum has no counterpart for is 0: qbuf-free,
// rbs, rbp and oll describe buffers that it does not have.
std::string client_line(const Session& session, Monotonic now, const Asker& asker);

// A client must match all that is set.
struct ClientFilter {
  std::optional<uint64_t> id = {};
  std::optional<ClientType> type = {};
  std::optional<std::string> address = {};
  std::optional<std::string> local_address = {};
  std::optional<int64_t> age_s_min = {};

  bool matches(const Session& session, Monotonic now) const;
};

}  // namespace kvorum::server
