#include "server/client_lines.h"

#include <fmt/format.h>

#include <chrono>

#include "net/connection.h"
#include "server/text.h"

namespace kvorum::server {

namespace {

int64_t seconds(Monotonic time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time).count();
}

bool over_unix_socket(const Session& session) {
  return session.address.starts_with('/') || session.address.ends_with(":0");
}

// Redis' letters, in its order.
std::string flags(const Session& session, bool asks) {
  std::string letters;
  if (session.monitor) letters.push_back('O');
  if (session.subscribed()) letters.push_back('P');
  if (session.transaction.open) letters.push_back('x');
  if (session.deferred && !asks) letters.push_back('b');
  if (session.tracking != nullptr) {
    letters.push_back('t');
    if (session.tracking->redirect_broken) letters.push_back('R');
    if (session.tracking->options.broadcast) letters.push_back('B');
  }
  if (session.closing) letters.push_back('c');
  if (over_unix_socket(session)) letters.push_back('U');
  if (session.consistency == Consistency::kEventual) letters.push_back('r');
  if (session.no_evict) letters.push_back('e');
  if (session.no_touch) letters.push_back('T');
  return letters.empty() ? "N" : letters;
}

// What the connection is waited on for: to be readable, writable.
std::string events(const net::Connection& connection) {
  std::string letters;
  if (!connection.reading_paused()) letters.push_back('r');
  if (connection.output_bytes() > 0) letters.push_back('w');
  return letters;
}

int64_t queued_commands(const Session& session) {
  return session.transaction.open ? static_cast<int64_t>(session.transaction.commands.size()) : -1;
}

int64_t redirect(const Session& session) {
  if (session.tracking == nullptr) return -1;
  return static_cast<int64_t>(session.tracking->options.redirect);
}

std::string_view last_command(const Session& session, const Asker& asker) {
  if (session.id != asker.id) return session.last_command;
  return session.running ? "exec" : asker.command;
}

}  // namespace

std::optional<ClientType> client_type(std::string_view word) {
  if (same_word(word, "normal")) return ClientType::kNormal;
  if (same_word(word, "slave") || same_word(word, "replica")) return ClientType::kReplica;
  if (same_word(word, "pubsub")) return ClientType::kPubSub;
  if (same_word(word, "master")) return ClientType::kMaster;
  return std::nullopt;
}

ClientType client_type(const Session& session) {
  return session.subscribed() ? ClientType::kPubSub : ClientType::kNormal;
}

std::string client_line(const Session& session, Monotonic now, const Asker& asker) {
  const net::Connection& connection = *session.connection;
  const bool asks = session.id == asker.id;
  const size_t input = connection.input_bytes();
  const size_t output = connection.output_bytes();
  const size_t queued = session.transaction.bytes;
  const size_t memory = sizeof(Session) + sizeof(net::Connection) + input + output + queued +
                        session.name.size() + session.library_name.size() +
                        session.library_version.size();
  return fmt::format(
      "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db=0 sub={} psub={} ssub={} "
      "multi={} watch={} qbuf={} qbuf-free=0 argv-mem={} multi-mem={} rbs=0 rbp=0 obl={} oll=0 "
      "omem={} tot-mem={} events={} cmd={} user=default redir={} resp={} lib-name={} lib-ver={}\n",
      session.id, session.address, session.local_address, connection.fd(), session.name,
      seconds(now - session.connected_at), asks ? 0 : seconds(now - session.last_command_at),
      flags(session, asks), session.channels.size(), session.patterns.size(),
      session.shard_channels.size(), queued_commands(session), session.watched.size(), input,
      asks ? asker.argument_bytes : 0, queued, output, output, memory, events(connection),
      last_command(session, asker), redirect(session), static_cast<int>(session.protocol),
      session.library_name, session.library_version);
}

bool ClientFilter::matches(const Session& session, Monotonic now) const {
  return (!id || session.id == *id) && (!type || client_type(session) == *type) &&
         (!address || session.address == *address) &&
         (!local_address || session.local_address == *local_address) &&
         (!age_s_min || seconds(now - session.connected_at) >= *age_s_min);
}

}  // namespace kvorum::server
