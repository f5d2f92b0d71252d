// CLIENT LIST, CLIENT INFO, CLIENT KILL.

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/connection.h"
#include "resp/decimal.h"
#include "server/client_commands.h"
#include "server/client_lines.h"
#include "server/client_loop.h"
#include "server/loop_group.h"
#include "server/text.h"

namespace kvorum::server {

namespace {

using command::Args;
// By CLIENT ID, which is also the order in which clients connected.
using Lines = std::map<uint64_t, std::string>;

Asker asker(ClientContext& client, std::string_view name, Args args) {
  size_t bytes = 0;
  for (std::string_view arg : args) bytes += arg.size();
  return {client.session().id, name, bytes};
}

std::string unknown_type(std::string_view word) {
  return fmt::format("ERR Unknown client type '{}'", word);
}

// Answers with the lines of `ids` in their order, or of all that match.
void reply_lines(ClientContext& client, ClientFilter filter,
                 std::optional<std::vector<int64_t>> ids, Asker who) {
  auto look = [filter, who](ClientLoop& loop) {
    Lines lines;
    loop.for_each_session([&](Session& session) {
      if (!filter.matches(session, loop.now())) return;
      lines.emplace(session.id, client_line(session, loop.now(), who));
    });
    return lines;
  };
  Deferred deferred = client.defer();
  auto finish = [deferred, ids = std::move(ids)](std::vector<Lines> answers) {
    Lines all;
    for (Lines& lines : answers) all.merge(lines);
    std::string text;
    if (ids) {
      for (int64_t id : *ids) {
        auto line = all.find(static_cast<uint64_t>(id));
        if (line != all.end()) text += line->second;
      }
    } else {
      for (const auto& [id, line] : all) text += line;
    }
    deferred.reply([&](resp::ReplyWriter& reply) { reply.verbatim("txt", text); });
  };
  client.node().loops.gather<Lines>(client.loop(), look, finish);
}

struct KillOptions {
  ClientFilter filter;
  bool skip_me = true;
};

// False: the error was written.
bool parse_kill_option(ClientContext& client, std::string_view word, std::string_view value,
                       KillOptions& options) {
  auto refuse = [&](std::string_view error) {
    client.reply().error(error);
    return false;
  };
  if (same_word(word, "id")) {
    std::optional<int64_t> id = resp::parse_integer(value);
    if (!id || *id < 1) return refuse("ERR client-id should be greater than 0");
    options.filter.id = static_cast<uint64_t>(*id);
  } else if (same_word(word, "type")) {
    options.filter.type = client_type(value);
    if (!options.filter.type) return refuse(unknown_type(value));
  } else if (same_word(word, "addr")) {
    options.filter.address = value;
  } else if (same_word(word, "laddr")) {
    options.filter.local_address = value;
  } else if (same_word(word, "user")) {
    // Every client is the one user there is.
    if (value != "default") return refuse(fmt::format("ERR No such user '{}'", value));
  } else if (same_word(word, "skipme")) {
    if (!same_word(value, "yes") && !same_word(value, "no")) return refuse("ERR syntax error");
    options.skip_me = same_word(value, "yes");
  } else if (same_word(word, "maxage")) {
    options.filter.age_s_min = resp::parse_integer(value);
    if (!options.filter.age_s_min) return refuse("ERR maxage is not an integer or out of range");
    if (*options.filter.age_s_min < 1) return refuse("ERR maxage should be greater than 0");
  } else {
    return refuse("ERR syntax error");
  }
  return true;
}

}  // namespace

void client_list(ClientContext& client, Args args) {
  ClientFilter filter;
  std::optional<std::vector<int64_t>> ids;
  if (args.size() == 4 && same_word(args[2], "type")) {
    filter.type = client_type(args[3]);
    if (!filter.type) return client.reply().error(unknown_type(args[3]));
  } else if (args.size() > 3 && same_word(args[2], "id")) {
    ids.emplace();
    for (std::string_view arg : args.subspan(3)) {
      std::optional<int64_t> id = resp::parse_integer(arg);
      if (!id) return client.reply().error("ERR Invalid client ID");
      ids->push_back(*id);
    }
  } else if (args.size() != 2) {
    return client.reply().error("ERR syntax error");
  }
  reply_lines(client, filter, std::move(ids), asker(client, "client|list", args));
}

void client_info(ClientContext& client, Args args) {
  client.reply().verbatim("txt", client_line(client.session(), client.loop().now(),
                                             asker(client, "client|info", args)));
}

void client_kill(ClientContext& client, Args args) {
  KillOptions options;
  const bool by_address_alone = args.size() == 3;
  if (by_address_alone) {
    options.filter.address = args[2];
    options.skip_me = false;
  }
  for (size_t i = 2; i < args.size() && !by_address_alone; i += 2) {
    if (i + 1 == args.size()) return client.reply().error("ERR syntax error");
    if (!parse_kill_option(client, args[i], args[i + 1], options)) return;
  }
  const bool kills_itself =
      !options.skip_me && options.filter.matches(client.session(), client.loop().now());
  auto kill = [filter = options.filter, self = client.session().id](ClientLoop& loop) {
    int64_t killed = 0;
    loop.for_each_session([&](Session& session) {
      if (session.id == self || session.connection->closing()) return;
      if (!filter.matches(session, loop.now())) return;
      loop.close(session, false);
      ++killed;
    });
    return killed;
  };
  Deferred deferred = client.defer();
  auto finish = [deferred, by_address_alone, kills_itself](std::vector<int64_t> counts) {
    int64_t killed = std::accumulate(counts.begin(), counts.end(), int64_t{kills_itself ? 1 : 0});
    deferred.reply([&](resp::ReplyWriter& reply) {
      if (!by_address_alone) return reply.integer(killed);
      if (killed == 0) return reply.error("ERR No such client");
      reply.ok();
    });
  };
  client.node().loops.gather<int64_t>(client.loop(), kill, finish);
  if (kills_itself) client.close_after_reply();
}

}  // namespace kvorum::server
