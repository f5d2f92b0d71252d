// Value: how the value of one option is read from text and written as text, for the file, the flags
// and CONFIG alike. Made by the functions below from a field of Config.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"

namespace kvorum::config {

// Why a text is no value: for people who edit files and flags ("expected …"), and in the words that
// Redis' CONFIG SET has for it.
struct ValueError {
  std::string expected;
  std::string redis;
};
using MaybeError = std::optional<ValueError>;

struct Value {
  std::string type;  // a word for --help: NUMBER, SIZE
  // Leaves the config as it was when it gives an error.
  std::function<MaybeError(Config&, std::string_view)> parse;
  std::function<std::string(const Config&)> config_text;  // as CONFIG GET answers
  std::function<std::string(const Config&)> file_text;    // as the YAML file has it
  bool is_list = false;                                   // a sequence in the file
};

// Leaves of the functions below, and useful on their own.
std::optional<int64_t> parse_integer(std::string_view text);
// "64mb" and "64MiB" are 64 * 1024 * 1024; "64m" is 64,000,000, as in Redis; no unit is bytes.
std::optional<int64_t> parse_bytes(std::string_view text);
std::string format_bytes(uint64_t bytes);
// A YAML double-quoted scalar.
std::string quote(std::string_view text);
// Splits at spaces, tabs and commas.
std::vector<std::string> split_words(std::string_view text);

namespace detail {
using Getter = std::function<int64_t(const Config&)>;
using Setter = std::function<void(Config&, int64_t)>;

Value make_number(const Getter& get, const Setter& set, int64_t low, int64_t high);
Value make_bytes(const Getter& get, const Setter& set, int64_t low, int64_t high);
Value make_octal(const Getter& get, const Setter& set, int64_t high);
Value make_choice(const Getter& get, const Setter& set,
                  const std::vector<std::pair<std::string, int64_t>>& names);

// A field is a stateless lambda from a Config to one of its members, constant or not.
template <class Field>
int64_t get_as_int(const Config& config) {
  return static_cast<int64_t>(Field{}(config));
}
template <class Field>
void set_from_int(Config& config, int64_t value) {
  auto& member = Field{}(config);
  member = static_cast<std::remove_reference_t<decltype(member)>>(value);
}
}  // namespace detail

template <class Field>
Value number(Field, int64_t low, int64_t high) {
  return detail::make_number(detail::get_as_int<Field>, detail::set_from_int<Field>, low, high);
}
template <class Field>
Value bytes(Field, int64_t low, int64_t high) {
  return detail::make_bytes(detail::get_as_int<Field>, detail::set_from_int<Field>, low, high);
}
template <class Field>
Value octal(Field, int64_t high) {
  return detail::make_octal(detail::get_as_int<Field>, detail::set_from_int<Field>, high);
}
// The first name of a value is the one it is written with; the others are understood.
template <class Field>
Value choice(Field, const std::vector<std::pair<std::string, int64_t>>& names) {
  return detail::make_choice(detail::get_as_int<Field>, detail::set_from_int<Field>, names);
}

using BoolField = bool& (*)(Config&);
using TextField = std::string& (*)(Config&);
using ListField = std::vector<std::string>& (*)(Config&);
using LimitField = OutputBufferLimit& (*)(Config&);
using NotifyField = NotifyFlags& (*)(Config&);

Value yes_no(BoolField field);
Value text(TextField field);
// Not empty.
Value path(TextField field);
Value list(ListField field);
Value limit(LimitField field);
// Redis' client-output-buffer-limit: "<class> <hard> <soft> <seconds>" once or more.
Value limits_by_class(const std::vector<std::pair<std::string, LimitField>>& classes);
Value notify_flags(NotifyField field);
// Something that cannot be otherwise: only its own value is taken.
Value fact(const std::string& value);

}  // namespace kvorum::config
