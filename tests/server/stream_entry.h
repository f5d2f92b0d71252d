// An entry of the history read as a stream, as TestClient::text shows it.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>

namespace kvorum::server {

inline std::string entry(std::string_view id, std::string_view event, std::string_view key,
                         std::optional<std::string_view> value = std::nullopt) {
  return fmt::format("[\"{}\", [\"event\", \"{}\", \"key\", \"{}\"{}]]", id, event, key,
                     value ? fmt::format(", \"value\", \"{}\"", *value) : "");
}

}  // namespace kvorum::server
