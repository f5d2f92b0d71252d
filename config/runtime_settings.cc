#include "config/runtime_settings.h"

#include <algorithm>

#include "base/check.h"
#include "base/glob.h"
#include "base/replace_file.h"
#include "config/rewrite.h"
#include "config/text.h"

namespace kvorum {

namespace {

using config::Option;

template <class Reason>
tl::unexpected<Error> set_failed(std::string_view name, const Reason& reason) {
  return fail("ERR CONFIG SET failed (possibly related to argument '{}') - {}", name, reason);
}

bool is_glob(std::string_view pattern) {
  return pattern.find_first_of("*?[\\") != std::string_view::npos;
}

bool differs(const Option& option, const Config& left, const Config& right) {
  return option.value.file_text(left) != option.value.file_text(right);
}

}  // namespace

RuntimeSettings::RuntimeSettings(Config config, std::string file)
    : file_(std::move(file)), config_(std::make_shared<const Config>(std::move(config))) {}

std::shared_ptr<const Config> RuntimeSettings::snapshot() const {
  std::lock_guard lock(config_mutex_);
  return config_;
}

std::vector<std::pair<std::string, std::string>> RuntimeSettings::get(
    std::span<const std::string_view> patterns) const {
  const std::shared_ptr<const Config> config = snapshot();
  std::vector<std::pair<std::string, std::string>> found;
  std::set<const Option*> seen;
  auto add = [&](const Option& option, std::string_view name) {
    if (seen.insert(&option).second) found.emplace_back(name, option.value.config_text(*config));
  };
  for (std::string_view pattern : patterns) {
    if (!is_glob(pattern)) {
      if (const Option* option = config::find_config_name(pattern)) add(*option, pattern);
      continue;
    }
    for (const Option& option : config::options()) {
      if (glob_match(pattern, option.config_name, true)) add(option, option.config_name);
    }
  }
  return found;
}

Status RuntimeSettings::parse(std::span<const Pair> pairs, Config& config,
                              std::vector<Change>& changes) const {
  for (const auto& [name, text] : pairs) {
    const Option* option = config::find_config_name(name);
    if (option == nullptr) {
      return fail("ERR Unknown option or number of arguments for CONFIG SET - '{}'", name);
    }
    if (option->change == config::Change::kAtStart) {
      return set_failed(name, "can't set immutable config");
    }
    for (const Change& change : changes) {
      if (change.option == option) return set_failed(name, "duplicate parameter");
    }
    changes.push_back({option, name});
  }
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (config::MaybeError wrong = changes[i].option->value.parse(config, pairs[i].second)) {
      return set_failed(changes[i].name, wrong->redis);
    }
  }
  return ok();
}

// The name that the client is told: the one of its names that `sentence` is about, else its first.
std::string_view RuntimeSettings::blame(std::string_view sentence,
                                        const std::vector<Change>& changes) const {
  for (const Change& change : changes) {
    if (change.option->in_file() && sentence.find(change.option->path) != std::string_view::npos) {
      return change.name;
    }
  }
  return changes.front().name;
}

Status RuntimeSettings::set(std::span<const Pair> pairs) {
  if (pairs.empty()) return ok();
  std::lock_guard changing(change_mutex_);
  const std::shared_ptr<const Config> current = snapshot();
  Config config = *current;
  std::vector<Change> changes;
  if (Status status = parse(pairs, config, changes); !status) return status;
  if (std::vector<std::string> wrong = config::validate(config); !wrong.empty()) {
    return set_failed(blame(wrong.front(), changes), wrong.front());
  }
  if (Status status = notify(*current, config, changes); !status) return status;
  for (const Option& option : config::options()) {
    if (option.in_file() && differs(option, *current, config)) changed_paths_.insert(option.path);
  }
  for (const Change& change : changes) {
    if (change.option->in_file()) changed_paths_.insert(change.option->path);
  }
  auto published = std::make_shared<const Config>(std::move(config));
  {
    std::lock_guard lock(config_mutex_);
    config_ = std::move(published);
  }
  version_.fetch_add(1, std::memory_order_release);
  return ok();
}

Status RuntimeSettings::notify(const Config& old_config, const Config& new_config,
                               const std::vector<Change>& changes) {
  std::vector<const Observer*> notified;
  for (const auto& [option, observer] : observers_) {
    if (!differs(*option, old_config, new_config)) continue;
    Status status = observer(new_config);
    notified.push_back(&observer);
    if (status) continue;
    for (const Observer* back : notified) {
      // What was in force a moment ago can be so again; there is nobody to tell if not.
      (void)(*back)(old_config);
    }
    return set_failed(blame(option->path, changes), status.error().message);
  }
  return ok();
}

Status RuntimeSettings::rewrite() {
  if (file_.empty()) return fail("ERR The server is running without a config file");
  std::lock_guard changing(change_mutex_);
  auto failed = [](const Error& error) {
    return fail("ERR Rewriting config file: {}", error.message);
  };
  std::vector<const Option*> changed;
  for (const Option& option : config::options()) {
    if (changed_paths_.contains(option.path)) changed.push_back(&option);
  }
  Result<std::string> text = config::read_text(file_);
  if (!text) return failed(text.error());
  Result<std::string> edited = config::edit_yaml(*text, file_, changed, *snapshot());
  if (!edited) return failed(edited.error());
  if (*edited == *text) return ok();
  if (Status status = replace_file(file_, *edited); !status) return failed(status.error());
  return ok();
}

void RuntimeSettings::on_change(std::string_view path, Observer observer) {
  const Option* option = config::find_path(path);
  CHECK(option != nullptr, "no option '{}'", path);
  CHECK(option->change == config::Change::kAtRunTime, "'{}' never changes", path);
  observers_.emplace_back(option, std::move(observer));
}

}  // namespace kvorum
