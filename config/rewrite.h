// Editing a configuration file in place: the values of some options, and nothing else of the text.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/options.h"

namespace kvorum::config {

// `text` with `changed` set to their values in `config`: in their lines when they have one, else in
// their section, after the commented default when it is there. The result is loaded and compared,
// so that a file in a form this does not understand is refused, never spoilt.
Result<std::string> edit_yaml(std::string_view text, std::string_view file_name,
                              std::span<const Option* const> changed, const Config& config);

Result<std::string> read_text(const std::string& path);

}  // namespace kvorum::config
