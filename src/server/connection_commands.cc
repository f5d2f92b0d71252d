// PING, ECHO, AUTH, HELLO, SELECT, QUIT, RESET, READONLY, READWRITE.

#include <optional>
#include <string>

#include "resp/decimal.h"
#include "server/authentication.h"
#include "server/client_context.h"
#include "server/client_loop.h"
#include "server/command_rows.h"
#include "server/text.h"

namespace kvorum::server {

namespace {

using command::Args;
using command::CommandSpec;

void ping(ClientContext& client, Args args) {
  Session& session = client.session();
  if (args.size() > 2) {
    return client.reply().error("ERR wrong number of arguments for 'ping' command");
  }
  if (session.protocol == resp::Protocol::kResp2 && session.subscribed()) {
    client.reply().array(2);
    client.reply().bulk("pong");
    return client.reply().bulk(args.size() == 2 ? args[1] : "");
  }
  if (args.size() == 2) return client.reply().bulk(args[1]);
  client.reply().simple("PONG");
}

void echo(ClientContext& client, Args args) {
  client.reply().bulk(args[1]);
}

void auth(ClientContext& client, Args args) {
  if (args.size() > 3) return client.reply().error("ERR syntax error");
  const std::string& password = client.loop().config().server.requirepass;
  if (args.size() == 2 && password.empty()) {
    return client.reply().error(
        "ERR AUTH <password> called without any password configured for the default user. Are you "
        "sure your configuration is correct?");
  }
  std::string_view user = args.size() == 3 ? args[1] : "default";
  if (!authenticate(client.session(), password, user, args.back())) {
    return client.reply().error(kWrongPassword);
  }
  client.reply().ok();
}

struct HelloOptions {
  std::optional<std::string_view> user;
  std::string_view password;
  std::optional<std::string_view> name;
};

// False: the error was written.
bool parse_hello(ClientContext& client, Args args, HelloOptions& options) {
  for (size_t i = 2; i < args.size();) {
    if (same_word(args[i], "auth") && i + 2 < args.size()) {
      options.user = args[i + 1];
      options.password = args[i + 2];
      i += 3;
    } else if (same_word(args[i], "setname") && i + 1 < args.size()) {
      options.name = args[i + 1];
      if (!valid_client_name(args[i + 1])) {
        client.reply().error(kBadClientName);
        return false;
      }
      i += 2;
    } else {
      client.reply().error("ERR Syntax error in HELLO option '" + std::string(args[i]) + "'");
      return false;
    }
  }
  return true;
}

void describe_server(ClientContext& client) {
  // The reply is in the protocol that HELLO has just chosen.
  resp::ReplyWriter reply(client.reply().buffer(), client.session().protocol);
  reply.map(7);
  reply.bulk("server");
  reply.bulk("redis");
  reply.bulk("version");
  reply.bulk(kRedisVersion);
  reply.bulk("proto");
  reply.integer(static_cast<int64_t>(client.session().protocol));
  reply.bulk("id");
  reply.integer(static_cast<int64_t>(client.session().id));
  reply.bulk("mode");
  reply.bulk("standalone");
  reply.bulk("role");
  reply.bulk(client.node().state.leader.load() ? "master" : "replica");
  reply.bulk("modules");
  reply.array(0);
}

void hello(ClientContext& client, Args args) {
  Session& session = client.session();
  resp::Protocol protocol = session.protocol;
  if (args.size() >= 2) {
    std::optional<int64_t> version = resp::parse_integer(args[1]);
    if (!version) {
      return client.reply().error("ERR Protocol version is not an integer or out of range");
    }
    if (*version != 2 && *version != 3) {
      return client.reply().error("NOPROTO unsupported protocol version");
    }
    protocol = static_cast<resp::Protocol>(*version);
  }
  HelloOptions options;
  if (!parse_hello(client, args, options)) return;
  const std::string& password = client.loop().config().server.requirepass;
  if (options.user && !authenticate(session, password, *options.user, options.password)) {
    return client.reply().error(kWrongPassword);
  }
  if (!session.authenticated) {
    return client.reply().error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "
        "RESP protocol version at the same time");
  }
  if (options.name) session.name = *options.name;
  session.protocol = protocol;
  describe_server(client);
}

void select(ClientContext& client, Args args) {
  std::optional<int64_t> index = resp::parse_integer(args[1]);
  if (!index) return client.reply().error("ERR invalid DB index");
  if (*index != 0) return client.reply().error("ERR DB index is out of range");
  client.reply().ok();
}

void quit(ClientContext& client, Args) {
  client.reply().ok();
  client.close_after_reply();
}

void reset(ClientContext& client, Args) {
  client.loop().reset(client.session());
  client.reply().simple("RESET");
}

void readonly(ClientContext& client, Args) {
  client.session().consistency = Consistency::kEventual;
  client.session().max_stale_ms.reset();
  client.reply().ok();
}

void readwrite(ClientContext& client, Args) {
  client.session().consistency = client.loop().config().reads.default_consistency;
  client.session().max_stale_ms.reset();
  client.reply().ok();
}

constexpr LocalFamily kFast{"connection", "@fast @connection", command::kFlagFast};
constexpr LocalFamily kAlways = kFast.with(kLoadingStale);
constexpr LocalFamily kUnknown = kAlways.with(command::kFlagNoScript | command::kFlagNoAuth);
constexpr LocalFamily kGreeting =
    kUnknown.with(command::kFlagSkipMonitor | command::kFlagNoSlowlog);
constexpr LocalFamily kCluster{"cluster", kAlways.categories, kAlways.flags};

constexpr CommandSpec kConnectionRows[] = {
    local_row(kFast, "ping", -1, "1.0.0", "O(1)", "Ping the server", "[message]", ping),
    local_row(kAlways, "echo", 2, "1.0.0", "O(1)", "Echo the given string", "message", echo),
    local_row(kGreeting, "auth", -2, "1.0.0",
              "O(N) where N is the number of passwords defined for the user",
              "Authenticate to the server", "[username] password", auth),
    local_row(kGreeting, "hello", -1, "6.0.0", "O(1)", "Handshake with the server",
              "[protover [AUTH username password] [SETNAME clientname]]", hello),
    local_row(kAlways, "select", 2, "1.0.0", "O(1)",
              "Change the selected database for the current connection", "index", select),
    local_row(kUnknown, "quit", -1, "1.0.0", "O(1)", "Close the connection", "", quit),
    local_row(kUnknown, "reset", 1, "6.2.0", "O(1)", "Reset the connection", "", reset),
    local_row(kCluster, "readonly", 1, "3.0.0", "O(1)",
              "Read from this node at once, perhaps not the newest state", "", readonly),
    local_row(kCluster, "readwrite", 1, "3.0.0", "O(1)", "Read with the default consistency again",
              "", readwrite),
};

}  // namespace

std::span<const CommandSpec> connection_commands() {
  return kConnectionRows;
}

}  // namespace kvorum::server
