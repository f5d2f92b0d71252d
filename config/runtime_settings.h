// RuntimeSettings: the options of a running node, shared by all threads. CONFIG GET, SET and
// REWRITE are its methods. A Config that was handed out never changes: SET publishes a new one and
// raises the version, which loops compare at the price of one load (SettingsView).
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "config/options.h"

namespace kvorum {

class RuntimeSettings {
 public:
  using Pair = std::pair<std::string_view, std::string_view>;
  // Makes a change take effect outside the readers of the Config: the logger's level, say. Runs on
  // the thread that sets, one at a time; must not call set or rewrite. An error refuses the whole
  // SET, and it is called again with the Config that stays.
  using Observer = std::function<Status(const Config&)>;

  // `file` is where rewrite() writes, empty when the node was started without one.
  explicit RuntimeSettings(Config config, std::string file = {});

  std::shared_ptr<const Config> snapshot() const;
  uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // CONFIG GET: all options whose CONFIG name matches one of the globs, each once, as name and
  // value; an exact name comes back as it was asked for. Any case.
  std::vector<std::pair<std::string, std::string>> get(
      std::span<const std::string_view> patterns) const;
  // CONFIG SET: all pairs or none. The error is Redis' whole reply: "ERR …".
  Status set(std::span<const Pair> pairs);
  // CONFIG REWRITE: what was set since the start goes into the file, the rest of which stays as it
  // is. Atomic: the file is the old one or the new one after a crash. The error is the whole reply.
  Status rewrite();

  // Before threads share this object. `path` is the option's place in the file: "log.level".
  void on_change(std::string_view path, Observer observer);

 private:
  struct Change {
    const config::Option* option;
    std::string_view name;  // as the client gave it
  };

  Status parse(std::span<const Pair> pairs, Config& config, std::vector<Change>& changes) const;
  Status notify(const Config& old_config, const Config& new_config,
                const std::vector<Change>& changes);
  std::string_view blame(std::string_view sentence, const std::vector<Change>& changes) const;

  const std::string file_;
  std::vector<std::pair<const config::Option*, Observer>> observers_;
  // Held through a whole set or rewrite, observers included.
  std::mutex change_mutex_;
  std::set<std::string> changed_paths_;  // by set since the start
  // Held for a pointer's copy.
  mutable std::mutex config_mutex_;
  std::shared_ptr<const Config> config_;
  std::atomic<uint64_t> version_{1};
};

// One thread's view of the settings: current at every call, cheap when nothing has changed.
class SettingsView {
 public:
  explicit SettingsView(const RuntimeSettings& settings)
      : settings_(settings), version_(settings.version()), config_(settings.snapshot()) {}

  // Valid until the next call.
  const Config& get() {
    if (settings_.version() != version_) [[unlikely]] {
      version_ = settings_.version();
      config_ = settings_.snapshot();
    }
    return *config_;
  }

 private:
  const RuntimeSettings& settings_;
  uint64_t version_;
  std::shared_ptr<const Config> config_;
};

}  // namespace kvorum
