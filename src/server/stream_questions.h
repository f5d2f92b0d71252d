// StreamQuestion: what a command wants to know of the history of changes, and the reply it makes of
// what a scan gives it. An entry of the stream is a change: its id, and as fields the event, the
// key, and the value where there is one. No I/O, no time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_id.h"
#include "command/history.h"
#include "resp/reply_writer.h"
#include "server/history_scan.h"
#include "server/pubsub.h"

namespace kvorum::server {

// One name that a client asks about: a watch of its keys that are shown to the client.
class NamedKeys {
 public:
  NamedKeys(Session& session, std::string_view target);
  NamedKeys(const NamedKeys&) = delete;
  NamedKeys& operator=(const NamedKeys&) = delete;
  bool have(std::string_view key) const;

 private:
  Subscription name_;
  PubSub by_key_;
};

class StreamQuestion {
 public:
  virtual ~StreamQuestion() = default;
  // The next change that the scan met. False: enough.
  virtual bool take(const command::HistoryEvent& event) = 0;
  // The scan, which was forward for some, came to its end.
  virtual void answer(const HistoryScan& scan, resp::ReplyWriter& reply) const = 0;
};

// XRANGE and XREVRANGE: up to `most` entries, in the order of the scan. More than `bytes_max` of
// them are refused: a range that ends early can't be told from a whole one.
class RangeQuestion final : public StreamQuestion {
 public:
  RangeQuestion(Session& session, std::string_view target, uint64_t most, size_t bytes_max)
      : keys_(session, target), most_(most), bytes_max_(bytes_max) {}
  bool take(const command::HistoryEvent& event) override;
  void answer(const HistoryScan& scan, resp::ReplyWriter& reply) const override;

 private:
  NamedKeys keys_;
  uint64_t most_;
  size_t bytes_max_;
  size_t found_ = 0;
  bool too_large_ = false;
  std::string entries_;
};

// XLEN.
class LengthQuestion final : public StreamQuestion {
 public:
  LengthQuestion(Session& session, std::string_view target) : keys_(session, target) {}
  bool take(const command::HistoryEvent& event) override;
  void answer(const HistoryScan& scan, resp::ReplyWriter& reply) const override;

 private:
  NamedKeys keys_;
  int64_t found_ = 0;
};

// XINFO STREAM.
class InfoQuestion final : public StreamQuestion {
 public:
  InfoQuestion(Session& session, std::string_view target) : keys_(session, target) {}
  bool take(const command::HistoryEvent& event) override;
  void answer(const HistoryScan& scan, resp::ReplyWriter& reply) const override;

 private:
  NamedKeys keys_;
  int64_t found_ = 0;
  EventId first_id_;
  std::string first_;
  std::string last_;
};

// One name of an XREAD: a watch of its keys, and what was found for it.
struct ReadName : Subscription {
  size_t found = 0;
  std::string entries;
};

// XREAD: for each name, up to `most` entries. It ends early before it has more than `bytes_max`,
// with what comes first in the order of changes: nothing is lost to who reads on from there.
class ReadQuestion final : public StreamQuestion {
 public:
  // Each name has its `session`, `name`, `target` and `after`.
  ReadQuestion(std::vector<ReadName> names, uint64_t most, size_t bytes_max);
  ReadQuestion(const ReadQuestion&) = delete;
  ReadQuestion& operator=(const ReadQuestion&) = delete;

  bool take(const command::HistoryEvent& event) override;
  void answer(const HistoryScan& scan, resp::ReplyWriter& reply) const override;

  // The same for one name of those that match.
  void take(ReadName& name, const command::HistoryEvent& event);
  bool found() const { return found_ > 0; }
  std::span<ReadName> names() { return names_; }

 private:
  std::vector<ReadName> names_;
  PubSub by_key_;
  uint64_t most_;
  size_t bytes_max_;
  size_t found_ = 0;
  size_t bytes_ = 0;
  size_t full_names_ = 0;
};

}  // namespace kvorum::server
