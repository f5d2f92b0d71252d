// Drives a RequestParser as a connection does: keeps what is unread, adds pieces, drops what was
// consumed. The buffer moves at every piece, so a view that outlives its call would be seen.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "resp/request_parser.h"

namespace kvorum::resp {

struct Script {
  std::vector<std::vector<std::string>> requests;
  std::string error;
  // Bytes that belong to a request that is not complete.
  size_t unread = 0;

  bool operator==(const Script&) const = default;
};

class ScriptedConnection {
 public:
  explicit ScriptedConnection(RequestLimits limits = {}, bool authenticated = true)
      : parser_(limits) {
    parser_.set_authenticated(authenticated);
  }

  // Parses all that is complete; false after an error.
  bool receive(std::string_view piece) {
    std::string moved;
    moved.reserve(unread_.size() + piece.size());
    moved.append(unread_).append(piece);
    unread_.swap(moved);
    std::fill(moved.begin(), moved.end(), '#');
    size_t read = 0;
    while (true) {
      const std::string_view input = std::string_view(unread_).substr(read);
      const ParseResult result = parser_.next(input, args_);
      CHECK(result.consumed <= input.size());
      CHECK((result.status == ParseStatus::kRequest) == !args_.empty());
      CHECK((result.status == ParseStatus::kError) == !result.error.empty());
      read += result.consumed;
      if (result.status == ParseStatus::kRequest) {
        CHECK(result.consumed > 0);
        script_.requests.emplace_back(args_.begin(), args_.end());
        continue;
      }
      script_.error = result.error;
      unread_.erase(0, read);
      script_.unread = result.status == ParseStatus::kError ? 0 : unread_.size();
      CHECK(result.status == ParseStatus::kError || unread_.empty() == (parser_.wanted() == 0));
      return result.status != ParseStatus::kError;
    }
  }

  const Script& script() const { return script_; }
  RequestParser& parser() { return parser_; }

 private:
  RequestParser parser_;
  std::string unread_;
  std::vector<std::string_view> args_;
  Script script_;
};

inline Script parse_whole(std::string_view bytes, RequestLimits limits = {}) {
  ScriptedConnection connection(limits);
  connection.receive(bytes);
  return connection.script();
}

}  // namespace kvorum::resp
