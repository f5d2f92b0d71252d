#include "server/slow_log.h"

#include <chrono>
#include <utility>

namespace kvorum::server {

void SlowLog::add(SlowNote& note, size_t entries_max) {
  auto elapsed_us = std::chrono::duration_cast<std::chrono::microseconds>(note.elapsed);
  entries_.push_front({next_id_++, note.at / 1000, elapsed_us.count(), std::move(note.args),
                       std::move(note.address), std::move(note.client_name)});
  while (entries_.size() > entries_max) entries_.pop_back();
}

}  // namespace kvorum::server
