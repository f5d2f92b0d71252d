// kvorum's watches, over the Redis protocol: SUBSCRIBE and PSUBSCRIBE of `__watch__:…`. Messages
// are read where they were received, without a tree of values for each:
//   *3 message <channel> <payload>
//   *4 pmessage <pattern> <channel> <payload>
// with the payload `<event> <revision>-<change> <value>`.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <deque>
#include <iterator>
#include <optional>
#include <vector>

#include "base/check.h"
#include "benchmarks/load_sockets.h"
#include "benchmarks/watch_load_target.h"
#include "resp/reply_parser.h"

namespace kvorum::benchmarks {
namespace {

constexpr size_t kPartsMax = 4;
constexpr std::string_view kLineEnd = "\r\n";

struct Message {
  std::array<std::string_view, kPartsMax> parts;
  size_t count = 0;
};

// `<type><digits>\r\n`; nothing when it has not come whole.
std::optional<size_t> take_header(std::string_view& in, char type) {
  if (in.empty()) return std::nullopt;
  if (in[0] != type) die("not a message of a subscription: {:.60}", in);
  size_t number = 0;
  for (size_t i = 1; i < in.size(); ++i) {
    if (in[i] == '\r') {
      if (i + 1 == in.size()) return std::nullopt;
      in.remove_prefix(i + kLineEnd.size());
      return number;
    }
    number = number * 10 + static_cast<size_t>(in[i] - '0');
  }
  return std::nullopt;
}

// Takes one array of bulk strings (and integers, as the last part of confirmations) off `in`.
std::optional<Message> take_message(std::string_view& in) {
  std::string_view rest = in;
  const auto count = take_header(rest, '*');
  if (!count) return std::nullopt;
  if (*count > kPartsMax) die("a message of {} parts", *count);
  Message message{.parts = {}, .count = *count};
  for (size_t i = 0; i < *count; ++i) {
    const bool integer = rest.starts_with(':');
    const auto number = take_header(rest, integer ? ':' : '$');
    if (!number) return std::nullopt;
    if (integer) continue;
    if (rest.size() < *number + kLineEnd.size()) return std::nullopt;
    message.parts[i] = rest.substr(0, *number);
    rest.remove_prefix(*number + kLineEnd.size());
  }
  in = rest;
  return message;
}

uint64_t take_number(std::string_view& in, char end) {
  uint64_t number = 0;
  const auto [after, error] = std::from_chars(in.data(), in.data() + in.size(), number);
  const auto taken = static_cast<size_t>(after - in.data());
  if (error != std::errc{} || taken == in.size() || *after != end) die("no event id: {:.60}", in);
  in.remove_prefix(taken + 1);
  return number;
}

class RedisWatchTarget : public WatchTarget {
 public:
  RedisWatchTarget(const WatchTargetOptions& options, WatchListener& listener)
      : listener_(listener),
        watchers_(options.watchers),
        sockets_({options.endpoint}, options.watchers + options.writers),
        writers_(options.writers) {}

  void watch(size_t watcher, std::string_view key, bool prefix) override {
    std::string request;
    begin(request, 2, prefix ? "PSUBSCRIBE" : "SUBSCRIBE");
    argument(request, fmt::format("__watch__:{}{}", key, prefix ? "*" : ""));
    sockets_.send(watcher, request);
  }

  void put(size_t writer, std::string_view key, std::string_view value, uint32_t tag) override {
    Writer& to = writers_[writer];
    begin(to.output, 3, "SET");
    argument(to.output, key);
    argument(to.output, value);
    to.tags.push_back(tag);
  }

  void flush() override {
    for (size_t i = 0; i < writers_.size(); ++i) {
      if (writers_[i].output.empty()) continue;
      sockets_.send(watchers_.size() + i, writers_[i].output);
      writers_[i].output.clear();
    }
  }

  void wait(std::chrono::nanoseconds longest) override {
    for (const size_t connection : sockets_.wait(longest)) {
      const std::string_view input = sockets_.receive(connection);
      if (connection < watchers_.size()) {
        received_at_ = Clock::now();
        on_messages(connection, input);
      } else {
        on_replies(writers_[connection - watchers_.size()], input);
      }
    }
  }

  bool keeps_order() const override { return true; }

 private:
  struct Watcher {
    std::string partial;  // the beginning of a message that has not come whole
  };
  struct Writer {
    std::string output;
    std::deque<uint32_t> tags;  // of the writes under way, oldest first
    resp::ReplyParser replies;
  };

  static void begin(std::string& output, size_t arguments, std::string_view command) {
    fmt::format_to(std::back_inserter(output), "*{}\r\n", arguments);
    argument(output, command);
  }

  static void argument(std::string& output, std::string_view bytes) {
    fmt::format_to(std::back_inserter(output), "${}\r\n", bytes.size());
    output.append(bytes).append(kLineEnd);
  }

  void on_messages(size_t connection, std::string_view input) {
    std::string& partial = watchers_[connection].partial;
    if (partial.empty()) {  // the usual case
      while (const auto message = take_message(input)) on_message(connection, *message);
      partial.assign(input);
      return;
    }
    partial.append(input);
    std::string_view rest = partial;
    while (const auto message = take_message(rest)) on_message(connection, *message);
    partial.erase(0, partial.size() - rest.size());
  }

  void on_message(size_t watcher, const Message& message) {
    const std::string_view kind = message.parts[0];
    if (kind == "subscribe" || kind == "psubscribe") return listener_.on_watching(watcher);
    if (kind != "message" && kind != "pmessage") die("an unexpected {}", kind);
    std::string_view payload = message.parts[message.count - 1];
    if (payload.starts_with("lost ")) return listener_.on_told_lost(watcher);
    if (!payload.starts_with("set ")) die("an unexpected event: {:.60}", payload);
    payload.remove_prefix(4);
    ChangeId id;
    id.revision = take_number(payload, '-');
    id.change = take_number(payload, ' ');
    listener_.on_change(watcher, id, payload, received_at_);
  }

  void on_replies(Writer& writer, std::string_view input) {
    writer.replies.feed(input);
    while (true) {
      const auto reply = writer.replies.next();
      if (!reply) die("not the Redis protocol: {}", reply.error().message);
      if (!*reply) return;
      if ((*reply)->text != "OK") die("SET was answered {}", resp::to_string(**reply));
      CHECK(!writer.tags.empty(), "a reply to nothing");
      listener_.on_written(writer.tags.front());
      writer.tags.pop_front();
    }
  }

  WatchListener& listener_;
  std::vector<Watcher> watchers_;
  Sockets sockets_;  // of the watchers, then of the writers
  std::vector<Writer> writers_;
  Clock::time_point received_at_;
};

}  // namespace

std::unique_ptr<WatchTarget> connect_redis(const WatchTargetOptions& options,
                                           WatchListener& listener) {
  return std::make_unique<RedisWatchTarget>(options, listener);
}

}  // namespace kvorum::benchmarks
