// SlowLog: the last commands that ran longer than slowlog-log-slower-than, newest first. Lives on
// loop 0.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "server/slow_note.h"

namespace kvorum::server {

class SlowLog {
 public:
  struct Entry {
    uint64_t id = 0;  // goes on counting after reset()
    uint64_t unix_s = 0;
    int64_t elapsed_us = 0;
    std::vector<std::string> args;
    std::string address;
    std::string client_name;
  };

  // Keeps at most `entries_max`. Takes the arguments out of `note`.
  void add(SlowNote& note, size_t entries_max);
  void reset() { entries_.clear(); }
  size_t size() const { return entries_.size(); }
  const std::deque<Entry>& entries() const { return entries_; }

 private:
  std::deque<Entry> entries_;
  uint64_t next_id_ = 0;
};

}  // namespace kvorum::server
