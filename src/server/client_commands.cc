// CLIENT: what a connection is and how it is treated.

#include "server/client_commands.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <string>

#include "command/parse.h"
#include "net/connection.h"
#include "resp/decimal.h"
#include "server/authentication.h"
#include "server/client_loop.h"
#include "server/command_rows.h"
#include "server/loop_group.h"
#include "server/text.h"

namespace kvorum::server {

namespace {

using command::Args;
using command::CommandSpec;

void client_id(ClientContext& client, Args) {
  client.reply().integer(static_cast<int64_t>(client.session().id));
}

void client_setname(ClientContext& client, Args args) {
  if (!valid_client_name(args[2])) return client.reply().error(kBadClientName);
  client.session().name = args[2];
  client.reply().ok();
}

void client_getname(ClientContext& client, Args) {
  const std::string& name = client.session().name;
  if (name.empty()) return client.reply().null();
  client.reply().bulk(name);
}

void client_setinfo(ClientContext& client, Args args) {
  const bool is_name = same_word(args[2], "lib-name");
  if (!is_name && !same_word(args[2], "lib-ver")) {
    return client.reply().error(fmt::format("ERR Unrecognized option '{}'", args[2]));
  }
  if (!valid_client_name(args[3])) {
    return client.reply().error(
        fmt::format("ERR {} cannot contain spaces, newlines or special characters.", args[2]));
  }
  Session& session = client.session();
  (is_name ? session.library_name : session.library_version) = args[3];
  client.reply().ok();
}

// Everyone who waits looks again, under the new terms.
void look_again(ClientContext& client) {
  client.node().loops.post_all([](ClientLoop& loop) { loop.unpause(); });
}

// A second pause may change what is paused and make it longer, never shorter, as in Redis.
void client_pause(ClientContext& client, Args args) {
  if (args.size() > 4) {
    return client.reply().error(fmt::format(
        "ERR unknown subcommand or wrong number of arguments for '{}'. Try CLIENT HELP.", args[1]));
  }
  const bool writes_only = args.size() == 4 && same_word(args[3], "write");
  if (args.size() == 4 && !writes_only && !same_word(args[3], "all")) {
    return client.reply().error("ERR CLIENT PAUSE mode must be WRITE or ALL");
  }
  const std::optional<int64_t> timeout_ms = resp::parse_integer(args[2]);
  if (!timeout_ms) {
    return client.reply().error("ERR timeout is not an integer or out of range");
  }
  if (*timeout_ms < 0) return client.reply().error("ERR timeout is negative");
  NodeServices& node = client.node();
  const int64_t now = node.clock.monotonic().count();
  constexpr int64_t kNanosecondsEach = 1'000'000;
  const int64_t most_ms = (std::numeric_limits<int64_t>::max() - now) / kNanosecondsEach;
  const int64_t until = now + std::min(*timeout_ms, most_ms) * kNanosecondsEach;
  node.pause_writes_only.store(writes_only);
  node.paused_until_ns.store(std::max(node.paused_until_ns.load(), until));
  look_again(client);
  client.reply().ok();
}

void client_unpause(ClientContext& client, Args) {
  client.node().paused_until_ns.store(0);
  look_again(client);
  client.reply().ok();
}

// OFF and SKIP are not answered themselves.
void client_reply(ClientContext& client, Args args) {
  Session& session = client.session();
  if (same_word(args[2], "on")) {
    session.reply_mode = ReplyMode::kOn;
    // The command came while replies were dropped, so the context's are.
    resp::ReplyWriter(session.connection->out(), session.protocol).ok();
  } else if (same_word(args[2], "off")) {
    session.reply_mode = ReplyMode::kOff;
  } else if (same_word(args[2], "skip")) {
    if (session.reply_mode != ReplyMode::kOff) session.reply_mode = ReplyMode::kSkipNext;
  } else {
    client.reply().error(command::errors::kSyntax);
  }
}

void set_switch(ClientContext& client, std::string_view word, bool& value) {
  if (!same_word(word, "on") && !same_word(word, "off")) {
    return client.reply().error(command::errors::kSyntax);
  }
  value = same_word(word, "on");
  client.reply().ok();
}

// Nothing is evicted and no access times are kept: both are only remembered.
void client_no_evict(ClientContext& client, Args args) {
  set_switch(client, args[2], client.session().no_evict);
}
void client_no_touch(ClientContext& client, Args args) {
  set_switch(client, args[2], client.session().no_touch);
}

std::string consistency_text(const Session& session) {
  switch (session.consistency) {
    case Consistency::kLinearizable:
      return "LINEARIZABLE";
    case Consistency::kLease:
      return "LEASE";
    case Consistency::kEventual:
      break;
  }
  return session.max_stale_ms ? fmt::format("EVENTUAL MAXSTALE {}", *session.max_stale_ms)
                              : "EVENTUAL";
}

std::optional<Consistency> consistency_of(std::string_view word) {
  if (same_word(word, "linearizable")) return Consistency::kLinearizable;
  if (same_word(word, "lease")) return Consistency::kLease;
  if (same_word(word, "eventual")) return Consistency::kEventual;
  return std::nullopt;
}

void client_consistency(ClientContext& client, Args args) {
  Session& session = client.session();
  if (args.size() == 2) return client.reply().bulk(consistency_text(session));
  const std::optional<Consistency> consistency = consistency_of(args[2]);
  if (!consistency) {
    return client.reply().error(
        "ERR consistency is LINEARIZABLE, LEASE or EVENTUAL [MAXSTALE milliseconds]");
  }
  std::optional<uint64_t> max_stale_ms;
  if (args.size() > 3) {
    const bool fits = *consistency == Consistency::kEventual && args.size() == 5 &&
                      same_word(args[3], "maxstale");
    if (!fits) {
      return client.reply().error(
          "ERR only EVENTUAL takes an option, which is MAXSTALE milliseconds");
    }
    const std::optional<int64_t> bound = resp::parse_integer(args[4]);
    if (!bound || *bound < 1) {
      return client.reply().error("ERR MAXSTALE must be a positive number of milliseconds");
    }
    max_stale_ms = static_cast<uint64_t>(*bound);
  }
  session.consistency = *consistency;
  session.max_stale_ms = max_stale_ms;
  client.reply().ok();
}

void client_help(ClientContext& client, Args) {
  static constexpr std::string_view kLines[] = {
      "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "CACHING (YES|NO)",
      "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
      "CONSISTENCY [LINEARIZABLE|LEASE|EVENTUAL [MAXSTALE <milliseconds>]]",
      "    Show or set what reads of the current connection promise.",
      "GETREDIR",
      "    Return the client ID we are redirecting to when tracking is enabled.",
      "GETNAME",
      "    Return the name of the current connection.",
      "ID",
      "    Return the ID of the current connection.",
      "INFO",
      "    Return information about the current client connection.",
      "KILL <ip:port>",
      "    Kill connection made from <ip:port>.",
      "KILL <option> <value> [<option> <value> [...]]",
      "    Kill connections. Options are:",
      "    * ADDR (<ip:port>|<unixsocket>:0)",
      "      Kill connections made from the specified address",
      "    * LADDR (<ip:port>|<unixsocket>:0)",
      "      Kill connections made to specified local address",
      "    * ID <client-id>",
      "      Kill the connection with this ID.",
      "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
      "      Kill connections by type.",
      "    * USER <username>",
      "      Kill connections authenticated by <username>.",
      "    * SKIPME (YES|NO)",
      "      Skip killing current connection (default: yes).",
      "    * MAXAGE <seconds>",
      "      Kill connections at least this old.",
      "LIST [options ...]",
      "    Return information about client connections. Options:",
      "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
      "      Return clients of specified type.",
      "    * ID <client-id> [<client-id> ...]",
      "      Return the clients with these IDs.",
      "UNBLOCK <clientid> [TIMEOUT|ERROR]",
      "    Unblock the specified blocked client.",
      "UNPAUSE",
      "    Stop the current client pause, resuming traffic.",
      "PAUSE <timeout> [WRITE|ALL]",
      "    Suspend all, or just write, clients for <timeout> milliseconds.",
      "REPLY (ON|OFF|SKIP)",
      "    Control the replies sent to the current connection.",
      "SETNAME <name>",
      "    Assign the name <name> to the current connection.",
      "SETINFO (LIB-NAME|LIB-VER) <value>",
      "    Tell which client library the current connection uses.",
      "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
      "         [OPTIN] [OPTOUT] [NOLOOP]",
      "    Control server assisted client side caching.",
      "TRACKINGINFO",
      "    Report tracking status for the current connection.",
      "NO-EVICT (ON|OFF)",
      "    Protect current client connection from eviction.",
      "NO-TOUCH (ON|OFF)",
      "    Will not touch LRU/LFU stats when this mode is on.",
      "HELP",
      "    Print this help.",
  };
  client.reply().simple_lines(kLines);
}

constexpr std::string_view kAllClients = "O(N) where N is the number of client connections";
constexpr std::string_view kVaries = "nondeterministic_output";

constexpr CommandSpec kClientRows[] = {
    container_row({"connection", "@slow"}, "client", "2.4.0",
                  "A container for client connection commands"),
    local_row(kConnectionPlain, "client|id", 2, "5.0.0", "O(1)",
              "Get the client ID of the current connection", "", client_id),
    local_row(kConnectionPlain, "client|info", 2, "6.2.0", "O(1)",
              "Describe the current connection", "", client_info, kVaries),
    local_row(kConnectionAdmin, "client|list", -2, "2.4.0", kAllClients,
              "List the open connections",
              "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]",
              client_list, kVaries),
    local_row(kConnectionAdmin, "client|kill", -3, "2.4.0", kAllClients, "Close connections",
              "<ip:port | <[ID client-id] | [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] | [USER "
              "username] "
              "| [ADDR ip:port] | [LADDR ip:port] | [SKIPME <YES | NO>] | [MAXAGE seconds]>>",
              client_kill),
    local_row(kConnectionAdmin, "client|pause", -3, "3.0.0", "O(1)",
              "Hold commands back for some time", "timeout [WRITE | ALL]", client_pause),
    local_row(kConnectionAdmin, "client|unpause", 2, "6.2.0",
              "O(N) where N is the number of paused clients", "End a pause of clients", "",
              client_unpause),
    local_row(kConnectionPlain.with(command::kFlagNoMulti), "client|reply", 3, "3.2.0", "O(1)",
              "Choose whether the server replies to commands", "<ON | OFF | SKIP>", client_reply),
    local_row(kConnectionPlain, "client|setname", 3, "2.6.9", "O(1)", "Name the current connection",
              "connection-name", client_setname),
    local_row(kConnectionPlain, "client|getname", 2, "2.6.9", "O(1)",
              "Get the name of the current connection", "", client_getname),
    local_row(kConnectionPlain, "client|setinfo", 4, "7.2.0", "O(1)",
              "Tell the client library of the current connection",
              "<LIB-NAME libname | LIB-VER libver>", client_setinfo),
    local_row(kConnectionAdmin, "client|no-evict", 3, "7.0.0", "O(1)",
              "Spare the current connection from eviction", "<ON | OFF>", client_no_evict),
    local_row(kConnectionPlain, "client|no-touch", 3, "7.2.0", "O(1)",
              "Choose whether commands of the current connection count as accesses", "<ON | OFF>",
              client_no_touch),
    local_row(kConnectionPlain, "client|consistency", -2, "7.2.0", "O(1)",
              "Show or choose what reads of the current connection promise",
              "[LINEARIZABLE | LEASE | EVENTUAL [MAXSTALE milliseconds]]", client_consistency),
    help_row({"connection", "@slow @connection", kLoadingStale}, "client|help", "5.0.0",
             client_help),
};

}  // namespace

std::span<const CommandSpec> client_commands() {
  return kClientRows;
}

}  // namespace kvorum::server
