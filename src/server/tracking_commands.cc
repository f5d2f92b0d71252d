// CLIENT TRACKING, CACHING, GETREDIR, TRACKINGINFO.

#include <fmt/format.h>

#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "command/parse.h"
#include "resp/decimal.h"
#include "server/client_context.h"
#include "server/client_loop.h"
#include "server/command_rows.h"
#include "server/loop_group.h"
#include "server/text.h"

namespace kvorum::server {

namespace {

using command::Args;
using command::CommandSpec;

constexpr std::string_view kNoSuchClient = "ERR The client ID you want redirect to does not exist";

// CLIENT TRACKING as it was sent.
struct Request {
  bool on = false;
  TrackingOptions options;
  std::optional<int64_t> redirect;
  std::vector<std::string> prefixes;
  // What is wrong with it; a connection to redirect to that is not there comes first.
  std::string_view error;
};

// False: the request is wrong.
bool parse_redirect(std::string_view id, Request& request) {
  if (request.redirect) {
    request.error = "ERR A client can only redirect to a single other client";
    return false;
  }
  request.redirect = resp::parse_integer(id);
  if (!request.redirect) request.error = "ERR value is not an integer or out of range";
  return request.redirect.has_value();
}

Request parse(Args args) {
  Request request;
  TrackingOptions& options = request.options;
  for (size_t i = 3; i < args.size(); ++i) {
    const bool more = i + 1 < args.size();
    if (same_word(args[i], "redirect") && more) {
      if (!parse_redirect(args[++i], request)) return request;
    } else if (same_word(args[i], "prefix") && more) {
      request.prefixes.emplace_back(args[++i]);
    } else if (same_word(args[i], "bcast")) {
      options.broadcast = true;
    } else if (same_word(args[i], "optin")) {
      options.opt_in = true;
    } else if (same_word(args[i], "optout")) {
      options.opt_out = true;
    } else if (same_word(args[i], "noloop")) {
      options.no_loop = true;
    } else {
      request.error = command::errors::kSyntax;
      return request;
    }
  }
  request.on = same_word(args[2], "on");
  if (!request.on && !same_word(args[2], "off")) request.error = command::errors::kSyntax;
  return request;
}

// One of `prefixes` that begins with `prefix`, or that it begins with. No two of them do, but for
// the empty one, which comes with BCAST alone and may have been added to others.
template <class Prefixes>
std::optional<std::string_view> overlapping(const Prefixes& prefixes, std::string_view prefix) {
  if (!prefixes.empty() && prefixes.begin()->empty()) return *prefixes.begin();
  auto next = prefixes.lower_bound(prefix);
  if (next != prefixes.end() && next->starts_with(prefix)) return *next;
  if (next != prefixes.begin() && prefix.starts_with(*std::prev(next))) return *std::prev(next);
  return std::nullopt;
}

std::string overlap_error(std::string_view prefix, std::string_view which, std::string_view other) {
  return fmt::format(
      "ERR Prefix '{}' overlaps with {} prefix '{}'. Prefixes for a single client must not "
      "overlap.",
      prefix, which, other);
}

// Empty when no two prefixes of the session would tell it of the same key.
std::string overlap_of(const TrackingState* state, const std::vector<std::string>& prefixes) {
  std::set<std::string_view> provided;
  for (const std::string& prefix : prefixes) {
    if (state != nullptr) {
      const auto existing = overlapping(state->prefixes, prefix);
      if (existing) return overlap_error(prefix, "an existing", *existing);
    }
    const auto other = overlapping(provided, prefix);
    if (other) return overlap_error(*other, "another provided", prefix);
    provided.insert(prefix);
  }
  return {};
}

// What forbids the request with what the session, perhaps, tracks already. Empty: nothing.
std::string refusal(const TrackingState* state, const Request& request) {
  const TrackingOptions& wanted = request.options;
  if (!wanted.broadcast && !request.prefixes.empty()) {
    return "ERR PREFIX option requires BCAST mode to be enabled";
  }
  if (state != nullptr && state->options.broadcast != wanted.broadcast) {
    return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and "
           "then re-enabling it with a different mode.";
  }
  if (wanted.broadcast && (wanted.opt_in || wanted.opt_out)) {
    return "ERR OPTIN and OPTOUT are not compatible with BCAST";
  }
  if (wanted.opt_in && wanted.opt_out) {
    return "ERR You can't specify both OPTIN mode and OPTOUT mode";
  }
  if (state != nullptr &&
      ((wanted.opt_in && state->options.opt_out) || (wanted.opt_out && state->options.opt_in))) {
    return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and "
           "then re-enabling it with a different mode.";
  }
  return overlap_of(state, request.prefixes);
}

void carry_out(ClientLoop& loop, Session& session, const Request& request,
               resp::ReplyWriter& reply) {
  if (!request.error.empty()) return reply.error(request.error);
  if (!request.on) {
    loop.tracking().stop(session);
    return reply.ok();
  }
  const std::string refused = refusal(session.tracking.get(), request);
  if (!refused.empty()) return reply.error(refused);
  loop.tracking().start(session, request.options, request.prefixes);
  reply.ok();
}

// Where the loop keeps a connection; nothing when it has none with this CLIENT ID.
std::optional<uint32_t> slot_of(ClientLoop& loop, uint64_t id) {
  std::optional<uint32_t> slot;
  loop.for_each_session([&](Session& session) {
    if (session.id == id) slot = session.slot;
  });
  return slot;
}

Request redirected(Request request, uint64_t id, std::optional<uint32_t> slot) {
  if (slot) {
    request.options.redirect = id;
    request.options.redirect_slot = *slot;
  } else {
    request.error = kNoSuchClient;
  }
  return request;
}

// The connection to redirect to would be on another loop: that one has to be asked.
void carry_out_later(ClientContext& client, ClientLoop& there, uint64_t id,
                     const Request& request) {
  ClientLoop& here = client.loop();
  const Session& session = client.session();
  auto answer = [deferred = client.defer(), request, id, slot = session.slot,
                 session_id = session.id](ClientLoop& loop, std::optional<uint32_t> found) {
    Session* asker = loop.find(slot, session_id);
    if (asker == nullptr) return;
    deferred.reply([&](resp::ReplyWriter& reply) {
      carry_out(loop, *asker, redirected(request, id, found), reply);
    });
  };
  there.post_task([&here, answer, id](ClientLoop& loop) {
    here.post_task(
        [answer, found = slot_of(loop, id)](ClientLoop& asking) { answer(asking, found); });
  });
}

void tracking(ClientContext& client, Args args) {
  Request request = parse(args);
  if (request.redirect) {
    const auto id = static_cast<uint64_t>(*request.redirect);
    ClientLoop& there = client.node().loops.loop_of(id);
    if (&there != &client.loop()) return carry_out_later(client, there, id, request);
    request = redirected(std::move(request), id, slot_of(there, id));
  }
  carry_out(client.loop(), client.session(), request, client.reply());
}

void caching(ClientContext& client, Args args) {
  TrackingState* state = client.session().tracking.get();
  if (state == nullptr) {
    return client.reply().error(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
        "OPTOUT mode enabled");
  }
  const bool yes = same_word(args[2], "yes");
  if (!yes && !same_word(args[2], "no")) return client.reply().error(command::errors::kSyntax);
  if (yes && !state->options.opt_in) {
    return client.reply().error(
        "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
  }
  if (!yes && !state->options.opt_out) {
    return client.reply().error(
        "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
  }
  state->caching = true;
  client.reply().ok();
}

int64_t redirect_of(const Session& session) {
  if (session.tracking == nullptr) return -1;
  return static_cast<int64_t>(session.tracking->options.redirect);
}

void getredir(ClientContext& client, Args) {
  client.reply().integer(redirect_of(client.session()));
}

std::vector<std::string_view> flags_of(const TrackingState* state) {
  if (state == nullptr) return {"off"};
  const TrackingOptions& options = state->options;
  std::vector<std::string_view> flags = {"on"};
  if (options.broadcast) flags.push_back("bcast");
  if (options.opt_in) flags.push_back("optin");
  if (options.opt_in && state->caching) flags.push_back("caching-yes");
  if (options.opt_out) flags.push_back("optout");
  if (options.opt_out && state->caching) flags.push_back("caching-no");
  if (options.no_loop) flags.push_back("noloop");
  if (state->redirect_broken) flags.push_back("broken_redirect");
  return flags;
}

void trackinginfo(ClientContext& client, Args) {
  const TrackingState* state = client.session().tracking.get();
  resp::ReplyWriter& reply = client.reply();
  reply.map(3);
  reply.bulk("flags");
  const std::vector<std::string_view> flags = flags_of(state);
  reply.set(flags.size());
  for (std::string_view flag : flags) reply.bulk(flag);
  reply.bulk("redirect");
  reply.integer(redirect_of(client.session()));
  reply.bulk("prefixes");
  reply.array(state != nullptr ? state->prefixes.size() : 0);
  if (state == nullptr) return;
  for (const std::string& prefix : state->prefixes) reply.bulk(prefix);
}

constexpr CommandSpec kTrackingRows[] = {
    local_row(kConnectionPlain, "client|tracking", -3, "6.0.0",
              "O(1), and O(N*log(N)) with N prefixes",
              "Choose whether the current connection is told when what it read changes",
              "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] "
              "[OPTOUT] [NOLOOP]",
              tracking),
    local_row(kConnectionPlain, "client|caching", 3, "6.0.0", "O(1)",
              "Choose whether the keys of the next command are tracked", "<YES | NO>", caching),
    local_row(kConnectionPlain, "client|getredir", 2, "6.0.0", "O(1)",
              "Get the ID of the client that invalidations are redirected to", "", getredir),
    local_row(kConnectionPlain, "client|trackinginfo", 2, "6.2.0", "O(1)",
              "Describe what is tracked for the current connection", "", trackinginfo),
};

}  // namespace

std::span<const CommandSpec> tracking_commands() {
  return kTrackingRows;
}

}  // namespace kvorum::server
